//! `proven-witness`: nobody gives its data up for a copy but on the word of the server whose leader
//! it was told of: as a running primary, asked after it was told of that leadership (invariant I7).
//!
//! It looks at what was asked, answered and delivered. The driver asks once more before anything is
//! removed; what only that second question prevents is noticed here.

use super::{Verdict, broken};
use crate::ids::{At, Node};
use crate::world::World;

pub(super) const NAME: &str = "proven-witness";

/// What each member asked a leader's server last, and what it was told.
#[derive(Clone, Debug)]
pub(super) struct Witnesses(Vec<Witness>);

#[derive(Clone, Copy, Debug, Default)]
struct Witness {
    asked_at: At,
    answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    asked_at: At,
    is_primary: bool,
}

impl Witnesses {
    pub(super) fn new(world: &World) -> Self {
        Self(world.nodes().map(|_| Witness::default()).collect())
    }

    /// A machine has started a task.
    pub(super) fn started(&mut self, world: &World, node: Node, name: &str) -> Verdict {
        let witness = &mut self.0[node.index()];
        match name {
            "identify" => witness.asked_at = world.now,
            "replace" => return witness.is_good(world, node),
            _ => {}
        }
        Ok(())
    }

    /// The server that was asked has answered.
    pub(super) fn answered(&mut self, node: Node, is_primary: bool) {
        let witness = &mut self.0[node.index()];
        let asked_at = witness.asked_at;
        witness.answer = Some(Answer {
            asked_at,
            is_primary,
        });
    }

    pub(super) fn gone(&mut self, node: Node) {
        self.0[node.index()] = Witness::default();
    }
}

impl Witness {
    fn is_good(&self, world: &World, node: Node) -> Verdict {
        let agent = world.host(node).agent.as_ref();
        let told_at = agent.and_then(|agent| agent.leader_told_at());
        let why = match (self.answer, told_at) {
            (None, _) => "has not heard of the leader's server",
            (Some(answer), _) if !answer.is_primary => "has heard that it is no primary",
            (Some(answer), Some(told_at)) if answer.asked_at < told_at => {
                "has asked it before it was told of that leadership"
            }
            (Some(_), _) => return Ok(()),
        };
        broken(NAME, format!("{node} gives its data up and {why}"))
    }
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::Lane;

    use super::super::fixture::*;
    use super::*;
    use crate::fact::Fact;
    use crate::run::Run;

    fn told(is_primary: Option<bool>) -> Run {
        let mut run = settled();
        begin_task(&mut run, B, "identify", Lane::Identity);
        if let Some(is_primary) = is_primary {
            let node = B;
            run.world.facts.push(Fact::Identified { node, is_primary });
        }
        run
    }

    #[test]
    fn data_is_given_up_on_the_word_of_a_primary_alone() {
        for (is_primary, is_good) in [(None, false), (Some(false), false), (Some(true), true)] {
            let mut run = told(is_primary);
            begin_task(&mut run, B, "replace", Lane::Server);
            run.check();
            let found = run.violation().map(|violation| violation.invariant);
            assert_eq!(found != Some(NAME), is_good, "{is_primary:?}");
        }
    }

    #[test]
    fn a_word_from_before_the_leadership_counts_for_nothing() {
        let run = settled();
        let mut witnesses = Witnesses::new(&run.world);
        // As if it had asked at the beginning of the world.
        witnesses.answered(B, true);
        let verdict = witnesses.started(&run.world, B, "replace");
        assert_eq!(verdict.map_err(|broken| broken.invariant), Err(NAME));
    }
}
