//! What an operator has a server go through, also in a pause: for as long as it is carried out.

use std::time::Duration;

use herdsman_ha_core::schema::key;
use serde_json::Value;

use super::World;
use crate::fault::Deed;
use crate::ids::{At, Node};

/// After this nothing is done for a wish any more.
const LIMIT: Duration = Duration::from_secs(120);

/// A wish that concerns one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Errand {
    asked_at: At,
    /// Whether the server has been down for it: once it is up again, the wish is fulfilled.
    was_down: bool,
}

impl World {
    /// Begins an errand on every server that a deed concerns.
    pub(crate) fn note_errand(&mut self, deed: &Deed) {
        let leader = self
            .store
            .leader()
            .and_then(|(name, _)| self.node_named(name));
        let concerned = match deed {
            Deed::Switchover { to, .. } => [leader, *to],
            Deed::Failover { to } => [leader, Some(*to)],
            Deed::RestartServer { at } | Deed::Reinit { at } => [Some(*at), None],
            Deed::Restart { .. }
            | Deed::Pause(_)
            | Deed::SetTtl(_)
            | Deed::DeleteLeaderKey
            | Deed::OverwriteLeaderKey(_)
            | Deed::WipeStore
            | Deed::RestoreStore(_) => [None, None],
        };
        let asked_at = self.now;
        for node in concerned.into_iter().flatten() {
            let host = self.host_mut(node);
            host.errand = Some(Errand {
                asked_at,
                was_down: host.server.is_down(),
            });
        }
    }

    /// A server goes down for slots, and comes up again whatever happens meanwhile.
    pub(super) fn begin_errand(&mut self, node: Node) {
        let asked_at = self.now;
        let host = self.host_mut(node);
        host.errand.get_or_insert(Errand {
            asked_at,
            was_down: false,
        });
    }

    /// A server came to another state: it may have gone through what was asked of it.
    pub(super) fn follow_errand(&mut self, node: Node) {
        if self.host(node).errand.is_none() {
            return;
        }
        // A crash on the way is not what a move takes a server down for.
        let is_wanted_still = self.is_moving(node);
        let host = self.host_mut(node);
        let Some(errand) = &mut host.errand else {
            return;
        };
        errand.was_down |= host.server.is_down();
        if errand.was_down && host.server.is_up() {
            errand.was_down = false;
            if !is_wanted_still {
                host.errand = None;
            }
        }
    }

    /// Whether something may be done to this server because an operator asked for it.
    #[must_use]
    pub fn is_on_errand(&self, node: Node) -> bool {
        let errand = self.host(node).errand;
        let is_asked = errand.is_some_and(|errand| self.now.since(errand.asked_at) < LIMIT);
        is_asked || self.is_moving(node)
    }

    /// Whether a move of the leadership that concerns this member waits to be carried out.
    fn is_moving(&self, node: Node) -> bool {
        let text = self.store.value(key::FAILOVER).unwrap_or_default();
        let Ok(Value::Object(request)) = serde_json::from_str::<Value>(text) else {
            return false;
        };
        let name = self.name_of(node);
        let is_named = ["leader", "member"]
            .iter()
            .any(|field| request.get(*field).and_then(Value::as_str) == Some(name));
        let leads = self
            .store
            .leader()
            .is_some_and(|(leader, _)| leader == name);
        !request.is_empty() && (is_named || leads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;
    use crate::options::Options;
    use crate::run::{Lines, Run};
    use crate::schedule::Schedule;

    #[test]
    fn a_server_that_comes_up_while_its_move_is_wanted_still_goes_through_it() {
        let schedule = Schedule {
            seed: 1,
            options: Options::default(),
            faults: Vec::new(),
        };
        let mut run = Run::new(&schedule, Lines::None);
        run.settle();
        let leader = Node(0);
        run.world
            .inflict(&Fault::Deed(Deed::Failover { to: Node(1) }));
        let crash = Fault::CrashServer {
            node: leader,
            orphans: false,
        };
        run.world.inflict(&crash);
        let server = &mut run.world.hosts[0].server;
        server.begin_start(true, None, None).expect("it is down");
        server.finish_start(&mut run.world.tree).expect("it starts");
        run.world.follow_errand(leader);
        assert!(run.world.host(leader).errand.is_some());
    }
}
