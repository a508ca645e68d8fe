//! `machine-rule`: what [`Checked`](crate::checked::Checked) demands of every machine whatever the
//! facts are: equal steps for equal inputs, one task on a lane, grants that are valid, a wake in
//! time for the fence (oracle O10).

use super::{Verdict, broken};
use crate::fact::Fact;

pub(super) const NAME: &str = "machine-rule";

pub(super) fn check(fact: &Fact) -> Verdict {
    let Fact::Broken { node, text } = fact else {
        return Ok(());
    };
    broken(NAME, format!("{node}: {text}"))
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::{Lane, OpId};

    use super::super::fixture::*;
    use super::*;

    fn fault() -> Fact {
        let text = "equal machines gave unequal steps".to_owned();
        Fact::Broken { node: A, text }
    }

    #[test]
    fn a_broken_rule_of_a_machine_is_told() {
        let mut run = settled();
        run.world.facts.push(fault());
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn an_invariant_with_a_name_goes_first() {
        let mut run = settled();
        run.world.facts.push(fault());
        for number in [1_000_001, 1_000_002] {
            run.world.facts.push(Fact::TaskStarted {
                node: A,
                op: OpId(number),
                name: "checkpoint",
                lane: Lane::Checkpoint,
                pre_empts: false,
            });
        }
        assert_violates(&mut run, "one-task-per-lane");
    }
}
