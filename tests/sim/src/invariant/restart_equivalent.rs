//! `restart-equivalent`: in a quiet moment, a fresh machine that is given what the running one has
//! seen last decides the same. What a machine remembers may make it faster or kinder; it must not
//! be what keeps the cluster going.
//!
//! A fresh machine of the leader has no session yet, so what is the same there is that it binds
//! the leader key to one: resuming is the equivalent of leading.

use herdsman_ha_core::{Code, Input, Machine};

use super::converges::converged;
use super::slots_carried::lacks_slots;
use crate::ids::Node;
use crate::world::World;

/// In a quiet moment; a world that has not converged has none.
///
/// # Errors
///
/// Whose fresh machine decides otherwise.
pub fn restart_equivalent(world: &World) -> Result<(), String> {
    if !converged(world) {
        return Ok(());
    }
    world.nodes().try_for_each(|node| compare(world, node))
}

fn compare(world: &World, node: Node) -> Result<(), String> {
    let Some(agent) = &world.host(node).agent else {
        return Ok(());
    };
    let status = agent.subject.machine().status();
    let (Some(view), Some(local)) = (status.cluster, status.local) else {
        return Err(format!("{node} has seen nothing yet"));
    };
    // The same run: the member's own key must not look like that of another agent.
    let boot = world.boot(node, agent.run);
    let mut fresh = Machine::new(world.settings(node), boot, status.now);
    let _ = fresh.step(status.now, Input::Cluster(Ok(view)));
    let _ = fresh.step(status.now, Input::Local(local));
    let code = |status: Option<herdsman_ha_core::Decision>| status.map(|it| it.reason.code());
    let (old, new) = (code(status.decision), code(fresh.status().decision));
    let is_leaders = matches!(
        old,
        Some(
            Code::Leading
                | Code::LeadingBlocked
                | Code::Paused
                // A renewal that takes long.
                | Code::FailsafeAsking
                | Code::FailsafePromised
        )
    );
    // A standby that gave nothing a moment ago is left alone; a fresh machine asks it once more.
    let is_asked_anew = old == Some(Code::FollowingLeader) && new == Some(Code::AskingRelay);
    // Slots that could not be copied are asked for again after a while, and by a fresh machine at once.
    let is_carried_anew = old == Some(Code::FollowingLeader)
        && matches!(new, Some(Code::CopyingSlots | Code::SlotsAwaitSync))
        && lacks_slots(world, node);
    let is_resumed = is_leaders && new == Some(Code::ResumingLease);
    let is_equivalent = old == new || is_resumed || is_asked_anew || is_carried_anew;
    if is_equivalent {
        return Ok(());
    }
    let word = |code: Option<Code>| code.map_or("nothing", Code::as_str);
    Err(format!(
        "{node} decides {} and would decide {} after a restart",
        word(old),
        word(new)
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fixture::*;
    use super::*;
    use crate::fault::{Deed, Fault};

    #[test]
    fn a_settled_cluster_does_not_live_on_memory() {
        assert_eq!(restart_equivalent(&settled().world), Ok(()));
    }

    #[test]
    fn a_machine_that_goes_by_what_only_it_knows_is_noticed() {
        let mut run = settled();
        run.world.inflict(&Fault::CrashHost(A, None));
        let is_promoting = |world: &World| {
            let mut hosts = world.hosts.iter();
            hosts.any(|host| host.server.is_promoting())
        };
        assert!(run.pass_until(Duration::from_secs(60), is_promoting));
        let mut nodes = run.world.nodes();
        assert!(nodes.any(|node| compare(&run.world, node).is_err()));
        assert_eq!(restart_equivalent(&run.world), Ok(()), "no quiet moment");
    }

    #[test]
    fn in_a_pause_binding_the_leader_key_is_the_equivalent_too() {
        let mut run = settled();
        run.world.inflict(&Fault::Deed(Deed::Pause(true)));
        run.pass(Duration::from_secs(2));
        assert_eq!(restart_equivalent(&run.world), Ok(()));
    }
}
