//! `one-writable-primary`: never can two servers acknowledge a client's commit in the same instant
//! (oracle O1, invariant I1).
//!
//! Exempt is a server whose member could not prevent it: its machine stands still or has just
//! resumed, nobody watches over it (see [`Host::excuse`](crate::world::Host::excuse)), the cluster
//! is paused, or it has not heard that it is not any more. And after a tool has removed or
//! overwritten the leader key, whoever held it may go on until the end of its session: the store
//! says that nobody leads, and no machine can know better than that. The same is true of a primary
//! whose cluster a tool has made the store forget, and which was not told that somebody makes
//! another one.

use herdsman_ha_core::schema::key;

use super::remarks::Remarks;
use super::truth::{Standing, Truth};
use super::{Verdict, broken};
use crate::ids::Node;
use crate::world::World;

pub(super) const NAME: &str = "one-writable-primary";

pub(super) fn check(world: &World, truth: &mut Truth, remarks: &mut Remarks) -> Verdict {
    let hosts = world.hosts.iter();
    if hosts.filter(|host| host.server.is_writable()).count() < 2 {
        return Ok(());
    }
    let hosts = world.hosts.iter();
    let writable = hosts.filter(|host| host.server.is_writable());
    let (mut guilty, mut kinds) = (Vec::new(), Vec::new());
    for host in writable {
        match excuse(host.node, world, truth) {
            Some(kind) => kinds.push(kind),
            None => guilty.push(host.node),
        }
    }
    if guilty.len() < 2 {
        for kind in kinds {
            remarks.add(kind, world.now);
        }
        remarks.add("two-writable-servers-excused", world.now);
        return Ok(());
    }
    broken(NAME, told(world, &guilty))
}

fn excuse(node: Node, world: &World, truth: &mut Truth) -> Option<&'static str> {
    let excuse = truth.excuse(node, world);
    excuse.or_else(|| match truth.standing(node, world) {
        Standing::Unheard { .. } => Some("leader-key-taken-by-a-tool"),
        Standing::Never | Standing::Over if is_forgotten_unheard(node, world, truth) => {
            Some("cluster-forgotten-by-a-tool")
        }
        Standing::Never | Standing::Holds | Standing::Promised | Standing::Over => None,
    })
}

/// Whether a tool has removed what says which cluster this is, and a member whose session lives was
/// not told what is made instead.
fn is_forgotten_unheard(node: Node, world: &World, truth: &Truth) -> bool {
    let told = world.host(node).agent.as_ref().map(|agent| agent.seen().0);
    let made = world.store.entry(key::INITIALIZE);
    let is_untold = made.is_some_and(|made| told < Some(made.modified));
    truth.identity_touched_at.is_some() && is_untold && world.store.has_session(node)
}

fn told(world: &World, nodes: &[Node]) -> String {
    let servers: Vec<String> = nodes
        .iter()
        .map(|node| match world.host(*node).server.wal() {
            Some(wal) => format!("{node} (timeline {})", world.tree.timeline(wal)),
            None => node.to_string(),
        })
        .collect();
    format!(
        "{} accept writes in the same instant",
        servers.join(" and ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::fault::{Deed, Fault};
    use crate::options::Options;

    #[test]
    fn two_writable_servers_are_one_too_many() {
        let mut run = settled();
        make_primary(&mut run, B);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn one_whose_agent_is_away_unwatched_is_a_remark() {
        let options = Options {
            has_guardian: false,
            ..Options::default()
        };
        let mut run = settled_with(options);
        run.pass(std::time::Duration::from_secs(10));
        make_primary(&mut run, B);
        run.world.inflict(&Fault::CrashAgent(B, None));
        assert_eq!(violated(&mut run), None);
    }

    #[test]
    fn whose_cluster_was_forgotten_may_not_know_of_the_next_one_while_its_session_lives() {
        let violated_when = |is_told: bool, is_silent: bool| {
            let mut run = settled();
            run.world.inflict(&Fault::Deed(Deed::WipeStore));
            let now = run.world.now;
            run.world
                .store
                .put_unguarded(key::INITIALIZE, "", None, now);
            for host in &mut run.world.hosts {
                host.server.disconnect();
            }
            make_primary(&mut run, B);
            if is_told {
                run.world.store.delete_unguarded(key::INITIALIZE, now);
            }
            let (mut truth, mut remarks) = (Truth::new(&run.world), Remarks::default());
            truth.identity_touched_at = Some(now);
            if is_silent {
                run.world.store.extend_all(now);
                let later = now.plus(std::time::Duration::from_secs(600));
                run.world.store.expire(later);
            }
            check(&run.world, &mut truth, &mut remarks).is_err()
        };
        assert!(!violated_when(false, false));
        assert!(violated_when(true, false));
        assert!(violated_when(false, true));
    }

    #[test]
    fn two_in_a_paused_cluster_are_a_remark() {
        let mut run = settled();
        run.world.inflict(&Fault::Deed(Deed::Pause(true)));
        make_primary(&mut run, B);
        assert_eq!(violated(&mut run), None);
    }
}
