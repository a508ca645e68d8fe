//! A machine whose every step is checked: what must hold whatever the facts are.
//!
//! A broken rule is a sentence in [`Checked::violations`], so that a test can print all of them
//! beside the input that caused them.

use std::collections::{BTreeMap, BTreeSet};

use herdsman_ha_core::{
    Boot, Code, Generation, Grant, Input, Lane, LeaderElsewhere, Machine, MemberName, Now, OpId,
    Outcome, Output, Settings, StartAs, Step, Task,
};

/// A machine, the tasks it started, and the rules it broke.
#[derive(Clone, Debug)]
pub struct Checked {
    machine: Machine,
    running: BTreeMap<OpId, Task>,
    /// Tasks that a fence pushed out of their lane and that have not ended.
    pushed_out: BTreeSet<OpId>,
    last_op: OpId,
    has_quit: bool,
    /// Whether a script must agree to each promotion, and the leaderships for which it has.
    asks_script: bool,
    agreed: BTreeSet<Generation>,
    /// Every so many steps the ones that cost most are checked: comparisons with a twin.
    twin_every: u64,
    steps: u64,
    violations: Vec<String>,
}

impl Checked {
    /// A fresh machine.
    #[must_use]
    pub fn new(settings: Settings, boot: Boot, now: Now) -> Self {
        Self {
            asks_script: settings.scripts.pre_promote,
            agreed: BTreeSet::new(),
            machine: Machine::new(settings, boot, now),
            running: BTreeMap::new(),
            pushed_out: BTreeSet::new(),
            last_op: OpId(0),
            has_quit: false,
            twin_every: 1,
            steps: 0,
            violations: Vec::new(),
        }
    }

    /// Compares with a twin only once in `steps` steps, for runs that are long.
    #[must_use]
    pub fn with_a_twin_every(mut self, steps: u64) -> Self {
        self.twin_every = steps;
        self
    }

    /// The machine itself.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The tasks in flight, also those that a fence pushed out of their lane.
    #[must_use]
    pub fn running(&self) -> &BTreeMap<OpId, Task> {
        &self.running
    }

    /// The newest running task of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(OpId, &Task)> {
        let newest = self.running.iter().rev();
        newest
            .map(|(op, task)| (*op, task))
            .find(|(_, task)| task.name() == name)
    }

    /// Takes the broken rules out.
    pub fn violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }

    /// One step, with all checks.
    pub fn step(&mut self, now: Now, input: Input) -> Step {
        self.steps += 1;
        let ended = match &input {
            Input::Done { op, outcome } => {
                self.note_agreement(*op, outcome);
                Some(*op)
            }
            Input::Settings(settings) => {
                self.asks_script = settings.scripts.pre_promote;
                None
            }
            Input::Cluster(_)
            | Input::Local(_)
            | Input::Progress { .. }
            | Input::Operator { .. }
            | Input::Wake => None,
        };
        let step = if self.steps.is_multiple_of(self.twin_every) {
            self.step_beside_a_twin(now, input)
        } else {
            self.machine.step(now, input)
        };
        self.has_quit |= step.outputs.iter().any(is_end);
        if let Some(op) = ended {
            self.running.remove(&op);
            self.pushed_out.remove(&op);
        }
        for output in &step.outputs {
            self.check_output(now, output);
        }
        self.check_wake(now, &step);
        step
    }

    fn note_agreement(&mut self, op: OpId, outcome: &Outcome) {
        if let (Some(Task::PrePromote { generation }), Outcome::Done(_)) =
            (self.running.get(&op), outcome)
        {
            self.agreed.insert(*generation);
        }
    }

    /// The step that is compared: with a machine that was equal, and with itself repeated.
    fn step_beside_a_twin(&mut self, now: Now, input: Input) -> Step {
        let mut twin = self.machine.clone();
        let step = self.machine.step(now, input.clone());
        self.expect(twin.step(now, input.clone()) == step, || {
            "equal machines gave unequal steps".to_owned()
        });
        self.check_repeat(now, input, &step);
        step
    }

    fn expect(&mut self, holds: bool, violation: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(violation());
        }
    }

    /// A view that is seen twice changes nothing the second time.
    fn check_repeat(&mut self, now: Now, input: Input, step: &Step) {
        let is_view = matches!(input, Input::Cluster(_) | Input::Local(_) | Input::Wake);
        if !is_view || self.has_quit || step.outputs.iter().any(is_end) {
            return;
        }
        let mut again = self.machine.clone().step(now, input);
        // A task that the first step started is what the second one waits for.
        again.outputs.retain(|output| !tells_of_a_task(output));
        self.expect(again.outputs.is_empty(), || {
            format!("the same input again gave {:?}", again.outputs)
        });
        self.expect(again.wake == step.wake, || {
            format!("the same input again moved the wake to {:?}", again.wake)
        });
    }

    fn check_output(&mut self, now: Now, output: &Output) {
        match output {
            Output::Start { op, task } => self.check_start(now, *op, task),
            Output::Cancel { op } => {
                let is_running = self.running.contains_key(op);
                self.expect(is_running, || format!("cancelled {op}, which does not run"));
            }
            Output::Decided(_) | Output::Reply { .. } | Output::Quit(_) => {}
        }
    }

    fn check_start(&mut self, now: Now, op: OpId, task: &Task) {
        let is_new = op > self.last_op;
        self.expect(is_new, || format!("{op} is not above every earlier number"));
        self.last_op = op;
        self.check_lane(task);
        if let Some(grant) = grant(task) {
            self.check_grant(now, grant, task.name());
        }
        if let Task::Promote { grant, .. } = task {
            let is_agreed = !self.asks_script || self.agreed.contains(&grant.generation());
            self.expect(is_agreed, || {
                format!("promoted in {grant:?} before the script has agreed")
            });
        }
        if let Task::Replace { witness, .. }
        | Task::Reinitialize { witness, .. }
        | Task::Rewind { witness, .. } = task
        {
            self.check_witness(witness);
        }
        self.running.insert(op, task.clone());
    }

    /// Data is removed only for the leader that the present view shows, and never for ourselves.
    fn check_witness(&mut self, witness: &LeaderElsewhere) {
        let status = self.machine.status();
        let leader = status.cluster.and_then(|view| view.leader.clone());
        let source = status.rules.standby_cluster.as_ref().map(|section| {
            let host = section.host.clone().unwrap_or_default();
            MemberName::from(format!("{host}:{}", section.port).as_str())
        });
        let is_present = leader.is_some_and(|leader| {
            let good_copy = source.unwrap_or(leader.name);
            good_copy == *witness.leader() && leader.generation == witness.generation()
        });
        let is_other = *witness.leader() != status.name;
        self.expect(is_present && is_other && status.is_store_reachable, || {
            format!("data is removed on the word of {witness:?}")
        });
    }

    fn check_lane(&mut self, task: &Task) {
        let lane = task.lane();
        let before: Vec<(OpId, String)> = self
            .on(lane)
            .map(|(op, task)| (op, task.name().to_owned()))
            .collect();
        if before.is_empty() {
            return;
        }
        if *task == Task::Fence {
            self.pushed_out.extend(before.iter().map(|(op, _)| *op));
            return;
        }
        self.violations.push(format!(
            "{} started beside {before:?} on {lane:?}",
            task.name()
        ));
    }

    /// The tasks that own a lane: at most one.
    fn on(&self, lane: Lane) -> impl Iterator<Item = (OpId, &Task)> {
        let running = self.running.iter().map(|(op, task)| (*op, task));
        running.filter(move |(op, task)| task.lane() == lane && !self.pushed_out.contains(op))
    }

    fn check_grant(&mut self, now: Now, grant: Grant, task: &str) {
        self.expect(grant.valid_until() > now.mono, || {
            format!("{task} started with a grant that has ended")
        });
        let status = self.machine.status();
        let follows = status.rules.standby_cluster.as_ref();
        self.expect(follows.is_none(), || {
            format!("{task} started in a cluster that follows {follows:?}")
        });
        let held = self.machine.lease().map(|lease| lease.generation);
        self.expect(held == Some(grant.generation()), || {
            format!("{task} started under {grant:?} while {held:?} is held")
        });
    }

    /// Whoever holds a lease is woken in time to end it.
    fn check_wake(&mut self, now: Now, step: &Step) {
        let Some(lease) = self.machine.lease() else {
            return;
        };
        if self.has_quit || lease.fence_at <= now.mono {
            return;
        }
        let is_in_time = step.wake.is_some_and(|(at, _)| at <= lease.fence_at);
        self.expect(is_in_time, || {
            format!(
                "wake {:?}, but the fence is due at {}",
                step.wake, lease.fence_at
            )
        });
    }
}

fn is_end(output: &Output) -> bool {
    matches!(output, Output::Quit(_))
}

fn tells_of_a_task(output: &Output) -> bool {
    match output {
        Output::Decided(decision) => {
            matches!(
                decision.reason.code(),
                Code::TaskRunning | Code::LeaseEnding
            )
        }
        Output::Start { .. } | Output::Cancel { .. } | Output::Reply { .. } | Output::Quit(_) => {
            false
        }
    }
}

/// The grant of a task that makes the server writable.
fn grant(task: &Task) -> Option<Grant> {
    match task {
        Task::Promote { grant, .. }
        | Task::Start {
            role: StartAs::Primary(grant),
            ..
        } => Some(*grant),
        Task::Start {
            role: StartAs::Standby(_),
            ..
        }
        | Task::OpenSession { .. }
        | Task::Renew { .. }
        | Task::CloseSession { .. }
        | Task::Commit(_)
        | Task::PublishHistory { .. }
        | Task::AskPeers { .. }
        | Task::AskPromises { .. }
        | Task::Identify { .. }
        | Task::Bootstrap
        | Task::Clone { .. }
        | Task::Replace { .. }
        | Task::Reinitialize { .. }
        | Task::Rewind { .. }
        | Task::Stop { .. }
        | Task::PrePromote { .. }
        | Task::Follow { .. }
        | Task::ProveGone
        | Task::Fence
        | Task::Checkpoint
        | Task::SyncSlots { .. }
        | Task::CopySlots { .. }
        | Task::WaitFor { .. } => None,
    }
}
