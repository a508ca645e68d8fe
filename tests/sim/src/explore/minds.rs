//! Machines with what follows from them, and a memory of every step that was taken.
//!
//! A world is a product: the same machine takes the same input at the same instant in thousands of
//! worlds that differ elsewhere. So each step of the shipping core is taken once, and machines
//! that are equal are one. The invariant: a remembered step is what the machine would do again,
//! because equal machines given equal inputs give equal steps.

use std::sync::Arc;

use herdsman_ha_core::{
    Boot, Command, Deadline, Fault, HeldLease, Input, LocalView, Machine, MemberName, Mono, Now,
    OpId, Outcome, Output, RequestId, Settings, Task, Wall,
};

use super::form::Form;
use super::kept::Seen;
use super::mix::Mix;
use super::table::Table;

/// So many machines are remembered at most: each holds a view of the store of its own.
const MINDS_KEPT: usize = 20_000;

/// A machine between two steps.
#[derive(Debug)]
pub(super) struct Mind {
    machine: Machine,
    pub(super) form: Form,
    exact: u128,
    /// When it wants to be stepped again.
    pub(super) wake: Option<(Mono, Deadline)>,
    pub(super) lease: Option<HeldLease>,
}

/// A task with its form.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) task: Task,
    pub(super) form: Form,
}

/// An outcome with its form.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) outcome: Outcome,
    pub(super) form: Form,
}

impl Told {
    pub(super) fn new(outcome: Outcome) -> Arc<Self> {
        let form = Form::of(&outcome);
        Arc::new(Self { outcome, form })
    }
}

/// What reaches a machine.
#[derive(Clone, Debug)]
pub(super) enum Stimulus {
    View(Arc<Seen>),
    WatchLost,
    Local(LocalView),
    Done(OpId, Arc<Told>),
    Wake,
    /// The operator asks for a switchover from this leader to whoever is best.
    Switchover(MemberName),
}

/// What a machine asks for.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Start(OpId, Arc<Ask>),
    Cancel(OpId),
    Quit,
    /// A decision, for those who read along.
    Decided(Box<herdsman_ha_core::Decision>),
}

/// What came of a step.
#[derive(Debug)]
pub(super) struct Stepped {
    pub(super) mind: Arc<Mind>,
    pub(super) deeds: Vec<Deed>,
}

/// All machines that were met, and all steps that they took.
#[derive(Debug)]
pub(super) struct Minds {
    known: Table<Arc<Mind>>,
    taken: Table<Arc<Stepped>>,
    /// How many steps the core took, and how many were remembered.
    pub(super) steps: u64,
    pub(super) remembered: u64,
}

impl Minds {
    pub(super) fn new() -> Self {
        Self {
            known: Table::new(),
            taken: Table::new(),
            steps: 0,
            remembered: 0,
        }
    }

    pub(super) fn fresh(settings: Settings, boot: Boot, now: Mono) -> Arc<Mind> {
        let now = Now {
            mono: now,
            wall: Wall(0),
        };
        Arc::new(Mind::new(Machine::new(settings, boot, now), None, now))
    }

    pub(super) fn step(&mut self, mind: &Mind, now: Mono, stimulus: Stimulus) -> Arc<Stepped> {
        let key = key(mind, now, &stimulus);
        if let Some(taken) = self.taken.find(key) {
            self.remembered += 1;
            return Arc::clone(taken);
        }
        self.steps += 1;
        if self.known.len() > MINDS_KEPT {
            self.known.clear();
            self.taken.clear();
        }
        let stepped = Arc::new(self.take(mind, now, stimulus));
        self.taken.insert(key, Arc::clone(&stepped));
        stepped
    }

    fn take(&mut self, mind: &Mind, now: Mono, stimulus: Stimulus) -> Stepped {
        let mut machine = mind.machine.clone();
        let now = Now {
            mono: now,
            wall: Wall(0),
        };
        let step = machine.step(now, input(stimulus));
        let mind = Mind::new(machine, step.wake, now);
        let mind = match self.known.find(mind.exact) {
            Some(known) => Arc::clone(known),
            None => {
                let mind = Arc::new(mind);
                self.known.insert(mind.exact, Arc::clone(&mind));
                mind
            }
        };
        let deeds = step.outputs.into_iter().filter_map(deed).collect();
        Stepped { mind, deeds }
    }
}

impl Mind {
    fn new(machine: Machine, wake: Option<(Mono, Deadline)>, now: Now) -> Self {
        let form = Form::of(&machine);
        // Its instant is no part of its form, but a machine of later is none of now.
        let mut mix = Mix::new();
        mix.add_wide(form.exact());
        mix.add(now.mono.0);
        Self {
            exact: mix.end(),
            lease: machine.lease(),
            machine,
            form,
            wake,
        }
    }
}

fn key(mind: &Mind, now: Mono, stimulus: &Stimulus) -> u128 {
    let mut mix = Mix::new();
    mix.add_wide(mind.exact);
    mix.add(now.0);
    match stimulus {
        Stimulus::View(seen) => {
            mix.add(1);
            mix.add_wide(seen.exact);
        }
        Stimulus::WatchLost => mix.add(2),
        Stimulus::Local(local) => {
            mix.add(3);
            mix.add_wide(Form::of(local).exact());
        }
        Stimulus::Done(op, told) => {
            mix.add(4);
            mix.add(op.0);
            mix.add_wide(told.form.exact());
        }
        Stimulus::Wake => mix.add(5),
        Stimulus::Switchover(leader) => {
            mix.add(6);
            mix.add_text(leader.as_str());
        }
    }
    mix.end()
}

fn input(stimulus: Stimulus) -> Input {
    match stimulus {
        Stimulus::View(seen) => Input::Cluster(Ok(Arc::clone(&seen.view))),
        Stimulus::WatchLost => {
            Input::Cluster(Err(Fault::Unreachable("the watch is broken".to_owned())))
        }
        Stimulus::Local(local) => Input::Local(local),
        Stimulus::Done(op, told) => Input::Done {
            op,
            outcome: told.outcome.clone(),
        },
        Stimulus::Wake => Input::Wake,
        Stimulus::Switchover(leader) => Input::Operator {
            request: RequestId(1),
            command: Command::Switchover {
                leader: Some(leader),
                candidate: None,
                scheduled_at: None,
            },
        },
    }
}

fn deed(output: Output) -> Option<Deed> {
    match output {
        Output::Start { op, task } => {
            let form = Form::of(&task);
            Some(Deed::Start(op, Arc::new(Ask { task, form })))
        }
        Output::Cancel { op } => Some(Deed::Cancel(op)),
        Output::Quit(_) => Some(Deed::Quit),
        Output::Decided(decision) => Some(Deed::Decided(Box::new(decision))),
        Output::Reply { .. } => None,
    }
}
