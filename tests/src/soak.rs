//! Faults on one cluster of real servers for a long time, chosen by a seed, under clients that
//! write.
//!
//! After each fault the cluster must be in order again: one leader, all others streaming, no
//! acknowledged row lost but those that asynchronous replication explains, and never two members
//! that take writes at once.
//!
//! Invariant: what is lost is judged by what the clients were told, never by what a member says.

pub mod failsafe;
mod fault;
mod loss;
mod round;
pub mod stores;
pub mod synchronous;

use std::time::{Duration, Instant};

use serde_json::json;

use crate::cluster::Cluster;
use fault::Fault;
use herdsman_sim::chance::Chance;
use round::{Failure, Outcome};

/// What to do for how long.
#[derive(Clone, Copy, Debug)]
pub struct Soak {
    /// Chooses the faults.
    pub seed: u64,
    /// No fault begins after this time.
    pub duration: Duration,
    /// The lease.
    pub ttl_seconds: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Faults and what clients saw, in order.
    outcomes: Vec<Outcome>,
    /// What was not as it must be; nothing when all is well.
    failures: Vec<String>,
}

impl Soak {
    /// Runs until the time is over or something is not as it must be; `tell` hears of each round.
    ///
    /// # Panics
    /// When the cluster does not come up or does not recover in time. Its folder is kept then.
    #[must_use]
    pub fn run(&self, tell: impl Fn(&str)) -> Summary {
        let mut chance = Chance::new(self.seed);
        let cluster = Cluster::builder()
            .store_members(3)
            .ttl(self.ttl_seconds)
            .config(&json!({"primary_start_timeout": 0}))
            .start();
        let end = Instant::now() + self.duration;
        let mut summary = Summary::default();
        while Instant::now() < end && summary.failures.is_empty() {
            let fault = Fault::draw(&mut chance);
            let number = summary.outcomes.len() + 1;
            match round::run(&cluster, fault, &mut chance) {
                Ok(outcome) => {
                    tell(&format!("{number}: {outcome}"));
                    summary.outcomes.push(outcome);
                }
                Err(Failure(problem)) => summary
                    .failures
                    .push(format!("round {number}, {fault}: {problem}")),
            }
        }
        summary.check_old_rounds(&cluster);
        assert!(
            summary.is_success(),
            "{:#?}\nthe seed is {}",
            summary.failures,
            self.seed
        );
        summary
    }
}

impl Summary {
    /// Whether everything was as it must be.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failures.is_empty()
    }

    /// What was there after a round must be there at the end.
    fn check_old_rounds(&mut self, cluster: &Cluster) {
        for (number, outcome) in (1..).zip(&self.outcomes) {
            let lost = outcome.written.lost(cluster);
            if lost != outcome.lost {
                let (then, now) = (&outcome.lost, lost);
                let problem = format!("rows of round {number}: {then:?} were lost, now {now:?}");
                self.failures.push(problem);
            }
        }
    }

    /// A line for each kind of fault, and a total.
    #[must_use]
    pub fn render(&self) -> String {
        let mut lines = Vec::new();
        for fault in Fault::ALL {
            let of_kind = self.outcomes.iter().filter(|o| o.fault == fault);
            let of_kind: Vec<&Outcome> = of_kind.collect();
            let longest = of_kind.iter().map(|outcome| outcome.gap).max();
            let Some(longest) = longest else { continue };
            let moved = of_kind.iter().filter(|outcome| outcome.has_moved()).count();
            let lost: usize = of_kind.iter().map(|outcome| outcome.lost.len()).sum();
            lines.push(format!(
                "{:3} x {fault}: the leader changed {moved} times, longest gap {longest:.3?}, \
                 {lost} rows lost",
                of_kind.len()
            ));
        }
        let rows: usize = self.outcomes.iter().map(|o| o.written.acks.len()).sum();
        let lost: usize = self.outcomes.iter().map(|outcome| outcome.lost.len()).sum();
        lines.push(format!(
            "{} rounds, {rows} acknowledged rows, {lost} of them lost by asynchronous \
             replication, never two writers",
            self.outcomes.len()
        ));
        lines.join("\n")
    }
}
