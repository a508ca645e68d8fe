//! `explained`: whatever a machine does has a reason that was told. Its first task about the
//! server or the leadership comes after a decision, the decision that stands when such a task is
//! started is the one that was told last, every reason has a sentence, and a machine ends only as
//! it was asked to or where it says that it must not go on.
//!
//! It must not go on beside data of another cluster than the store names, or as a standby of a
//! cluster that the store does not know. Both need a store that a tool has touched, or a world in
//! which several members may have made a cluster at once; the first also a real difference.

use herdsman_ha_core::Lane;

use super::remarks::Remarks;
use super::truth::Truth;
use super::{Verdict, broken, same_system};
use crate::ids::Node;
use crate::world::World;

pub(super) const NAME: &str = "explained";

/// What each machine has told.
#[derive(Clone, Debug)]
pub(super) struct Explained {
    /// The code of its last decision; none: it has told none yet.
    last: Vec<Option<&'static str>>,
    /// Machines that have started something since the last comparison.
    started: Vec<Node>,
}

impl Explained {
    /// What the machines of a world that is under way have told already.
    pub(super) fn new(world: &World) -> Self {
        let last = world.nodes().map(|node| decision(world, node));
        Self {
            last: last.collect(),
            started: Vec::new(),
        }
    }

    /// The code of a member's last decision.
    pub(super) fn last(&self, node: Node) -> Option<&'static str> {
        self.last[node.index()]
    }

    pub(super) fn decided(
        &mut self,
        node: Node,
        code: &'static str,
        has_sentence: bool,
    ) -> Verdict {
        self.last[node.index()] = Some(code);
        if has_sentence && !code.is_empty() {
            return Ok(());
        }
        broken(NAME, format!("{node} decided {code:?} without a sentence"))
    }

    pub(super) fn started(&mut self, node: Node, task: &str, lane: Lane) -> Verdict {
        if !matches!(lane, Lane::Server | Lane::Leadership) {
            return Ok(());
        }
        if self.last(node).is_none() {
            return broken(NAME, format!("{node} started {task} and told no decision"));
        }
        self.started.push(node);
        Ok(())
    }

    pub(super) fn gone(&mut self, node: Node) {
        self.last[node.index()] = None;
    }

    /// Compares what machines that have just started something told with what they decided.
    pub(super) fn compare(&mut self, world: &World) -> Verdict {
        while let Some(node) = self.started.pop() {
            let told = self.last(node);
            let is_there = world.host(node).agent.is_some();
            let stands = decision(world, node);
            if is_there && told != stands {
                return broken(NAME, format!("{node} decided {stands:?} and told {told:?}"));
            }
        }
        Ok(())
    }

    pub(super) fn quit(
        &mut self,
        world: &World,
        node: Node,
        is_orderly: bool,
        sentence: &str,
        truth: &Truth,
        remarks: &mut Remarks,
    ) -> Verdict {
        let code = self.last(node).unwrap_or("nothing");
        if sentence.is_empty() {
            return broken(NAME, format!("{node} ended without a sentence ({code})"));
        }
        if is_orderly {
            return Ok(());
        }
        let is_possible = truth.identity_touched_at.is_some() || world.options.begins_empty;
        let mine = world.host(node).server.files().map(|files| files.system);
        let known = same_system::known(world);
        let differs = mine.is_some() && known.is_some() && mine != known;
        let kind = match code {
            "system-id-mismatch" if is_possible || differs => "ended-beside-another-system",
            "replica-without-cluster" if is_possible => "ended-as-a-standby-of-no-cluster",
            "name-taken" if has_namesake(world, node) => "ended-beside-a-namesake",
            _ => return broken(NAME, format!("{node} ended by itself ({code}): {sentence}")),
        };
        remarks.add(kind, world.now);
        Ok(())
    }
}

/// Whether another agent runs under this member's name.
fn has_namesake(world: &World, node: Node) -> bool {
    let name = &world.host(node).name;
    let mut others = world.hosts.iter().filter(|host| host.node != node);
    others.any(|host| host.name == *name && host.agent.is_some())
}

/// What a member's machine has decided last, by its own word.
fn decision(world: &World, node: Node) -> Option<&'static str> {
    let agent = world.host(node).agent.as_ref()?;
    let decision = agent.subject.machine().status().decision?;
    Some(decision.reason.code().as_str())
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::OpId;

    use super::super::fixture::*;
    use super::*;
    use crate::fact::Fact;

    fn started(name: &'static str, lane: Lane) -> Fact {
        Fact::TaskStarted {
            node: B,
            op: OpId(1_000_001),
            name,
            lane,
            pre_empts: false,
        }
    }

    #[test]
    fn a_machine_that_has_told_nothing_must_not_act() {
        let mut run = settled();
        run.world.facts.push(Fact::AgentGone { node: B });
        run.world.facts.push(started("stop", Lane::Server));
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn the_decision_that_was_told_is_the_one_that_stands() {
        let mut run = settled();
        run.world.facts.push(Fact::Decided {
            node: B,
            code: "paused",
            is_explained: true,
        });
        run.world.facts.push(started("stop", Lane::Server));
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn a_decision_needs_a_sentence() {
        let mut run = settled();
        run.world.facts.push(Fact::Decided {
            node: B,
            code: "paused",
            is_explained: false,
        });
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn a_machine_does_not_end_beside_its_own_cluster() {
        let mut run = settled();
        run.world.facts.push(Fact::Decided {
            node: B,
            code: "system-id-mismatch",
            is_explained: true,
        });
        run.world.facts.push(Fact::Quit {
            node: B,
            is_orderly: false,
            sentence: "other data".to_owned(),
        });
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn only_a_name_that_another_agent_has_makes_a_machine_end() {
        let quits = |has_namesake: bool| {
            let mut run = settled();
            if has_namesake {
                run.world.hosts[B.index()].name = run.world.host(A).name.clone();
            }
            run.world.facts.push(Fact::Decided {
                node: B,
                code: "name-taken",
                is_explained: true,
            });
            run.world.facts.push(Fact::Quit {
                node: B,
                is_orderly: false,
                sentence: "another agent".to_owned(),
            });
            violated(&mut run)
        };
        assert_eq!(quits(false), Some(NAME));
        assert_ne!(quits(true), Some(NAME));
    }

    #[test]
    fn an_end_that_was_asked_for_is_fine() {
        let mut run = settled();
        run.world.facts.push(Fact::Quit {
            node: B,
            is_orderly: true,
            sentence: "left".to_owned(),
        });
        assert_eq!(violated(&mut run), None);
    }
}
