//! The machine: memory, one step, outputs. Glue only; policy is in the tables.
//!
//! A step takes in one input, looks at everything it knows, and gives back what shall happen. It
//! calls nothing and waits for nothing.

mod absorb;
mod answers;
mod commands;
mod deadlines;
mod promises;
mod publish;
mod records;
mod slots;
mod standby_leader;
mod synchrony;
mod tenure;
mod upkeep;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::carry;
use crate::changes;
use crate::choose::choose;
use crate::claim;
use crate::command::{Answer, AnswerKind, Command};
use crate::decide::{Act, Choice};
use crate::explain::explain;
use crate::failsafe;
use crate::journal::{Decision, Verdict};
use crate::memory::{Memory, Settings};
use crate::mutant::{Broken, Mutant};
use crate::plan;
use crate::reason::{Code, Reason};
use crate::reinit;
use crate::remote;
use crate::requests::Requests;
use crate::restart;
use crate::situation as word;
use crate::status::{HeldLease, Status};
use crate::task::{Boot, Lane, Outcome, Progress, Purpose, StartAs, Task};
use crate::time::{Mono, Now};
use crate::value::{OpId, RequestId};
use crate::view::{ClusterView, Fault, LocalView, ServerView};

pub use deadlines::Deadline;
pub(crate) use publish::{Moving, words as member_words};

/// One thing that happened outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// A complete view of the store, or why there is none.
    Cluster(Result<Arc<ClusterView>, Fault>),
    /// A complete look at the local server.
    Local(LocalView),
    /// A long task is alive. Never changes a decision.
    Progress {
        /// The task.
        op: OpId,
        /// How far it is.
        progress: Progress,
    },
    /// A task has ended.
    Done {
        /// The task.
        op: OpId,
        /// How.
        outcome: Outcome,
    },
    /// Somebody asks for something.
    Operator {
        /// To be named in the answer.
        request: RequestId,
        /// What is wanted.
        command: Command,
    },
    /// The member's own configuration was read again; its name stays.
    Settings(Box<Settings>),
    /// Only time has passed.
    Wake,
}

/// One thing that shall happen outside.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// A decision that differs from the one before. Comes first, so that logs precede effects.
    Decided(Decision),
    /// Start a task.
    Start {
        /// Its number.
        op: OpId,
        /// What to do.
        task: Task,
    },
    /// Cancel a task; its end is still to be told.
    Cancel {
        /// Its number.
        op: OpId,
    },
    /// Answer a request.
    Reply {
        /// The request.
        request: RequestId,
        /// The answer.
        answer: Answer,
    },
    /// End: there is nothing more to do, or this member must not go on.
    Quit(Quit),
}

/// How a machine ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quit {
    /// Whether this is the end that was asked for.
    pub is_orderly: bool,
    /// One sentence.
    pub sentence: alloc::string::String,
}

/// What comes of one step.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Step {
    /// What shall happen, in this order.
    pub outputs: Vec<Output>,
    /// When to step again at the latest, and what for.
    pub wake: Option<(Mono, Deadline)>,
}

/// One member's decisions.
///
/// Equal machines that are given equal inputs give equal steps.
#[derive(Clone, Debug)]
pub struct Machine {
    memory: Memory,
}

impl Machine {
    /// A machine that knows nothing but its own settings.
    #[must_use]
    pub fn new(settings: Settings, boot: Boot, now: Now) -> Self {
        Self {
            memory: Memory::new(settings, boot, now),
        }
    }

    /// Takes in one input and says what shall happen.
    ///
    /// # Panics
    ///
    /// When time does not move forward: the clock outside is broken, and no lease could be
    /// trusted.
    pub fn step(&mut self, now: Now, input: Input) -> Step {
        assert!(
            now.mono >= self.memory.now.mono,
            "the clock must not go backwards"
        );
        self.memory.now = now;
        let mut step = Step::default();
        if self.memory.is_finished {
            return step;
        }
        self.absorb(input, &mut step);
        self.follow_errands(&mut step);
        self.decide(&mut step);
        self.keep_session(&mut step);
        self.keep_claim(&mut step);
        self.ask_promises(&mut step);
        self.publish(&mut step);
        if !self.memory.is_finished {
            self.answer(&mut step);
        }
        step.wake = deadlines::earliest(&self.memory);
        step
    }

    /// What the outside may know.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.memory)
    }

    /// The leadership, when it is held: the part of [`Machine::status`] that is asked for after
    /// every step.
    #[must_use]
    pub fn lease(&self) -> Option<HeldLease> {
        HeldLease::of(&self.memory)
    }

    /// Whether the leadership is held and our server is a standby that is told to follow what the
    /// standby cluster follows.
    #[must_use]
    pub fn is_standby_leader(&self) -> bool {
        remote::is_standby_leader(&self.memory)
    }

    /// Whether old rows must be kept for logical slots of our standby, or of one that takes its WAL
    /// from it: `hot_standby_feedback`.
    #[must_use]
    pub fn keeps_rows(&self) -> bool {
        carry::keeps_rows(&self.memory)
    }

    /// Until when our claim to make the cluster holds at least; none: there is none, or it has
    /// ended. It may be another's after that, which whoever carries it out asks right before the new
    /// server takes writes.
    #[must_use]
    pub fn claim_ends_at(&self) -> Option<Mono> {
        claim::ends_at(&self.memory)
    }

    /// When a primary that nobody leads must be gone at the latest; none: there is none here. What
    /// watches over an agent has nothing else to go by before that has a lease.
    #[must_use]
    pub fn unleased_until(&self) -> Option<Mono> {
        let memory = &self.memory;
        let is_unleased =
            memory.lease.leadership().is_none() && word::writable(memory) == word::Writable::Yes;
        is_unleased.then(|| word::unleased_until(memory)).flatten()
    }

    fn decide(&mut self, step: &mut Step) {
        let choice = choose(&self.memory);
        // A member that is held back by the others' answers asks them again and again.
        let verdict = if choice.act.is_hold() || choice.code == Code::NotCandidate {
            Verdict::Hold
        } else {
            Verdict::Act
        };
        let decision = Decision {
            at: self.memory.mono(),
            wall: self.memory.now.wall,
            verdict,
            reason: explain(&self.memory, choice.code),
        };
        let is_told =
            self.memory.journal.note(decision) && !self.memory.breaks(Mutant::DecisionsGoUntold);
        if let Some(decision) = self.memory.journal.current().filter(|_| is_told) {
            step.outputs.push(Output::Decided(decision.clone()));
        }
        self.carry_out(choice, step);
    }

    fn carry_out(&mut self, choice: Choice, step: &mut Step) {
        match choice.act {
            Act::Quit => self.quit(choice.code, step),
            Act::Cancel => {
                if let Some(op) = self.memory.work.cancel(Lane::Server) {
                    step.outputs.push(Output::Cancel { op });
                }
            }
            Act::Checkpoint => self.checkpoint_before_stop(step),
            Act::ClearMove => {
                if choice.code == Code::MoveImpossible {
                    self.memory.requests.refused = self.refused_move();
                }
                let tasks = plan::tasks(&self.memory, Act::ClearMove);
                self.start_all(tasks, step);
            }
            Act::BeginRestart => {
                restart::begin_scheduled(&mut self.memory);
                self.decide(step);
            }
            Act::DropRestart => {
                restart::drop_scheduled(&mut self.memory);
                self.decide(step);
            }
            Act::StartPrimary => {
                if let Some((revision, _)) = self.memory.move_seen
                    && choice.code != Code::RestartStarting
                {
                    // Every attempt is an outage: the same request is not tried again.
                    self.memory.move_abandoned = Some(revision);
                }
                let tasks = plan::tasks(&self.memory, Act::StartPrimary);
                self.start_all(tasks, step);
            }
            Act::Acquire | Act::Resume | Act::Record | Act::Bootstrap => {
                let tasks = plan::tasks(&self.memory, choice.act);
                let now = self.memory.mono();
                if tasks.is_empty() && !self.memory.lease.is_fresh(now) {
                    // The session is too old to begin with: renew it first.
                    self.memory.lease.renew_now(now);
                }
                self.start_all(tasks, step);
            }
            Act::Hold
            | Act::AskName
            | Act::AskPeers
            | Act::PrepareSync
            | Act::PrePromote
            | Act::Promote
            | Act::Lead
            | Act::Release
            | Act::ProveGone
            | Act::AskAndProve
            | Act::StartStandby
            | Act::StartAlone
            | Act::StartFromSource
            | Act::CopySource
            | Act::StopFast
            | Act::Fence
            | Act::Follow
            | Act::Detach
            | Act::CopySlots
            | Act::Identify
            | Act::Replace
            | Act::ProveLeader
            | Act::Reinitialize
            | Act::Rewind
            | Act::Clone
            | Act::Restore
            | Act::Claim
            | Act::Adopt
            | Act::BeginMove
            | Act::CloseSession => {
                let tasks = plan::tasks(&self.memory, choice.act);
                self.start_all(tasks, step);
            }
        }
    }

    fn start_all(&mut self, tasks: Vec<Task>, step: &mut Step) {
        for task in tasks {
            self.start(task, step);
        }
    }

    /// Starts a task when its lane is free and its last failure is not too fresh. A fence waits
    /// for nothing but another fence. Tells whether it was started.
    fn start(&mut self, task: Task, step: &mut Step) -> bool {
        let memory = &mut self.memory;
        let now = memory.mono();
        let is_preempting = task == Task::Fence && !memory.breaks(Mutant::FenceWaitsForTasks);
        let is_free = if is_preempting {
            !word::is_fencing(memory)
        } else {
            (memory.work.is_idle(task.lane()) || memory.breaks(Mutant::LanesAreShared))
                && !memory.work.must_wait(task.name(), now)
                && !memory.is_overtaken(&task)
        };
        if !is_free {
            return false;
        }
        let task = Broken::of(&memory.boot).weakened(task);
        if matches!(
            task,
            Task::Start { .. }
                | Task::Bootstrap
                | Task::Clone { .. }
                | Task::Reinitialize { .. }
                | Task::Rewind { .. }
        ) {
            memory.is_gone = false;
        }
        if matches!(
            task,
            Task::Start {
                role: StartAs::Standby(_),
                ..
            }
        ) {
            // What starts now cannot write, whatever ran before it.
            memory.was_primary = false;
            memory.is_known_standby = true;
        }
        if matches!(task, Task::Bootstrap | Task::Clone { .. }) {
            // Nothing is left of what was here: processes that are seen meanwhile make the new data.
            memory.was_primary = false;
        }
        memory.is_known_standby &= !word::makes_writable(&task);
        if matches!(&task, Task::Commit(commit) if commit.purpose == Purpose::Release) {
            memory.releasing = memory.lease.leadership();
        }
        if matches!(&task, Task::Commit(commit) if commit.purpose == Purpose::Acquire) {
            memory.lease.retaking();
        }
        if matches!(&task, Task::Commit(commit) if commit.purpose == Purpose::PublishFailsafe) {
            failsafe::list_sent(memory);
        }
        if task == Task::Bootstrap {
            memory.claim = memory.lease.session_name();
        }
        let is_wanted_down = memory.restart.is_some() || memory.move_seen.is_some();
        // Slots that are copied while the server is down anyway take nothing down.
        let is_down = matches!(memory.server(), Some(ServerView::Down { .. }));
        memory.is_ours_to_start |= matches!(task, Task::Stop { .. }) && is_wanted_down
            || matches!(task, Task::CopySlots { .. }) && !is_down
            || matches!(task, Task::Reinitialize { .. });
        let begun = reinit::begun(memory, &task);
        let op = memory.work.begin(task.clone(), now);
        step.outputs.push(Output::Start { op, task });
        if let Some((request, answer)) = begun {
            step.outputs.push(Output::Reply { request, answer });
        }
        true
    }

    /// Why the move was not carried out, for whoever waits for it here.
    fn refused_move(&self) -> Option<alloc::string::String> {
        let decision = self.memory.journal.current()?;
        let Reason::MoveImpossible { why } = &decision.reason else {
            return None;
        };
        Some(why.clone())
    }

    /// Wishes of operators that go through several tasks.
    fn follow_errands(&mut self, step: &mut Step) {
        let ended = [
            restart::follow(&mut self.memory),
            reinit::follow(&mut self.memory),
        ];
        for (request, answer) in ended.into_iter().flatten() {
            step.outputs.push(Output::Reply { request, answer });
        }
    }

    fn checkpoint_before_stop(&mut self, step: &mut Step) {
        // A checkpoint that fails or is already running only makes the stop longer.
        let revision = self.memory.move_seen.map(|(revision, _)| revision);
        if self.memory.work.must_wait("checkpoint", self.memory.mono()) {
            self.memory.move_checkpoint = revision;
            restart::checkpointed(&mut self.memory);
            return;
        }
        self.start(Task::Checkpoint, step);
    }

    fn quit(&mut self, code: Code, step: &mut Step) {
        self.memory.is_finished = true;
        // Most decisions are repeated and read by nobody: only the last one is put into words here.
        let decision = self.memory.journal.current();
        let sentence = decision.map(|decision| decision.reason.to_string());
        let sentence = sentence.unwrap_or_default();
        let is_orderly = matches!(code, Code::Left | Code::LeavingPaused);
        if let Some(request) = self.memory.requests.leave.take() {
            let answer = Answer {
                kind: AnswerKind::Done,
                text: sentence.clone(),
            };
            step.outputs.push(Output::Reply { request, answer });
        }
        step.outputs.push(Output::Quit(Quit {
            is_orderly,
            sentence,
        }));
    }

    fn answer(&mut self, step: &mut Step) {
        for (request, answer) in Requests::settle(&mut self.memory) {
            step.outputs.push(Output::Reply { request, answer });
        }
        if let Some(task) = Requests::task(&self.memory)
            && self.start(task.clone(), step)
        {
            self.memory.requests.writing(&task);
        }
        if let Some((request, answer)) = changes::follow(&mut self.memory) {
            step.outputs.push(Output::Reply { request, answer });
        }
        if let Some(task) = changes::task(&self.memory)
            && self.start(task, step)
        {
            changes::sent(&mut self.memory);
        }
    }
}

#[cfg(test)]
mod tests;
