//! `fed-in-time`: a standby that should stream from another one, and gets nothing there, returns to
//! a healthy leader in time.
//!
//! Asked once in a second, of a standby whose agent knows all that there is to know, whose server is
//! left alone, and which could stream from the leader at once. Whether WAL comes is not asked, only
//! whether the connections lead to the leader: a relay that is connected and passes nothing on
//! cannot be told from one that has nothing.

use std::time::Duration;

use herdsman_ha_core::Lane;

use super::{Verdict, broken};
use crate::fault::End;
use crate::ids::{At, Node};
use crate::pg::Process;
use crate::world::World;

pub(super) const NAME: &str = "fed-in-time";

/// For how long a standby waits for a silent relay.
const PATIENCE: Duration = Duration::from_secs(12);

/// A comparison with the leader, and messages that take long.
const SLACK: Duration = Duration::from_secs(15);

const SECOND: Duration = Duration::from_secs(1);

/// Since when each member has got nothing that could.
#[derive(Clone, Debug)]
pub(super) struct Hungry {
    since: Vec<Option<(At, Node)>>,
    looked_at: At,
    /// What the store was when it was looked at last: known to everybody whose watch works.
    revision: u64,
}

impl Hungry {
    pub(super) fn new(world: &World) -> Self {
        Self {
            since: world.nodes().map(|_| None).collect(),
            looked_at: world.now,
            revision: 0,
        }
    }

    /// Asked in every instant.
    pub(super) fn look(&mut self, world: &World) -> Verdict {
        let takers = &world.options.replicatefrom;
        if takers.is_empty() || world.now.since(self.looked_at) < SECOND {
            return Ok(());
        }
        self.looked_at = world.now;
        let leader = healthy_leader(world, self.revision);
        for node in takers.keys().copied().map(Node) {
            let starved_by = leader.filter(|leader| self.is_hungry(world, *leader, node));
            let before = self.since[node.index()];
            let same = before.filter(|(_, leader)| Some(*leader) == starved_by);
            let since = same.or_else(|| starved_by.map(|leader| (world.now, leader)));
            self.since[node.index()] = since;
            if since.is_some_and(|(since, _)| world.now.since(since) > limit(world)) {
                return broken(
                    NAME,
                    format!("the standby on {node} gets no WAL, and the leader would give it"),
                );
            }
        }
        self.revision = world.store.revision().0;
        Ok(())
    }

    fn is_hungry(&self, world: &World, leader: Node, node: Node) -> bool {
        node != leader
            && is_awake(world, node, self.revision)
            && could_stream(world, leader, node)
            && !is_fed(world, leader, node)
    }
}

fn limit(world: &World) -> Duration {
    // A relay that is gone may look alive for the rest of its session.
    let lost = world.session_life() + world.options.expiry_tick * 2;
    PATIENCE.max(lost) + world.options.loop_wait * 3 + SLACK
}

/// Whether the agent moves and knows what the store was a second ago, and does nothing to its
/// server.
fn is_awake(world: &World, node: Node, revision: u64) -> bool {
    let host = world.host(node);
    let Some(agent) = host.agent.as_ref().filter(|_| host.is_agent_awake()) else {
        return false;
    };
    let mut tasks = agent.subject.running().values();
    let is_at_work = tasks.any(|task| task.lane() == Lane::Server);
    agent.seen().0 >= revision && world.sees_store(node) && !is_at_work && !agent.is_paused()
}

/// Whoever leads, when nothing is wrong with it.
fn healthy_leader(world: &World, revision: u64) -> Option<Node> {
    let node = world.leader()?;
    let server = &world.host(node).server;
    let is_primary = server.process == Process::Primary && server.is_writable();
    (is_primary && is_awake(world, node, revision)).then_some(node)
}

fn could_stream(world: &World, leader: Node, node: Node) -> bool {
    let (server, source) = (&world.host(node).server, &world.host(leader).server);
    let (Some(mine), Some(theirs)) = (server.wal(), source.wal()) else {
        return false;
    };
    connects(world, node, leader)
        && server.can_stream(source, &world.tree).is_ok()
        && world.tree.contains(theirs, mine)
}

/// Whether its connections lead to the leader, or one of them is dead and nobody has noticed.
fn is_fed(world: &World, leader: Node, node: Node) -> bool {
    let mut at = node;
    for _ in &world.hosts {
        let Some(upstream) = world.host(at).server.connected() else {
            return false;
        };
        if upstream == leader || !connects(world, at, upstream) {
            return true;
        }
        at = upstream;
    }
    false
}

fn connects(world: &World, node: Node, upstream: Node) -> bool {
    world.net.connects(End::Node(node), End::Node(upstream)) && world.host(upstream).is_up
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::options::Options;
    use crate::run::Run;

    fn relayed() -> Run {
        let mut run = settled_with(Options {
            replicatefrom: [(2, 1)].into(),
            ..Options::default()
        });
        let is_moved = |world: &World| world.host(C).server.connected() == Some(B);
        assert!(run.pass_until(Duration::from_secs(60), is_moved));
        run
    }

    /// What is said when the clock alone goes on.
    fn after(run: &mut Run, seconds: u64) -> Verdict {
        let mut hungry = Hungry::new(&run.world);
        for _ in 0..seconds {
            run.world.now = run.world.now.plus(SECOND);
            hungry.look(&run.world)?;
        }
        Ok(())
    }

    #[test]
    fn a_standby_is_fed_through_another_one() {
        let mut run = relayed();
        assert_eq!(after(&mut run, 200), Ok(()));
    }

    #[test]
    fn a_standby_whose_relay_gets_nothing_does_not_stay() {
        let mut run = relayed();
        run.world.hosts[B.index()].server.disconnect();
        assert_eq!(after(&mut run, 60), Ok(()));
        let verdict = after(&mut run, 200);
        assert_eq!(verdict.map_err(|broken| broken.invariant), Err(NAME));
    }

    #[test]
    fn who_streams_in_a_ring_gets_nothing() {
        let mut run = relayed();
        run.world.hosts[B.index()].server.connect(C);
        let verdict = after(&mut run, 200);
        assert_eq!(verdict.map_err(|broken| broken.invariant), Err(NAME));
    }
}
