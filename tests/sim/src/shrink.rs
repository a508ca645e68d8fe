//! Makes a failing schedule small: whoever reads it shall see only what it takes.
//!
//! A schedule is data and nothing else is drawn in sequence, so each part can be left out alone.
//! The target is the same invariant; a candidate that breaks another one is no success.

use std::time::Duration;

use crate::ids::{At, Node};
use crate::options::Options;
use crate::outcome::Violation;
use crate::schedule::Schedule;

mod faults;
mod simpler;
mod times;

/// The smallest schedule that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// It.
    pub schedule: Schedule,
    /// What it violates: the invariant of the original.
    pub violation: Violation,
    /// How many runs it took.
    pub runs: u32,
}

/// Makes the schedule smaller as long as it violates the same invariant, in at most `limit` runs.
///
/// `fails` runs a schedule and says what it violates.
#[must_use]
pub fn shrink(
    schedule: &Schedule,
    violation: &Violation,
    limit: u32,
    fails: &dyn Fn(&Schedule) -> Option<Violation>,
) -> Shrunk {
    let mut shrinking = Shrinking {
        best: schedule.clone(),
        violation: violation.clone(),
        runs: 0,
        limit,
        fails,
    };
    while shrinking.round() && shrinking.runs < limit {}
    Shrunk {
        schedule: shrinking.best,
        violation: shrinking.violation,
        runs: shrinking.runs,
    }
}

/// The best so far, and how to find out about a better one.
struct Shrinking<'a> {
    best: Schedule,
    violation: Violation,
    runs: u32,
    limit: u32,
    fails: &'a dyn Fn(&Schedule) -> Option<Violation>,
}

impl Shrinking<'_> {
    /// Tries everything once, and says whether something helped.
    fn round(&mut self) -> bool {
        let mut is_better = self.cut_after_the_violation();
        is_better |= self.without_faults();
        is_better |= self.without_a_prelude();
        is_better |= self.without_nodes();
        is_better |= self.simpler_faults();
        is_better |= self.usual_options();
        is_better |= self.shorter();
        is_better |= self.rounded();
        is_better
    }

    /// Keeps the candidate if it differs and violates the same invariant.
    fn keep(&mut self, candidate: Schedule) -> bool {
        if candidate == self.best || self.runs >= self.limit {
            return false;
        }
        self.runs += 1;
        match (self.fails)(&candidate) {
            Some(violation) if violation.invariant == self.violation.invariant => {
                self.best = candidate;
                self.violation = violation;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Keeps the best with one change.
    fn change(&mut self, change: impl FnOnce(&mut Schedule)) -> bool {
        let mut candidate = self.best.clone();
        change(&mut candidate);
        self.keep(candidate)
    }

    /// What comes after the violation has no part in it. One that shows only when faults have
    /// ended may show as well when they end earlier.
    fn cut_after_the_violation(&mut self) -> bool {
        let end = self.violation.at;
        let mut is_better = self.change(|schedule| {
            schedule.faults.retain(|planned| planned.at <= end);
        });
        let safety = self.best.options.safety;
        let last = self.best.faults.last().map_or_else(At::default, |p| p.at);
        let ttl = self.best.options.ttl;
        let after = |at: At| whole_seconds(at.since(At::default())) + Duration::from_secs(1);
        for shorter in [after(last), after(last.plus(ttl)), after(end)] {
            if shorter < safety {
                let is_shorter = self.change(|schedule| schedule.options.safety = shorter);
                is_better |= is_shorter;
                if is_shorter {
                    break;
                }
            }
        }
        is_better
    }

    /// A member and everything about it; the later ones move up.
    fn without_nodes(&mut self) -> bool {
        let mut is_better = false;
        for number in (0..self.best.options.nodes).rev() {
            if self.best.options.nodes > 1 {
                let candidate = without_node(&self.best, Node(number));
                is_better |= self.keep(candidate);
            }
        }
        is_better
    }

    /// Options towards those of most clusters, one by one.
    fn usual_options(&mut self) -> bool {
        const CHANGES: &[fn(&mut Options, Options)] = &[
            |options, _| options.drift_ppm.clear(),
            |options, usual| options.latency = usual.latency,
            |options, usual| options.is_failsafe = usual.is_failsafe,
            |options, usual| options.is_synchronous = usual.is_synchronous,
            |options, usual| options.is_strict = usual.is_strict,
            |options, usual| options.sync_nodes = usual.sync_nodes,
            |options, usual| options.nofailover = usual.nofailover,
            |options, usual| options.replicatefrom = usual.replicatefrom,
            |options, usual| options.has_logical_slot = usual.has_logical_slot,
            |options, usual| options.max_ttl = usual.max_ttl,
            |options, usual| options.has_guardian = usual.has_guardian,
            |options, usual| options.expiry_tick = usual.expiry_tick,
            |options, usual| options.flavour = usual.flavour,
            |options, usual| options.begins_empty = usual.begins_empty,
            |options, usual| options.lag_limit = usual.lag_limit,
            |options, usual| options.primary_start_timeout = usual.primary_start_timeout,
            |options, usual| options.write_every = usual.write_every,
            |options, usual| (options.ttl, options.loop_wait) = (usual.ttl, usual.loop_wait),
        ];
        let mut is_better = false;
        for change in CHANGES {
            is_better |= self.change(|schedule| change(&mut schedule.options, Options::default()));
        }
        for index in 0..self.best.options.drift_ppm.len() {
            is_better |= self.change(|schedule| {
                let drifts = &mut schedule.options.drift_ppm;
                drifts[index] = 0;
                // One form for equal options: a clock that is missing is right.
                drifts.truncate(drifts.iter().rposition(|d| *d != 0).map_or(0, |at| at + 1));
            });
            if index >= self.best.options.drift_ppm.len() {
                break;
            }
        }
        is_better
    }
}

fn without_node(schedule: &Schedule, gone: Node) -> Schedule {
    let number = |node: Node| (node != gone).then(|| Node(node.0 - u8::from(node > gone)));
    let mut smaller = schedule.clone();
    smaller.faults = Vec::new();
    for planned in &schedule.faults {
        if let Some(fault) = planned.fault.renumbered(&number) {
            let mut planned = planned.clone();
            planned.fault = fault;
            smaller.faults.push(planned);
        }
    }
    let options = &mut smaller.options;
    options.nodes -= 1;
    if gone.index() < options.drift_ppm.len() {
        options.drift_ppm.remove(gone.index());
    }
    while options.drift_ppm.last() == Some(&0) {
        options.drift_ppm.pop();
    }
    let others = options.nofailover.iter();
    options.nofailover = others
        .filter_map(|n| number(Node(*n)))
        .map(|n| n.0)
        .collect();
    let pairs = options.replicatefrom.iter();
    options.replicatefrom = pairs
        .filter_map(|(taker, source)| Some((number(Node(*taker))?.0, number(Node(*source))?.0)))
        .collect();
    smaller
}

/// Rounded up.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests;
