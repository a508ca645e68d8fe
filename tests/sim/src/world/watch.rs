//! How members hear of changes in the store.

use std::sync::Arc;
use std::time::Duration;

use herdsman_ha_core::{ClusterView, Fault as Blindness, Initialize, Input};

use super::World;
use super::draws::What;
use super::event::AgentEvent;
use super::host::{LeaderTold, WatchState};
use crate::fact::Fact;
use crate::fault::End;
use crate::ids::{At, Node};
use crate::options::Flavour;
use crate::store::{Change, Writer};
use crate::trace::Kind;

/// How often a lost watch is tried again.
const AGAIN: Duration = Duration::from_millis(500);

impl World {
    /// Sends what has changed to everybody who watches.
    pub(super) fn broadcast(&mut self) {
        let changes = self.store.take_changes();
        if changes.is_empty() {
            return;
        }
        self.trace.mix(&[self.now.0, self.store.revision().0]);
        for change in changes {
            self.line(None, Kind::Store, |_| (words(&change), String::new()));
            self.tell(Fact::Changed(change));
        }
        for node in self.nodes() {
            self.send_view(node);
        }
    }

    /// Sends the present state, unless it is on its way or the watch does not work.
    fn send_view(&mut self, node: Node) {
        let revision = self.store.revision().0;
        let host = self.host(node);
        let Some(agent) = host.agent.as_ref() else {
            return;
        };
        let is_due = agent.watch.state == WatchState::Live && agent.watch.sent != revision;
        if !is_due {
            return;
        }
        if !self.sees_store(node) {
            self.watch_stuck(node);
            return;
        }
        let mut travel =
            self.draws.message(What::Watch, node) + self.net.delay(End::Store, End::Node(node));
        if self.options.flavour == Flavour::ZooKeeper {
            // The watch fires, and the state is read again: by then it may be another one.
            travel += self.draws.message(What::Watch, node);
        }
        let view = self.view_for(node);
        let arrives = self.now.plus(travel);
        let Some(agent) = &mut self.host_mut(node).agent else {
            return;
        };
        agent.watch.sent = revision;
        agent.watch.last_at = agent.watch.last_at.max(arrives);
        let (run, at) = (agent.run, agent.watch.last_at);
        self.queue.plan(
            at,
            super::event::Event::Agent {
                node,
                run,
                event: AgentEvent::View(view),
            },
        );
    }

    /// The state as the member's server of the store shows it.
    fn view_for(&mut self, node: Node) -> Arc<ClusterView> {
        // A store that was put back shows nothing of the history that it had.
        let lag = self.clients.stale.get(&node).copied();
        let lag = lag.filter(|since| *since > self.put_back_at);
        let old = lag.and_then(|since| self.store.old_view(since));
        old.unwrap_or_else(|| self.store.view())
    }

    /// When the last view arrives that is on its way to anybody: one does not overtake another.
    pub(crate) fn last_view_on_its_way(&self) -> At {
        let agents = self.hosts.iter().filter_map(|host| host.agent.as_ref());
        let arrivals = agents.map(|agent| agent.watch.last_at);
        arrivals.max().unwrap_or_default()
    }

    /// A member is shown a state that has passed: at once, or by the server of the store that it
    /// connects to anew.
    pub(super) fn show_old_state(&mut self, node: Node, back: Duration, reconnects: bool) {
        let back = u64::try_from(back.as_nanos()).unwrap_or(u64::MAX);
        let then = At(self.now.0.saturating_sub(back));
        let past = self.store.old_view(then);
        let Some(view) = past.filter(|_| then > self.put_back_at) else {
            return;
        };
        if !reconnects {
            let travel = self.draws.message(What::Watch, node);
            self.plan_agent(node, travel, AgentEvent::View(view));
            return;
        }
        self.clients.stale.insert(node, then);
        let Some(agent) = &mut self.host_mut(node).agent else {
            return;
        };
        if agent.watch.state == WatchState::Live && agent.watch.broken == 0 {
            agent.watch.state = WatchState::Lost;
            self.feed(node, Input::Cluster(Err(broken_watch())));
            self.plan_agent(node, AGAIN, AgentEvent::WatchAgain);
        }
    }

    pub(super) fn view_arrives(&mut self, node: Node, view: Arc<ClusterView>) {
        let (told_at, sees_store) = (self.now, self.sees_store(node));
        let Some(agent) = &mut self.host_mut(node).agent else {
            return;
        };
        if agent.watch.state != WatchState::Live {
            return;
        }
        if !sees_store {
            self.watch_stuck(node);
            return;
        }
        let is_newest = view.revision >= agent.seen;
        if let Some(rules) = view.rules.as_ref().filter(|_| is_newest) {
            agent.is_paused = rules.pause;
        }
        agent.has_seen_cluster |=
            is_newest && matches!(view.initialize.value, Initialize::Known(_));
        if let Some(leader) = view.leader.as_ref().filter(|_| is_newest) {
            let known = agent.leader_told.as_ref().map(|told| told.generation);
            if known != Some(leader.generation) {
                agent.leader_told = Some(LeaderTold {
                    generation: leader.generation,
                    name: leader.name.clone(),
                    at: told_at,
                });
            }
        }
        agent.seen = agent.seen.max(view.revision);
        if is_newest {
            agent.told = Some(Arc::clone(&view));
        }
        self.feed(node, Input::Cluster(Ok(view)));
        self.note_what_it_knows(node);
    }

    /// What its machine has taken in of the newest view: most views say nothing about a pause, and
    /// asking costs much.
    fn note_what_it_knows(&mut self, node: Node) {
        let Some(agent) = &mut self.host_mut(node).agent else {
            return;
        };
        agent.knows_pause =
            agent.is_paused && (agent.knows_pause || agent.subject.machine().status().rules.pause);
    }

    /// Nothing arrives any more; the agent finds out after a while.
    pub(super) fn watch_stuck(&mut self, node: Node) {
        let after = self.draws.millis(What::Notice, node, 1_000, 10_000);
        self.watch_stuck_for(node, after);
    }

    pub(super) fn watch_stuck_for(&mut self, node: Node, after: Duration) {
        let Some(agent) = &mut self.host_mut(node).agent else {
            return;
        };
        if agent.watch.state != WatchState::Live {
            return;
        }
        agent.watch.state = WatchState::Stuck;
        self.plan_agent(node, after, AgentEvent::WatchLost);
    }

    pub(super) fn watch_lost(&mut self, node: Node) {
        let sees_store = self.sees_store(node);
        let Some(agent) = &mut self.host_mut(node).agent else {
            return;
        };
        if agent.watch.state != WatchState::Stuck {
            return;
        }
        if sees_store && agent.watch.broken == 0 {
            // The connection held through it: what was missed, or dropped on its way, arrives now.
            agent.watch.state = WatchState::Live;
            agent.watch.sent = 0;
            self.send_view(node);
            return;
        }
        agent.watch.state = WatchState::Lost;
        self.feed(node, Input::Cluster(Err(broken_watch())));
        self.plan_agent(node, AGAIN, AgentEvent::WatchAgain);
    }

    pub(super) fn watch_again(&mut self, node: Node) {
        let sees_store = self.sees_store(node);
        let Some(agent) = &mut self.host_mut(node).agent else {
            return;
        };
        if agent.watch.state != WatchState::Lost {
            return;
        }
        if !sees_store || agent.watch.broken > 0 {
            self.plan_agent(node, AGAIN, AgentEvent::WatchAgain);
            return;
        }
        agent.watch.state = WatchState::Live;
        agent.watch.sent = 0;
        self.send_view(node);
    }

    /// A member's way to the store has changed.
    pub(super) fn way_changed(&mut self, node: Node) {
        if !self.sees_store(node) {
            self.watch_stuck(node);
        }
    }
}

fn broken_watch() -> Blindness {
    Blindness::Unreachable("the watch is broken".to_owned())
}

/// A change of a key in a few words.
fn words(change: &Change) -> String {
    let by = match &change.by {
        Writer::Commit { .. } => "",
        Writer::Expiry => ", its session has expired",
        Writer::Close => ", its session was closed",
        Writer::Tool => ", by a tool",
    };
    match &change.after {
        Some(entry) => format!("{} = {}{by}", change.key, entry.value),
        None => format!("{} is gone{by}", change.key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Deed, Fault};
    use crate::options::Options;
    use crate::run::{Lines, Run};
    use crate::schedule::Schedule;

    #[test]
    fn nothing_of_its_history_is_shown_by_a_store_that_was_put_back() {
        let mut run = Run::new(
            &Schedule {
                seed: 1,
                options: Options::default(),
                faults: Vec::new(),
            },
            Lines::None,
        );
        run.settle();
        let node = Node(1);
        run.world
            .inflict(&Fault::StaleReads(node, Some(Duration::from_secs(60))));
        run.pass(Duration::from_secs(1));
        run.world.inflict(&Fault::Deed(Deed::Pause(true)));
        run.pass(Duration::from_secs(2));
        assert!(run.world.view_for(node).revision < run.world.store.revision());
        let back = Deed::RestoreStore(Duration::from_secs(1));
        run.world.inflict(&Fault::Deed(back));
        run.world.inflict(&Fault::Deed(Deed::Pause(false)));
        assert_eq!(
            run.world.view_for(node).revision,
            run.world.store.revision()
        );
    }
}
