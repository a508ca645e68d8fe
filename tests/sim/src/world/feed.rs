//! Stepping a machine, and doing what it says: the loop of the agent, without waiting.

use std::time::Duration;

use herdsman_ha_core::{
    Deadline, Input, Lane, LocalView, Mono, Now, OpId, Outcome, Output, Step, Task, Wall,
};

use super::draws::What;
use super::event::{AgentEvent, Event};
use super::host::{Awaits, Job};
use super::{Shared, World};
use crate::fact::Fact;
use crate::ids::Node;
use crate::options::DriverMutant;
use crate::trace::Kind;

/// How soon an agent that has ended is started again.
const SUPERVISED_AFTER: Duration = Duration::from_secs(2);

impl World {
    /// What the machine of a member reads from its clock.
    pub(super) fn clock(&self, node: Node) -> Mono {
        self.host(node).clock.read(self.now)
    }

    pub(super) fn agent_event(&mut self, node: Node, event: AgentEvent) {
        match event {
            AgentEvent::Wake { serial } => self.woken(node, serial),
            AgentEvent::Looked { seen_at, early } => {
                if let Some(agent) = &mut self.host_mut(node).agent {
                    agent.is_looking = false;
                }
                let (data, server) = match early {
                    Some(seen) => *seen,
                    None => self.glance(node),
                };
                self.see(
                    node,
                    LocalView {
                        seen_at,
                        data,
                        server,
                        about: None,
                    },
                );
            }
            AgentEvent::View(view) => self.view_arrives(node, view),
            AgentEvent::WatchLost => self.watch_lost(node),
            AgentEvent::WatchAgain => self.watch_again(node),
            AgentEvent::Reply { op, outcome } => self.finish(node, op, *outcome),
            AgentEvent::PeerAnswer { op, from, answer } => {
                self.peer_answered(node, op, from, *answer);
            }
            AgentEvent::PromiseAnswer { op, from, answer } => {
                self.promise_answered(node, op, from, answer);
            }
            AgentEvent::Timeout { op } => self.timed_out(node, op),
            AgentEvent::Stage { op, stage } => self.stage(node, op, stage),
            AgentEvent::End { op, outcome } => self.finish(node, op, *outcome),
            AgentEvent::Operator(command) => self.feed(
                node,
                Input::Operator {
                    request: herdsman_ha_core::RequestId(1),
                    command: *command,
                },
            ),
        }
    }

    fn woken(&mut self, node: Node, serial: u64) {
        let Some(agent) = &mut self.host_mut(node).agent else {
            return;
        };
        if agent.wake_serial != serial {
            return;
        }
        agent.wake = None;
        if agent.wakes_for_look {
            self.look(node);
        }
        self.feed(node, Input::Wake);
    }

    /// Begins a look at the server, unless one is on its way.
    pub(super) fn look(&mut self, node: Node) {
        let seen_at = self.clock(node);
        let Some(agent) = &mut self.host_mut(node).agent else {
            return;
        };
        if agent.is_looking {
            return;
        }
        agent.is_looking = true;
        let takes = self.draws.look(node);
        // Facts are gathered at some moment of a look: at its beginning or at its end.
        let is_early = self.draws.below(What::Choice, Some(node), 2) == 0;
        let early = is_early.then(|| Box::new(self.glance(node)));
        self.plan_agent(node, takes, AgentEvent::Looked { seen_at, early });
    }

    /// A look of this moment.
    fn see_now(&mut self, node: Node) {
        let seen_at = self.clock(node);
        let (data, server) = self.glance(node);
        self.see(
            node,
            LocalView {
                seen_at,
                data,
                server,
                about: None,
            },
        );
    }

    fn see(&mut self, node: Node, local: LocalView) {
        let sees_primary = matches!(local.server, herdsman_ha_core::ServerView::Primary(_));
        if let Some(agent) = &mut self.host_mut(node).agent {
            agent.sees_primary = sees_primary;
        }
        self.feed(node, Input::Local(local));
    }

    /// A task has ended: the machine is told, after a fresh look when the server was concerned.
    pub(super) fn finish(&mut self, node: Node, op: OpId, outcome: Outcome) {
        let Some(agent) = &mut self.host_mut(node).agent else {
            return;
        };
        let is_cancelled =
            |job: &Job| job.awaits == Some(Awaits::Cancelled) && outcome != Outcome::Cancelled;
        if agent.jobs.get(&op).is_none_or(is_cancelled) {
            return;
        }
        if self.options.driver_mutant == Some(DriverMutant::EndIsNeverTold)
            && self.draws.below(What::Choice, Some(node), 20) == 0
        {
            return;
        }
        let Some(job) = self.job_taken(node, op) else {
            return;
        };
        self.line(Some(node), Kind::End, |_| {
            (
                format!("{}: {}", job.task.name(), outcome_word(&outcome)),
                op.to_string(),
            )
        });
        if matches!(job.task.lane(), Lane::Server | Lane::Peers | Lane::Slots) {
            self.see_now(node);
        }
        // What that look alone made it decide rests on what it had heard before.
        self.tell_answers(node, &outcome);
        self.feed(node, Input::Done { op, outcome });
    }

    fn job_taken(&mut self, node: Node, op: OpId) -> Option<Job> {
        self.host_mut(node).agent.as_mut()?.jobs.remove(&op)
    }

    /// One step of a machine.
    pub(super) fn feed(&mut self, node: Node, input: Input) {
        let mono = self.clock(node);
        let now = Now {
            mono,
            wall: Wall(0),
        };
        if let Input::Done { op, .. } = &input {
            let op = *op;
            self.tell(Fact::TaskEnded { node, op });
        }
        let host = self.host_mut(node);
        let Some(agent) = &mut host.agent else {
            return;
        };
        let Step { outputs, wake } = agent.subject.step(now, input);
        let lease = agent.subject.machine().lease();
        agent.grant = lease.map(|lease| (lease.generation, lease.fence_at));
        let broken = agent.subject.violations();
        self.steps += 1;
        self.trace
            .mix(&[node.0.into(), self.now.0, outputs.len() as u64]);
        for text in broken {
            self.tell(Fact::Broken { node, text });
        }
        self.set_guardian(node);
        self.set_timer(node, wake);
        for output in outputs {
            self.put_out(node, output);
        }
    }

    fn set_timer(&mut self, node: Node, wake: Option<(Mono, Deadline)>) {
        let host = self.host_mut(node);
        let clock = host.clock;
        let Some(agent) = &mut host.agent else {
            return;
        };
        let at = wake.map(|(at, _)| at);
        agent.wakes_for_look = wake.is_some_and(|(_, deadline)| deadline == Deadline::Look);
        if agent.wake == at {
            return;
        }
        agent.wake = at;
        agent.wake_serial += 1;
        let (serial, run) = (agent.wake_serial, agent.run);
        if let Some(at) = at {
            let late = self.draws.jitter(node);
            let at = clock.when(at).max(self.now).plus(late);
            self.queue.plan(
                at,
                Event::Agent {
                    node,
                    run,
                    event: AgentEvent::Wake { serial },
                },
            );
        }
    }

    fn put_out(&mut self, node: Node, output: Output) {
        match output {
            Output::Decided(decision) => {
                let code = decision.reason.code().as_str();
                *self.codes.entry(code).or_default() += 1;
                self.trace
                    .mix(&[code.len() as u64, u64::from(code.as_bytes()[0])]);
                let is_explained = !decision.reason.code().template().is_empty();
                self.tell(Fact::Decided {
                    node,
                    code,
                    is_explained,
                });
                self.line(Some(node), Kind::Decision, |_| {
                    (decision.reason.to_string(), code.to_owned())
                });
            }
            Output::Start { op, task } => self.start(node, op, task),
            Output::Cancel { op } => self.cancel(node, op),
            Output::Reply { request, answer } => {
                if self.promise_replied(node, request, &answer) {
                    return;
                }
                self.line(Some(node), Kind::End, |_| {
                    (format!("answer: {}", answer.text), String::new())
                });
            }
            Output::Quit(quit) => {
                self.line(Some(node), Kind::End, |_| {
                    (format!("quit: {}", quit.sentence), String::new())
                });
                self.tell(Fact::Quit {
                    node,
                    is_orderly: quit.is_orderly,
                    sentence: quit.sentence,
                });
                self.agent_ends(node);
                self.plan(SUPERVISED_AFTER, Event::Supervise(node));
            }
        }
    }

    fn start(&mut self, node: Node, op: OpId, task: Task) {
        let lane = task.lane();
        let name = task.name();
        let pre_empts = task == Task::Fence;
        self.trace.mix(&[op.0, name.len() as u64, lane as u64]);
        if pre_empts {
            self.pre_empt(node, lane);
        }
        if lane == Lane::Server {
            let is_paused = self.host(node).agent.as_ref().is_some_and(|a| a.is_paused);
            self.tell(Fact::ServerTold {
                node,
                name,
                is_paused,
            });
        }
        self.tell(Fact::TaskStarted {
            node,
            op,
            name,
            lane,
            pre_empts,
        });
        self.line(Some(node), Kind::Task, |_| {
            (format!("start {name}"), op.to_string())
        });
        self.upon(node, &task);
        let task = Shared::new(task);
        if let Some(agent) = &mut self.host_mut(node).agent {
            agent.jobs.insert(op, Job::new(Shared::clone(&task)));
        }
        if !self.waits_for_a_hand(node, &task) {
            self.begin(node, op, &task);
        }
    }

    fn pre_empt(&mut self, node: Node, lane: Lane) {
        if self.options.driver_mutant == Some(DriverMutant::FencedTaskGoesOn) {
            return;
        }
        let Some(agent) = &self.host(node).agent else {
            return;
        };
        let ops: Vec<OpId> = agent
            .jobs
            .iter()
            .filter(|(_, job)| job.task.lane() == lane)
            .map(|(op, _)| *op)
            .collect();
        for op in ops {
            self.cancel(node, op);
        }
    }

    /// A task is dropped where it stands; its end is told as an event of its own.
    fn cancel(&mut self, node: Node, op: OpId) {
        let Some(agent) = &mut self.host_mut(node).agent else {
            return;
        };
        let Some(job) = agent.jobs.get_mut(&op) else {
            return;
        };
        job.awaits = Some(Awaits::Cancelled);
        let takes = self.draws.look(node);
        let outcome = Box::new(Outcome::Cancelled);
        self.plan_agent(node, takes, AgentEvent::End { op, outcome });
    }
}

fn outcome_word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(_) => "done".to_owned(),
        Outcome::NotApplied => "not applied".to_owned(),
        Outcome::SessionLost => "session lost".to_owned(),
        Outcome::Unknown => "unknown".to_owned(),
        Outcome::Cancelled => "cancelled".to_owned(),
        Outcome::Failed(failure) => format!("failed: {}", failure.message),
    }
}
