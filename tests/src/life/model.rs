//! The truth of a life: the store with its sessions, our server, and the other member.

use std::collections::BTreeMap;
use std::time::Duration;

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{
    ControlState, ControlView, DataView, LocalView, Lsn, Mono, Position, PrimaryView, ServerView,
    StandbyView, SystemId, Timeline,
};
use serde_json::json;

use crate::script::store::Store;
use herdsman_sim::chance::Chance;

/// How long a session lives.
pub(super) const TTL: Duration = Duration::from_secs(10);

/// The session of our agent's earlier run.
const EARLIER: &str = "a.earlier";

pub(super) const SYSTEM: SystemId = SystemId(7_000_000_001);

/// What our server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pg {
    /// No data.
    Empty,
    /// Down; orphans of a primary may still write.
    Down { orphans: bool },
    /// A standby.
    Standby,
    /// A primary.
    Primary,
}

impl Pg {
    pub(super) fn is_down(self) -> bool {
        matches!(self, Self::Empty | Self::Down { .. })
    }
}

/// Everything that is true.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) now: Mono,
    pub(super) store: Store,
    /// When each session ends, on the store's clock.
    pub(super) sessions: BTreeMap<String, Mono>,
    guard: Option<Mono>,
    pub(super) is_cut: bool,
    pub(super) pg: Pg,
    pub(super) is_starting: bool,
    pub(super) control: ControlState,
    pub(super) timeline: u32,
    pub(super) end: Lsn,
    pub(super) upstream: Option<String>,
    pub(super) cluster_timeline: u32,
    pub(super) other_is_silent: bool,
    pub(super) other_lags: bool,
    /// Nothing is slow and nothing fails any more.
    pub(super) is_calm: bool,
    pub(super) other_is_keen: bool,
}

impl Model {
    pub(super) fn new(chance: &mut Chance) -> Self {
        let mut model = Self {
            now: Mono(1_000_000_000_000),
            store: Store::default(),
            sessions: BTreeMap::new(),
            guard: None,
            is_cut: false,
            pg: chance.one_of(&[Pg::Standby, Pg::Primary, Pg::Down { orphans: false }]),
            is_starting: false,
            control: ControlState::InProduction,
            timeline: 1,
            end: Lsn(0x300_0000),
            upstream: None,
            cluster_timeline: 1,
            other_is_silent: false,
            other_lags: false,
            is_calm: false,
            other_is_keen: false,
        };
        match model.pg {
            Pg::Standby => model.control = ControlState::InArchiveRecovery,
            Pg::Primary => model.continue_leading(),
            Pg::Empty | Pg::Down { .. } => {}
        }
        let timeout = chance.one_of(&[0, 300]);
        let config =
            json!({ "ttl": TTL.as_secs(), "loop_wait": 3, "primary_start_timeout": timeout });
        model.store.put(key::CONFIG, &config.to_string(), None);
        model.store.put(key::INITIALIZE, &SYSTEM.to_string(), None);
        model.write_other("replica");
        model.store.settle();
        model
    }

    /// An earlier run of our agent leads, and its guardian watches over the end of its lease.
    fn continue_leading(&mut self) {
        self.store.put(key::LEADER, "a", Some(EARLIER));
        self.sessions.insert(EARLIER.to_owned(), self.now.plus(TTL));
        self.guard = Some(self.now.plus(TTL).minus(Duration::from_millis(200)));
    }

    /// What the guardian does when nobody has taken the lease up.
    fn guard(&mut self) {
        if self.guard.is_some_and(|at| at <= self.now) {
            self.guard = None;
            if self.store.holder(key::LEADER) == Some(EARLIER) && self.is_writable() {
                self.pg = Pg::Down { orphans: false };
            }
        }
    }

    fn write_other(&mut self, role: &str) {
        let value = json!({
            "conn_url": "postgres://b:5432/postgres", "api_url": "http://b:8008/patroni",
            "state": "running", "role": role, "herdsman": { "instance": "b#1" },
        });
        self.store.put("members/b", &value.to_string(), None);
    }

    pub(super) fn is_writable(&self) -> bool {
        matches!(self.pg, Pg::Primary | Pg::Down { orphans: true })
    }

    pub(super) fn other_leads(&self) -> bool {
        self.store.value(key::LEADER) == Some("b")
    }

    /// The other member takes a free leadership.
    pub(super) fn other_takes_over(&mut self) -> bool {
        if self.store.value(key::LEADER).is_some() {
            return false;
        }
        let record = json!({ "owner": "b", "from_timeline": self.cluster_timeline });
        self.cluster_timeline += 1;
        self.store.put(key::LEADER, "b", Some("b.1"));
        self.store.put(key::LEADERSHIP, &record.to_string(), None);
        self.store.put(key::FAILOVER, "{}", None);
        self.write_other("primary");
        self.store.settle();
        true
    }

    pub(super) fn other_dies(&mut self) {
        self.store.expire("b.1");
        self.write_other("replica");
        self.store.settle();
    }

    /// Our server goes down by itself.
    pub(super) fn crash(&mut self, chance: &mut Chance) {
        self.pg = match self.pg {
            Pg::Primary => Pg::Down {
                orphans: chance.once_in(2),
            },
            Pg::Standby => Pg::Down { orphans: false },
            down @ (Pg::Empty | Pg::Down { .. }) => down,
        };
    }

    pub(super) fn next_expiry(&self) -> Option<Mono> {
        let guard = self.guard.iter();
        self.sessions.values().chain(guard).min().copied()
    }

    /// Removes what was bound to sessions that have ended.
    pub(super) fn expire(&mut self) {
        self.guard();
        let now = self.now;
        let ended = self.sessions.iter().filter(|(_, end)| **end <= now);
        let ended: Vec<String> = ended.map(|(name, _)| name.clone()).collect();
        for name in ended {
            self.sessions.remove(&name);
            self.store.expire(&name);
        }
        self.store.settle();
    }

    pub(super) fn position(&self) -> Position {
        Position {
            timeline: Timeline(self.timeline),
            lsn: self.end,
        }
    }

    /// What a look at our server shows.
    pub(super) fn look(&self) -> LocalView {
        let data = match self.pg {
            Pg::Empty => DataView::Empty,
            Pg::Down { .. } | Pg::Standby | Pg::Primary => DataView::Cluster(ControlView {
                system_id: SYSTEM,
                state: self.control,
                checkpoint: self.position(),
            }),
        };
        let server = match self.pg {
            Pg::Empty | Pg::Down { .. } if self.is_starting => ServerView::Starting,
            Pg::Empty => ServerView::Down { orphans: false },
            Pg::Down { orphans } => ServerView::Down { orphans },
            Pg::Primary => ServerView::Primary(PrimaryView {
                position: self.position(),
                ..PrimaryView::default()
            }),
            Pg::Standby => ServerView::Standby(StandbyView {
                timeline: Timeline(self.timeline),
                received: self.end,
                replayed: self.end,
                wal_end_reached: true,
                is_streaming: self.is_streaming(),
                upstream: self.upstream.clone().map(|host| (host, 5432)),
                ..StandbyView::default()
            }),
        };
        LocalView {
            seen_at: self.now,
            data,
            server,
        }
    }

    fn is_streaming(&self) -> bool {
        let is_pointed = self.upstream.as_deref() == Some("b");
        is_pointed && self.other_leads() && self.timeline == self.cluster_timeline
    }
}
