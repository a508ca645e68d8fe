//! `promotion-under-grant`: a server leaves recovery, or comes up as a primary, only while the
//! leader key is bound to a session of that member and the session has not expired on the store's
//! clock.
//!
//! So is it told to become one.
//!
//! Exempt as for `fenced-in-time`: it is the same right, asked at the moment of its use. A task
//! that was begun under a lease and ends in a pause, when nobody kills, is one of these.

use super::remarks::Remarks;
use super::truth::{Standing, Truth};
use super::{Verdict, broken};
use crate::ids::Node;
use crate::world::World;

pub(super) const NAME: &str = "promotion-under-grant";

pub(super) fn check(
    world: &World,
    node: Node,
    truth: &mut Truth,
    remarks: &mut Remarks,
) -> Verdict {
    let excuse = match truth.standing(node, world) {
        Standing::Holds | Standing::Promised => return Ok(()),
        Standing::Unheard { .. } => Some("leader-key-taken-by-a-tool"),
        Standing::Never => truth.excuse(node, world),
        Standing::Over => truth
            .excuse(node, world)
            .or_else(|| truth.doubt_by_a_tool(world)),
    };
    if let Some(kind) = excuse {
        remarks.add(kind, world.now);
        remarks.add("promotion-without-a-lease-excused", world.now);
        return Ok(());
    }
    let holder = match world.store.leader() {
        Some((name, _)) => format!("the leader key names {name}"),
        None => "there is no leader key".to_owned(),
    };
    broken(
        NAME,
        format!("{node} became a primary without a lease that is valid at the store: {holder}"),
    )
}

/// The driver tells a server to become a primary: it has looked at the lease right before, so
/// that no standstill of the machine excuses it.
pub(super) fn told(world: &World, node: Node, truth: &mut Truth, remarks: &mut Remarks) -> Verdict {
    match truth.standing(node, world) {
        Standing::Holds | Standing::Promised => Ok(()),
        Standing::Unheard { .. } => {
            remarks.add("leader-key-taken-by-a-tool", world.now);
            Ok(())
        }
        Standing::Over if truth.doubt_by_a_tool(world).is_some() => {
            remarks.add("leading-while-a-tool-was-at-the-store", world.now);
            Ok(())
        }
        Standing::Never | Standing::Over => broken(
            NAME,
            format!("{node} was told to become a primary after its lease had ended at the store"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::ControlState;

    use super::super::fixture::*;
    use super::*;
    use crate::fact::Fact;

    #[test]
    fn a_standby_that_is_promoted_beside_the_leader_has_no_grant() {
        let mut run = settled();
        kill(&mut run, A);
        let (from, to) = make_primary(&mut run, B);
        let node = B;
        run.world.facts.push(Fact::Promoted { node, from, to });
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn the_leader_may_start_as_a_primary_until_its_session_ends() {
        let mut run = settled();
        let wal = run.world.host(A).server.wal().expect("it has data");
        let was = ControlState::InProduction;
        let fact = Fact::StartedAsPrimary { node: A, was, wal };
        run.world.facts.push(fact.clone());
        assert_eq!(violated(&mut run), None);
        run.world.now = run.world.now.plus(std::time::Duration::from_secs(60));
        run.world.facts.push(fact);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn an_order_after_the_end_of_the_lease_is_not_excused_by_a_standstill() {
        let mut run = settled();
        run.world.facts.push(Fact::ToldToWrite { node: A });
        assert_eq!(violated(&mut run), None);
        run.world.inflict(&crate::fault::Fault::FreezeHost(A, None));
        run.world.now = run.world.now.plus(std::time::Duration::from_secs(60));
        run.world.facts.push(Fact::ToldToWrite { node: A });
        assert_violates(&mut run, NAME);
    }
}
