//! One run from its first event to its last: faults, healing, what must be true afterwards, quiet.

use std::time::Duration;

use crate::fault::Fault;
use crate::ids::At;
use crate::invariant::{Invariants, SLOTS_LIMIT, carried, converged, lacking, quiet};
use crate::outcome::{Outcome, Violation};
use crate::schedule::Schedule;
use crate::trace::Kind;
use crate::world::{Progress, World};

/// Whether lines are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Only the hash is.
    None,
    /// They are.
    Kept,
}

/// How long a new cluster may take until its members stream.
const SETTLING: Duration = Duration::from_secs(120);

/// What a member tells while its server goes down for logical slots and comes back, and what the
/// others make of it.
const WRITES_OF_A_COPY: u64 = 12;

/// The longest that a single task takes when nothing fails.
const LONGEST_TASK: Duration = Duration::from_secs(60);
/// How often a healed world may have one primary that all follow, and not for long.
const ATTEMPTS: u32 = 3;

/// A world with the invariants that watch over it.
#[derive(Clone, Debug)]
pub struct Run {
    /// The world.
    pub world: World,
    invariants: Invariants,
    violation: Option<Violation>,
}

impl Run {
    /// A world as its schedule says, before the first event.
    #[must_use]
    pub fn new(schedule: &Schedule, lines: Lines) -> Self {
        let world = World::new(schedule, lines == Lines::Kept);
        let invariants = Invariants::new(&world);
        Self {
            world,
            invariants,
            violation: None,
        }
    }

    /// Makes a healthy cluster: the first member bootstraps it, the others join. Afterwards it is
    /// `T+0`.
    pub fn settle(&mut self) {
        let first = crate::ids::Node(0);
        self.world.start_agent(first);
        self.pass_until(SETTLING, |world| world.host(first).server.is_primary());
        for node in self.world.nodes() {
            self.world.start_agent(node);
        }
        self.pass_until(SETTLING, converged);
        self.pass(Duration::from_secs(2));
        self.world.zero = self.world.now;
        self.world.begin_synchronous();
        self.world.begin_failsafe();
    }

    /// Starts all members at once, without waiting for anything.
    pub fn begin(&mut self) {
        for node in self.world.nodes() {
            self.world.start_agent(node);
        }
    }

    /// Lets time pass; stops at a violation.
    pub fn pass(&mut self, duration: Duration) {
        let until = self.world.now.plus(duration);
        while self.step(until) {}
    }

    /// Lets time pass until something is so; tells whether it came to be.
    pub fn pass_until(&mut self, limit: Duration, is_so: impl Fn(&World) -> bool) -> bool {
        let until = self.world.now.plus(limit);
        while !is_so(&self.world) {
            if !self.step(until) {
                return false;
            }
        }
        true
    }

    /// One event; false: nothing more by `until`, or a violation.
    fn step(&mut self, until: At) -> bool {
        if self.violation.is_some() {
            return false;
        }
        let progress = self.world.step(until);
        if progress == Progress::Busy {
            self.violate(
                "busy-loop",
                "events follow each other and time stands still".to_owned(),
            );
            return false;
        }
        self.check();
        progress == Progress::Stepped && self.violation.is_none()
    }

    /// Asks every invariant; also after something was inflicted by hand.
    pub fn check(&mut self) {
        if let Some(violation) = self.invariants.check(&mut self.world) {
            self.violate(violation.invariant, violation.text);
        }
    }

    fn violate(&mut self, invariant: &'static str, text: String) {
        let at = self.world.instant();
        self.world.line(None, Kind::Violation, |_| {
            (format!("VIOLATION {invariant}: {text}"), String::new())
        });
        self.violation.get_or_insert(Violation {
            invariant,
            at,
            text,
        });
    }

    /// What was violated first.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    fn phase(&mut self, name: &'static str) {
        self.world
            .line(None, Kind::Phase, |_| (name.to_owned(), String::new()));
    }

    /// Everything works again: there must be one primary that all follow, and then quiet.
    fn recover(&mut self) {
        self.phase("healing");
        self.world.inflict(&Fault::Heal);
        self.world.resume_if_paused();
        self.check();
        let limit = self.world.session_life() * 4 + LONGEST_TASK * 2;
        self.phase("liveness");
        if !self.invariants.can_converge(&self.world) {
            return;
        }
        for _ in 0..ATTEMPTS {
            if !self.pass_until(limit, converged) {
                // What kept it may have come to light only now.
                if self.violation.is_none() && self.invariants.can_converge(&self.world) {
                    let text = crate::invariant::what_is_missing(&self.world);
                    self.violate("converges", text);
                }
                return;
            }
            // Whoever was healed a moment before the end of its lease looks like a leader, and ends.
            self.pass(Duration::from_secs(5));
            if converged(&self.world) {
                break;
            }
        }
        self.world.is_writing = false;
        let loops = self.world.options.loop_wait;
        self.pass(loops * 2);
        // A call that comes only now changes what its sender has told since, and whoever is told only
        // now what was wanted while messages took long does that now.
        let late = self
            .world
            .last_late_call
            .max(self.world.last_view_on_its_way());
        if late > self.world.now {
            self.pass(late.since(self.world.now));
            self.pass_until(limit, converged);
            self.pass(loops * 2);
        }
        self.phase("quiescence");
        let before = (self.invariants.writes(), self.world.slot_copies);
        self.pass(loops * 10);
        // A member's turn to get logical slots may come only now, once.
        let copies = self.world.slot_copies - before.1 + self.copies_under_way();
        let copies = copies.min(self.world.options.nodes.into());
        if copies > 0 {
            self.pass_until(limit, converged);
        }
        let writes = self.invariants.writes() - before.0;
        if self.violation.is_none()
            && let Err(text) = quiet(
                &self.world,
                writes.saturating_sub(copies * WRITES_OF_A_COPY),
            )
        {
            self.violate("quiescent", text);
        }
        if self.violation.is_none()
            && let Err(text) = crate::invariant::restart_equivalent(&self.world)
        {
            self.violate("restart-equivalent", text);
        }
        let is_carried = self.pass_until(SLOTS_LIMIT, carried);
        if self.violation.is_none()
            && !is_carried
            && let Some(text) = lacking(&self.world)
        {
            self.violate("slots-carried", text);
        }
    }

    /// How many members are about to get logical slots.
    fn copies_under_way(&self) -> u64 {
        let agents = self
            .world
            .hosts
            .iter()
            .filter_map(|host| host.agent.as_ref());
        agents.fold(0, |count, agent| {
            count + u64::from(agent.subject.find("copy-slots").is_some())
        })
    }

    fn outcome(mut self) -> Outcome {
        Outcome {
            violation: self.violation,
            remarks: self.invariants.remarks(),
            hash: self.world.trace.hash(),
            simulated: self.world.now.since(At(0)),
            steps: self.world.steps,
            codes: std::mem::take(&mut self.world.codes),
            lines: self.world.trace.take_lines(),
        }
    }
}

/// Plays a schedule from beginning to end.
#[must_use]
pub fn run(schedule: &Schedule, lines: Lines) -> Outcome {
    let mut run = Run::new(schedule, lines);
    if schedule.options.begins_empty {
        run.begin();
    } else {
        run.settle();
    }
    run.phase("safety");
    run.world.let_clients_write();
    for planned in &schedule.faults {
        run.world.plan_fault(planned.at, planned.fault.clone());
    }
    run.pass(schedule.options.safety);
    run.recover();
    run.outcome()
}
