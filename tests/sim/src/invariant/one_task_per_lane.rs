//! `one-task-per-lane`: at most one task owns a lane, only a fence takes a lane away, and every
//! started task is told its end once, or goes with its agent.
//!
//! A task whose lane was taken away does nothing more to its server.
//!
//! An end must come within the limits that the driver has: a minute where nothing is slow, the
//! limit of a start and a minute for work on the server. Time in which the agent stands still does
//! not count, nor does a promotion of a server that stands still or hangs in it.

use std::time::Duration;

use herdsman_ha_core::{Lane, OpId};

use super::{Verdict, broken};
use crate::fault::Quirk;
use crate::ids::{At, Node};
use crate::world::World;

pub(super) const NAME: &str = "one-task-per-lane";

const LANES: usize = 10;

/// Longer than every call, question and checkpoint.
const SHORT: Duration = Duration::from_secs(60);

/// The longest start, when the cluster's configuration sets no limit.
const START: Duration = Duration::from_secs(300);

/// How often the limits are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The tasks of all members.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    members: Vec<Member>,
    look_at: At,
}

#[derive(Clone, Debug, Default)]
struct Member {
    lanes: [Option<Running>; LANES],
    /// Whose lane was taken away, and whose end is still to be told.
    pushed_out: Vec<Running>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    op: OpId,
    name: &'static str,
    lane: Lane,
    since: At,
}

impl Tasks {
    /// Of a world as it stands: what its machines wait for has begun now.
    pub(super) fn new(world: &World) -> Self {
        let mut tasks = Self {
            members: world.nodes().map(|_| Member::default()).collect(),
            look_at: world.now,
        };
        for host in &world.hosts {
            let agent = host.agent.iter();
            for (op, task) in agent.flat_map(|agent| agent.subject.running()) {
                let lane = task.lane();
                let running = Running {
                    op: *op,
                    name: task.name(),
                    lane,
                    since: world.now,
                };
                tasks.members[host.node.index()].lanes[lane as usize] = Some(running);
            }
        }
        tasks
    }

    pub(super) fn started(
        &mut self,
        now: At,
        node: Node,
        op: OpId,
        name: &'static str,
        lane: Lane,
        pre_empts: bool,
    ) -> Verdict {
        let member = &mut self.members[node.index()];
        let running = Running {
            op,
            name,
            lane,
            since: now,
        };
        match member.lanes[lane as usize].replace(running) {
            None => Ok(()),
            Some(before) if pre_empts => {
                member.pushed_out.push(before);
                Ok(())
            }
            Some(before) => broken(
                NAME,
                format!(
                    "{node} started {name} ({op}) beside {} ({})",
                    before.name, before.op
                ),
            ),
        }
    }

    pub(super) fn ended(&mut self, node: Node, op: OpId) -> Verdict {
        let member = &mut self.members[node.index()];
        let is_it = |running: &Option<Running>| running.is_some_and(|running| running.op == op);
        if let Some(lane) = member.lanes.iter_mut().find(|lane| is_it(lane)) {
            *lane = None;
            return Ok(());
        }
        let pushed_out = member.pushed_out.iter();
        if let Some(index) = pushed_out.clone().position(|running| running.op == op) {
            member.pushed_out.swap_remove(index);
            return Ok(());
        }
        broken(
            NAME,
            format!("{node} was told the end of {op}, which does not run"),
        )
    }

    /// The driver works on a server for a task.
    pub(super) fn touched(&mut self, node: Node, op: OpId) -> Verdict {
        let member = &self.members[node.index()];
        match member.pushed_out.iter().find(|running| running.op == op) {
            None => Ok(()),
            Some(running) => broken(
                NAME,
                format!(
                    "{node} goes on with {} ({op}) although a fence has taken its lane",
                    running.name
                ),
            ),
        }
    }

    pub(super) fn gone(&mut self, node: Node) {
        self.members[node.index()] = Member::default();
    }

    /// Whether everybody's tasks are still within their limits.
    pub(super) fn look(&mut self, world: &World) -> Verdict {
        if world.now < self.look_at {
            return Ok(());
        }
        self.look_at = world.now.plus(LOOK_EVERY);
        for (node, member) in world.nodes().zip(&mut self.members) {
            let lanes = member.lanes.iter_mut().flatten();
            for running in lanes.chain(&mut member.pushed_out) {
                if is_held_up(world, node, running) {
                    running.since = world.now;
                }
                if world.now.since(running.since) > limit(world, running) {
                    let (name, op) = (running.name, running.op);
                    return broken(
                        NAME,
                        format!("{node} was never told the end of {name} ({op})"),
                    );
                }
            }
        }
        Ok(())
    }
}

fn is_held_up(world: &World, node: Node, running: &Running) -> bool {
    let host = world.host(node);
    let is_hanging = host.server.is_frozen || host.server.has(Quirk::HangsInPromotion);
    !host.is_agent_awake() || (is_hanging && running.name == "promote")
}

fn limit(world: &World, running: &Running) -> Duration {
    match running.lane {
        Lane::Server => START.max(world.options.primary_start_timeout) + SHORT,
        Lane::Session
        | Lane::Leadership
        | Lane::Store
        | Lane::Peers
        | Lane::Promises
        | Lane::Identity
        | Lane::Checkpoint
        | Lane::Slots
        | Lane::Synchrony => SHORT,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::fact::Fact;
    use crate::run::Run;

    fn start(run: &mut Run, op: u64, name: &'static str, lane: Lane, pre_empts: bool) {
        run.world.facts.push(Fact::TaskStarted {
            node: B,
            op: OpId(1_000_000 + op),
            name,
            lane,
            pre_empts,
        });
    }

    fn end(run: &mut Run, op: u64) {
        let op = OpId(1_000_000 + op);
        run.world.facts.push(Fact::TaskEnded { node: B, op });
    }

    #[test]
    fn two_tasks_on_one_lane_are_one_too_many() {
        let mut run = settled();
        start(&mut run, 1, "checkpoint", Lane::Checkpoint, false);
        assert_eq!(violated(&mut run), None);
        start(&mut run, 2, "checkpoint", Lane::Checkpoint, false);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn a_fence_takes_the_lane_and_both_ends_are_told() {
        let mut run = settled();
        start(&mut run, 1, "sync-slots", Lane::Slots, false);
        start(&mut run, 2, "sync-slots", Lane::Slots, true);
        end(&mut run, 2);
        end(&mut run, 1);
        assert_eq!(violated(&mut run), None);
        end(&mut run, 1);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn a_task_whose_lane_was_taken_touches_nothing_more() {
        let mut run = settled();
        let touch = |run: &mut Run, op: u64| {
            let op = OpId(1_000_000 + op);
            run.world.facts.push(Fact::Touched { node: B, op });
        };
        start(&mut run, 1, "sync-slots", Lane::Slots, false);
        touch(&mut run, 1);
        start(&mut run, 2, "sync-slots", Lane::Slots, true);
        touch(&mut run, 2);
        assert_eq!(violated(&mut run), None);
        touch(&mut run, 1);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn an_end_that_never_comes_is_missed() {
        let mut run = settled();
        start(&mut run, 1, "checkpoint", Lane::Checkpoint, false);
        run.pass(Duration::from_secs(55));
        assert_eq!(violated(&mut run), None);
        run.pass(Duration::from_secs(15));
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn with_its_agent_a_task_is_gone() {
        let mut run = settled();
        start(&mut run, 1, "checkpoint", Lane::Checkpoint, false);
        run.world.facts.push(Fact::AgentGone { node: B });
        assert_eq!(violated(&mut run), None);
    }
}
