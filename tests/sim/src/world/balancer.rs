//! Clients: rows that are written to whom the balancer believes to be the primary, and to whom
//! the last one went well.

use std::collections::BTreeMap;
use std::time::Duration;

use super::World;
use super::draws::What;
use super::event::Event;
use crate::fact::Fact;
use crate::fault::End;
use crate::ids::{At, Node};
use crate::pg::Wal;
use crate::trace::Kind;

/// How often the balancer asks.
const HEALTH_EVERY: Duration = Duration::from_secs(2);

/// A row that a server took.
#[derive(Clone, Debug)]
pub struct Row {
    /// Whose server.
    pub node: Node,
    /// The place after its commit record.
    pub place: Wal,
    /// When it was committed there.
    pub at: At,
    /// Whether the client was told that it is safe.
    pub is_acknowledged: bool,
    /// Whether the server was known to be beyond anybody's control.
    pub is_excused: bool,
    /// Whether it had to wait for a standby.
    pub is_synchronous: bool,
}

/// What clients and their balancer believe.
#[derive(Clone, Debug, Default)]
pub(super) struct Clients {
    /// Whom the balancer sends writers to.
    healthy: Vec<Node>,
    /// Where the last row was taken.
    sticky: Option<Node>,
    /// Members whose server of the store shows an old state, and how old.
    pub(super) stale: BTreeMap<Node, At>,
    /// Rows that wait for a standby.
    waiting: Vec<usize>,
    is_ticking: bool,
}

impl World {
    /// Clients begin to write.
    pub fn let_clients_write(&mut self) {
        self.is_writing = true;
        if !self.clients.is_ticking {
            self.clients.is_ticking = true;
            self.plan(Duration::ZERO, Event::HealthCheck);
            self.plan(Duration::from_millis(10), Event::ClientTick);
        }
    }

    pub(super) fn health_check(&mut self) {
        let healthy = self
            .hosts
            .iter()
            .filter(|host| {
                let agent = host.agent.as_ref();
                host.is_agent_awake()
                    && agent.is_some_and(|agent| agent.grant.is_some() && agent.sees_primary)
                    && self.net.connects(End::Clients, End::Node(host.node))
            })
            .map(|host| host.node);
        self.clients.healthy = healthy.collect();
        if self.is_writing {
            self.plan(HEALTH_EVERY, Event::HealthCheck);
        } else {
            self.clients.is_ticking = false;
        }
    }

    pub(super) fn client_tick(&mut self) {
        if !self.is_writing {
            return;
        }
        let mut targets = self.clients.healthy.clone();
        targets.extend(self.clients.sticky);
        targets.sort_unstable();
        targets.dedup();
        for node in targets {
            if self.net.passes(End::Clients, End::Node(node)) {
                let travel = self.draws.message(What::Client, node);
                self.plan(travel, Event::Row { node });
            }
        }
        let every = self.options.write_every;
        let usual = u64::try_from(every.as_millis()).unwrap_or(1000);
        let pause = self.draws.below(What::Client, None, usual) + usual / 2;
        self.plan(Duration::from_millis(pause), Event::ClientTick);
    }

    pub(super) fn row_arrives(&mut self, node: Node) {
        let now = self.now;
        if !self.host(node).is_up {
            return;
        }
        let written = self.hosts[node.index()].server.write(&mut self.tree);
        let Ok(place) = written else {
            if self.clients.sticky == Some(node) {
                self.clients.sticky = None;
            }
            return;
        };
        let is_excused = self
            .host(node)
            .excuse(now, self.options.has_guardian)
            .is_some();
        let waits = self.host(node).server.is_synchronous();
        // Whom the store lets take over is held to every row that was acknowledged meanwhile.
        let is_synchronous = waits || self.store.sync_key().is_some();
        let number = self.rows.len();
        self.rows.push(Row {
            node,
            place,
            at: now,
            is_acknowledged: !waits,
            is_excused,
            is_synchronous,
        });
        self.trace.mix(&[now.0, node.0.into(), place.end.0]);
        self.clients.sticky = Some(node);
        if waits {
            self.clients.waiting.push(number);
        } else {
            self.tell(Fact::Acknowledged(number));
        }
        self.wake_receivers(node);
    }

    /// The sessions of a server end with it: whoever waited there is told nothing, ever.
    pub(super) fn hang_up(&mut self, node: Node) {
        let rows = &self.rows;
        self.clients
            .waiting
            .retain(|number| rows[*number].node != node);
    }

    /// A standby has confirmed: rows that waited for it are acknowledged.
    pub(super) fn acknowledge(&mut self, primary: Node) {
        if self.clients.waiting.is_empty() || !self.host(primary).server.is_writable() {
            return;
        }
        let confirmed: Vec<(Node, herdsman_ha_core::Lsn)> = self
            .hosts
            .iter()
            .filter(|host| host.server.connected() == Some(primary))
            .filter_map(|host| Some((host.node, host.server.wal()?.end)))
            .collect();
        let server = &self.hosts[primary.index()].server;
        let rows = &self.rows;
        let (done, waiting): (Vec<usize>, Vec<usize>) =
            self.clients.waiting.iter().partition(|number| {
                let row = &rows[**number];
                row.node == primary
                    && server.is_acknowledged(row.place, |node| {
                        confirmed
                            .iter()
                            .find(|(name, _)| *name == node)
                            .map(|(_, lsn)| *lsn)
                    })
            });
        self.clients.waiting = waiting;
        for number in done {
            self.rows[number].is_acknowledged = true;
            self.tell(Fact::Acknowledged(number));
        }
    }

    /// One row now, for a script: whom it went to.
    pub fn write_now(&mut self) -> Option<Node> {
        self.health_check_now();
        let node = *self.clients.healthy.first()?;
        let before = self.rows.len();
        self.row_arrives(node);
        self.line(Some(node), Kind::Client, |_| {
            ("a row".to_owned(), String::new())
        });
        (self.rows.len() > before).then_some(node)
    }

    fn health_check_now(&mut self) {
        let was_writing = std::mem::replace(&mut self.is_writing, false);
        let was_ticking = self.clients.is_ticking;
        self.health_check();
        self.is_writing = was_writing;
        self.clients.is_ticking = was_ticking;
    }
}
