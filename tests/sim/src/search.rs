//! Plays many seeds until an invariant does not hold.
//!
//! Seeds are independent of each other, so threads share nothing but the next number. What is
//! found does not depend on how many there are; only which seed is found first does.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::outcome::{Outcome, Violation};
use crate::schedule::{Schedule, Wish};

mod attempt;
mod cpu;
mod hint;
mod mutants;
mod report;
#[cfg(test)]
mod tests;

pub use attempt::{Repeat, attempt};
pub use mutants::{Caught, Subject, mutants, owed_to_the_mutant};
pub use report::{codes_without_runs, render};

/// What plays a schedule; never keeps lines.
pub type Play<'a> = &'a (dyn Fn(&Schedule) -> Outcome + Sync);

/// What is searched.
#[derive(Clone, Debug)]
pub struct Search {
    /// Which seeds.
    pub seeds: Range<u64>,
    /// What the seeds do not decide.
    pub wish: Wish,
    /// How many threads, at least one.
    pub threads: usize,
    /// Whether a violation does not end the search.
    pub keeps_going: bool,
    /// Every so many seeds one is played twice, to compare; zero: none is.
    pub twice_every: u64,
}

/// A seed that violates something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The schedule of the seed.
    pub schedule: Schedule,
    /// What it violates.
    pub violation: Violation,
}

/// What was played so far.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// How many seeds.
    pub seeds: u64,
    /// How much time passed in their worlds.
    pub simulated: Duration,
    /// How many steps their machines took.
    pub steps: u64,
    /// How long processors worked on them.
    pub processor: Duration,
    /// How long it took by the clock on the wall.
    pub wall: Duration,
    /// How often each remark was made.
    pub remarks: BTreeMap<&'static str, u64>,
    /// How often each reason was given.
    pub codes: BTreeMap<&'static str, u64>,
    /// How often each invariant was violated.
    pub violations: BTreeMap<&'static str, u64>,
    /// What was found, by seed.
    pub found: Vec<Found>,
}

impl Sums {
    /// Simulated hours per minute of one processor.
    #[must_use]
    pub fn hours_per_core_minute(&self) -> u64 {
        let processor = u64::try_from(self.processor.as_millis().max(1)).unwrap_or(u64::MAX);
        // Hours per minute are seconds per second, by sixty.
        self.simulated.as_secs() * 1000 / processor / 60
    }

    fn add(&mut self, schedule: Schedule, outcome: Outcome, processor: Duration) {
        self.seeds += 1;
        self.simulated += outcome.simulated;
        self.steps += outcome.steps;
        self.processor += processor;
        for (remark, count) in outcome.remarks {
            *self.remarks.entry(remark).or_default() += count;
        }
        for (code, count) in outcome.codes {
            *self.codes.entry(code).or_default() += count;
        }
        if let Some(violation) = outcome.violation {
            *self.violations.entry(violation.invariant).or_default() += 1;
            self.found.push(Found {
                schedule,
                violation,
            });
        }
    }
}

/// Plays the seeds; `tell` is called about once per second.
#[must_use]
pub fn search(search: &Search, play: Play<'_>, tell: &mut dyn FnMut(&Sums)) -> Sums {
    let next = AtomicU64::new(search.seeds.start);
    let is_over = AtomicBool::new(false);
    let sums = Mutex::new(Sums::default());
    let begin = Instant::now();
    thread::scope(|scope| {
        let work = || work(search, play, &next, &is_over, &sums);
        let workers: Vec<_> = (0..search.threads.max(1))
            .map(|_| scope.spawn(work))
            .collect();
        let mut told = begin;
        while workers.iter().any(|worker| !worker.is_finished()) {
            thread::park_timeout(Duration::from_millis(20));
            if told.elapsed() >= Duration::from_secs(1) {
                told = Instant::now();
                let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
                sums.wall = begin.elapsed();
                tell(&sums);
            }
        }
    });
    let mut sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    sums.wall = begin.elapsed();
    sums.found.sort_by_key(|found| found.schedule.seed);
    sums
}

fn work(
    search: &Search,
    play: Play<'_>,
    next: &AtomicU64,
    is_over: &AtomicBool,
    sums: &Mutex<Sums>,
) {
    while !is_over.load(Ordering::Relaxed) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= search.seeds.end {
            return;
        }
        let schedule = Schedule::generate(seed, &search.wish);
        let repeat = if search.twice_every != 0 && seed.is_multiple_of(search.twice_every) {
            Repeat::Twice
        } else {
            Repeat::Once
        };
        let before = cpu::time();
        let outcome = attempt(play, &schedule, repeat);
        let processor = cpu::time().saturating_sub(before);
        if outcome.violation.is_some() && !search.keeps_going {
            is_over.store(true, Ordering::Relaxed);
        }
        let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.add(schedule, outcome, processor);
    }
}
