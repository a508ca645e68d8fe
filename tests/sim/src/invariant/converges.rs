//! `converges`: a healed world comes to one primary that all others follow (oracle O8, invariant
//! I14).
//!
//! Converged is: the leader key is bound to a living session of the one member whose server is
//! writable; every other server is a standby that streams its WAL, directly or through another
//! standby; nothing is being done to any server.

use herdsman_ha_core::{Lane, Lsn};

use crate::ids::Node;
use crate::pg::Process;
use crate::world::World;

/// How far behind a standby may be that streams: what is under way.
const UNDER_WAY: u64 = 8 << 10;

/// Whether there is one primary that all follow.
#[must_use]
pub fn converged(world: &World) -> bool {
    let Some(leader) = leader(world) else {
        return false;
    };
    let mut hosts = world.hosts.iter();
    hosts.all(|host| obstacle(world, leader, host.node).is_none())
}

/// Why there is not, in one sentence with every member's last decision.
#[must_use]
pub fn what_is_missing(world: &World) -> String {
    let why = match leader(world) {
        None => match world.store.leader() {
            None => "nobody holds the leader key".to_owned(),
            Some((name, None)) => format!("the leader key names {name} and is bound to nothing"),
            Some((name, Some(_))) => format!("the session of {name}, who leads, is not its own"),
        },
        Some(leader) => {
            let obstacles = world.nodes().filter_map(|node| {
                let obstacle = obstacle(world, leader, node)?;
                Some(format!("{node} {obstacle}"))
            });
            let obstacles: Vec<String> = obstacles.collect();
            if obstacles.is_empty() {
                format!("nothing: {leader} leads and all follow")
            } else {
                format!("{leader} leads, and {}", obstacles.join(", "))
            }
        }
    };
    let decisions = world.nodes().map(|node| decision(world, node));
    let decisions: Vec<String> = decisions.collect();
    format!("{why}; {}", decisions.join("; "))
}

/// Whose living session the leader key is bound to.
fn leader(world: &World) -> Option<Node> {
    let (name, session) = world.store.leader()?;
    let session = session?;
    let owner = world.store.owner(session)?;
    let is_alive = world.store.expires_at(session)? >= world.now;
    (is_alive && world.host(owner).name.as_str() == name).then_some(owner)
}

/// What keeps this member from being a part of a healthy cluster.
fn obstacle(world: &World, leader: Node, node: Node) -> Option<&'static str> {
    let host = world.host(node);
    let server = &host.server;
    let Some(agent) = host.agent.as_ref().filter(|_| host.is_agent_awake()) else {
        return Some("has no agent that moves");
    };
    if node == leader {
        if !server.is_writable() || server.process != Process::Primary {
            return Some("accepts no writes");
        }
    } else if server.is_writable() {
        return Some("accepts writes as well");
    } else if server.is_corrupt() {
        return Some("has spoilt data");
    } else if !streams(world, leader, node) {
        return Some("does not stream");
    }
    let mut tasks = agent.subject.running().values();
    tasks
        .any(|task| task.lane() == Lane::Server)
        .then_some("works on its server")
}

/// Whether the standby's WAL comes from the leader, and is a part of it.
fn streams(world: &World, leader: Node, node: Node) -> bool {
    let mut at = node;
    for _ in &world.hosts {
        let server = &world.host(at).server;
        match server.connected() {
            Some(upstream) if !server.is_frozen => at = upstream,
            Some(_) | None => return false,
        }
        if at == leader {
            break;
        }
    }
    let (wals, is_there) = ((wal(world, node), wal(world, leader)), at == leader);
    let (Some(mine), Some(theirs)) = wals else {
        return false;
    };
    let lag = theirs.end.bytes_after(mine.end).0;
    is_there && lag <= UNDER_WAY && mine.end > Lsn(0) && world.tree.contains(theirs, mine)
}

fn wal(world: &World, node: Node) -> Option<crate::pg::Wal> {
    world.host(node).server.wal()
}

fn decision(world: &World, node: Node) -> String {
    let Some(agent) = &world.host(node).agent else {
        return format!("{node} has no agent");
    };
    match agent.subject.machine().status().decision {
        Some(decision) => format!("{node}: {} ({})", decision.reason, decision.reason.code()),
        None => format!("{node} has decided nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::fault::Fault;

    #[test]
    fn a_settled_cluster_has_converged() {
        let run = settled();
        assert!(converged(&run.world));
        assert!(what_is_missing(&run.world).starts_with("nothing: a leads"));
    }

    #[test]
    fn every_member_must_be_in_its_place() {
        let breaks: [fn(&mut crate::run::Run); 5] = [
            |run| kill(run, A),
            |run| kill(run, B),
            |run| run.world.inflict(&Fault::CrashAgent(C, None)),
            |run| run.world.hosts[B.index()].server.disconnect(),
            |run| {
                run.world.hosts[B.index()]
                    .server
                    .files_mut()
                    .expect("data")
                    .is_corrupt = true
            },
        ];
        for (number, breaks) in breaks.into_iter().enumerate() {
            let mut run = settled();
            breaks(&mut run);
            assert!(!converged(&run.world), "{number}");
            assert!(
                !what_is_missing(&run.world).starts_with("nothing"),
                "{number}"
            );
        }
    }

    #[test]
    fn a_lease_that_has_ended_is_in_doubt() {
        let mut run = settled();
        run.world.now = run.world.now.plus(std::time::Duration::from_secs(60));
        assert!(!converged(&run.world));
    }
}
