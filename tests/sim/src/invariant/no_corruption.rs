//! `no-corruption`: no standby takes WAL that does not continue what it has.
//!
//! PostgreSQL compares numbers of timelines and positions, so it happens only where two lives of
//! a timeline have one number. Where that was let pass (see `one-owner-per-timeline`), this is
//! its consequence, and a remark as well.

use super::remarks::Remarks;
use super::truth::Truth;
use super::{Verdict, broken};
use crate::ids::Node;
use crate::world::World;

pub(super) const NAME: &str = "no-corruption";

pub(super) fn check(world: &World, node: Node, truth: &Truth, remarks: &mut Remarks) -> Verdict {
    if truth.is_timeline_shared {
        remarks.add("corrupted-by-a-shared-timeline", world.now);
        return Ok(());
    }
    broken(
        NAME,
        format!("the standby on {node} took WAL that does not continue its own"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::fact::Fact;

    #[test]
    fn a_standby_that_took_other_wal_is_spoilt() {
        let mut run = settled();
        run.world.facts.push(Fact::Corrupted { node: B });
        assert_violates(&mut run, NAME);
    }
}
