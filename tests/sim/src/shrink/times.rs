//! Shorter and rounder times: seconds first, then loops.
//!
//! Nothing here makes a time less round than it was, so that the rounds come to an end.

use std::time::Duration;

use super::{Shrinking, whole_seconds};
use crate::ids::At;
use crate::schedule::Schedule;

const SECOND: Duration = Duration::from_secs(1);

impl Shrinking<'_> {
    /// Halves what faults last, down to a second, each alone.
    pub(super) fn shorter(&mut self) -> bool {
        let mut is_better = self.earlier();
        for (fault, part) in parts(&self.best) {
            loop {
                let duration = *durations(&mut self.best.clone(), fault)[part];
                let half = whole_seconds(duration / 2);
                let is_shorter = half >= SECOND
                    && half < duration
                    && self.change(|schedule| *durations(schedule, fault)[part] = half);
                if !is_shorter {
                    break;
                }
                is_better = true;
            }
        }
        is_better
    }

    /// A quiet beginning tells nothing: the first fault comes after two loops.
    fn earlier(&mut self) -> bool {
        let quiet = self.best.options.loop_wait * 2;
        let first = self.best.faults.first().map_or_else(At::default, |p| p.at);
        let too_long = first.since(At::default().plus(quiet));
        // By whole loops, so that what is in step with them stays so.
        let loop_wait = self.best.options.loop_wait.max(SECOND);
        let loops = too_long.as_secs() / loop_wait.as_secs();
        let less = loop_wait * u32::try_from(loops).unwrap_or(0);
        self.change(|schedule| {
            for planned in &mut schedule.faults {
                planned.at = At::default().plus(planned.at.since(At::default().plus(less)));
            }
            let safety = &mut schedule.options.safety;
            *safety = safety.saturating_sub(less).max(SECOND);
        })
    }

    /// Instants and durations to whole seconds, then instants to whole loops.
    pub(super) fn rounded(&mut self) -> bool {
        let loop_wait = self.best.options.loop_wait.max(SECOND);
        let mut is_better = false;
        for unit in [SECOND, loop_wait] {
            is_better |= self.change(|schedule| {
                for planned in &mut schedule.faults {
                    planned.at = nearest(planned.at, unit);
                }
                put_in_order(schedule);
            });
            for index in 0..self.best.faults.len() {
                is_better |= self.rounded_instant(index, unit);
            }
        }
        for (fault, part) in parts(&self.best) {
            is_better |= self.change(|schedule| {
                let duration = &mut *durations(schedule, fault)[part];
                *duration = whole_seconds(*duration);
            });
        }
        is_better
    }

    fn rounded_instant(&mut self, index: usize, unit: Duration) -> bool {
        let at = self.best.faults[index].at;
        let lower = down(at, unit);
        if lower == at {
            return false;
        }
        [nearest(at, unit), lower, lower.plus(unit)]
            .into_iter()
            .any(|round| {
                self.change(|schedule| {
                    schedule.faults[index].at = round;
                    put_in_order(schedule);
                })
            })
    }
}

/// After instants have moved: faults by time, and none after faults have ended.
fn put_in_order(schedule: &mut Schedule) {
    schedule.faults.sort_by_key(|planned| planned.at);
    if let Some(last) = schedule.faults.last() {
        let end = whole_seconds(last.at.since(At::default())) + SECOND;
        schedule.options.safety = schedule.options.safety.max(end);
    }
}

/// Each duration of each fault: which fault, and which of its durations.
fn parts(schedule: &Schedule) -> Vec<(usize, usize)> {
    let mut schedule = schedule.clone();
    let counts = (0..schedule.faults.len()).map(|at| (at, durations(&mut schedule, at).len()));
    counts
        .flat_map(|(at, count)| (0..count).map(move |part| (at, part)))
        .collect()
}

fn durations(schedule: &mut Schedule, fault: usize) -> Vec<&mut Duration> {
    schedule.faults[fault].fault.durations_mut()
}

fn down(at: At, unit: Duration) -> At {
    let unit = u64::try_from(unit.as_nanos()).unwrap_or(u64::MAX);
    At(at.0 / unit * unit)
}

fn nearest(at: At, unit: Duration) -> At {
    down(at.plus(unit / 2), unit)
}
