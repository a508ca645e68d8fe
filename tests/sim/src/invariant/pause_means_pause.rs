//! `pause-means-pause`: while a machine's latest view says that the cluster is paused, it does not
//! start, stop, promote, copy or remove anything of its own accord (I9).
//!
//! Three things are done in a pause as well: processes that outlived their postmaster are killed,
//! because nobody may lead beside them; a fence does the same; and a standby is pointed at the
//! leader that there is. What an operator asks for is done as well: a restart, a new copy, a move to
//! a named member, and whatever brings up again what went down for it. An old view that its machine
//! ignores counts as unseen; a pause that it has known is not unlearned from an old view.

use super::{Verdict, broken};
use crate::ids::Node;
use crate::world::World;

pub(super) const NAME: &str = "pause-means-pause";

const PERMITTED: [&str; 3] = ["prove-gone", "fence", "follow"];

pub(super) fn check(world: &World, node: Node, name: &str, is_paused: bool) -> Verdict {
    if !is_paused || PERMITTED.contains(&name) {
        return Ok(());
    }
    if world.is_on_errand(node) {
        return Ok(());
    }
    let agent = world.host(node).agent.as_ref();
    if agent.is_some_and(|agent| agent.has_known_the_pause()) {
        return broken(
            NAME,
            format!("{node} started {name} in a cluster that it knows to be paused"),
        );
    }
    // Asked only now, because it costs much.
    if agent.is_some_and(|agent| !agent.subject.machine().status().rules.pause) {
        return Ok(());
    }
    broken(NAME, format!("{node} started {name} in a paused cluster"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fixture::*;
    use super::*;
    use crate::fact::Fact;
    use crate::fault::{Deed, Fault};
    use crate::run::Run;

    fn told(name: &'static str, is_in_force: bool) -> Run {
        let mut run = settled();
        if is_in_force {
            run.world.inflict(&Fault::Deed(Deed::Pause(true)));
            run.pass(Duration::from_secs(2));
        }
        run.world.facts.push(Fact::ServerTold {
            node: A,
            name,
            is_paused: true,
        });
        run
    }

    #[test]
    fn nothing_is_started_in_a_paused_cluster() {
        for name in [
            "promote",
            "start-primary",
            "start-standby",
            "stop",
            "replace",
        ] {
            assert_violates(&mut told(name, true), NAME);
        }
    }

    #[test]
    fn killing_what_is_left_over_and_following_are_permitted() {
        for name in PERMITTED {
            assert_eq!(violated(&mut told(name, true)), None);
        }
    }

    #[test]
    fn what_an_operator_asks_of_one_server_is_permitted_there_alone() {
        for (at, is_permitted) in [(A, true), (B, false)] {
            let mut run = settled();
            run.world.inflict(&Fault::Deed(Deed::Pause(true)));
            run.pass(Duration::from_secs(2));
            run.world.note_errand(&Deed::Reinit { at });
            run.world.facts.push(Fact::ServerTold {
                node: A,
                name: "stop",
                is_paused: true,
            });
            let expected = (!is_permitted).then_some(NAME);
            assert_eq!(violated(&mut run), expected);
        }
    }

    #[test]
    fn an_old_view_that_the_machine_ignores_is_no_pause() {
        assert_eq!(violated(&mut told("stop", false)), None);
    }
}
