//! Tasks in flight and what came of earlier ones.
//!
//! At most one task per lane; an outcome with an unknown number belongs to nobody.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::time::Duration;

use crate::task::{Failure, Lane, Progress, Task};
use crate::time::Mono;
use crate::value::OpId;

/// A task that was started and has not ended.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) op: OpId,
    pub(crate) task: Task,
    pub(crate) started_at: Mono,
    pub(crate) is_cancelled: bool,
    /// Whether the store's history has gone backwards since it was started.
    pub(crate) is_of_another_history: bool,
    pub(crate) progress: Option<Progress>,
}

/// Earlier failures of one kind of task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// Failures in a row.
    pub(crate) count: u32,
    /// Not to be tried again before.
    pub(crate) next_at: Mono,
    /// What went wrong last.
    pub(crate) last_error: String,
}

/// All tasks of a machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    running: BTreeMap<Lane, Running>,
    /// Tasks that a fence pushed out of their lane: their outcomes are still to come.
    pushed_out: BTreeMap<OpId, Task>,
    attempts: BTreeMap<&'static str, Attempts>,
    last_op: u64,
}

impl Work {
    pub(crate) fn on(&self, lane: Lane) -> Option<&Running> {
        self.running.get(&lane)
    }

    pub(crate) fn is_idle(&self, lane: Lane) -> bool {
        !self.running.contains_key(&lane)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Running> {
        self.running.values()
    }

    /// Puts a task on its lane, which must be free or is pre-empted by a fence.
    pub(crate) fn begin(&mut self, task: Task, now: Mono) -> OpId {
        self.last_op += 1;
        let op = OpId(self.last_op);
        let running = Running {
            op,
            task,
            started_at: now,
            is_cancelled: false,
            is_of_another_history: false,
            progress: None,
        };
        if let Some(before) = self.running.insert(running.task.lane(), running) {
            self.pushed_out.insert(before.op, before.task);
        }
        op
    }

    /// Takes an ended task off its lane.
    pub(crate) fn end(&mut self, op: OpId) -> Option<Running> {
        if self.pushed_out.remove(&op).is_some() {
            return None;
        }
        let lane = self
            .running
            .iter()
            .find(|(_, running)| running.op == op)
            .map(|(lane, _)| *lane)?;
        self.running.remove(&lane)
    }

    /// The store's history went backwards: which one the tasks in flight have met is not known.
    pub(crate) fn store_replaced(&mut self) {
        for running in self.running.values_mut() {
            running.is_of_another_history = true;
        }
    }

    /// Marks the task of a lane as cancelled; gives its number once.
    pub(crate) fn cancel(&mut self, lane: Lane) -> Option<OpId> {
        let running = self
            .running
            .get_mut(&lane)
            .filter(|running| !running.is_cancelled)?;
        running.is_cancelled = true;
        Some(running.op)
    }

    /// How far a task is; one that has ended is nobody's.
    pub(crate) fn progress(&mut self, op: OpId, progress: Progress) {
        let mut running = self.running.values_mut();
        if let Some(running) = running.find(|running| running.op == op) {
            running.progress = Some(progress);
        }
    }

    pub(crate) fn failed(&mut self, name: &'static str, now: Mono, failure: &Failure) {
        let attempts = self.attempts.entry(name).or_default();
        attempts.count += 1;
        let pause = if failure.is_transient {
            pause_after(attempts.count)
        } else {
            LONGEST_PAUSE
        };
        attempts.next_at = now.plus(pause);
        attempts.last_error.clone_from(&failure.message);
    }

    pub(crate) fn succeeded(&mut self, name: &'static str) {
        self.attempts.remove(name);
    }

    pub(crate) fn attempts(&self, name: &'static str) -> Option<&Attempts> {
        self.attempts.get(name)
    }

    pub(crate) fn all_attempts(&self) -> impl Iterator<Item = (&'static str, &Attempts)> {
        self.attempts
            .iter()
            .map(|(name, attempts)| (*name, attempts))
    }

    /// Whether a task of this name should wait before it is tried again.
    pub(crate) fn must_wait(&self, name: &'static str, now: Mono) -> bool {
        self.attempts
            .get(name)
            .is_some_and(|attempts| now < attempts.next_at)
    }

    /// When the next waiting attempt may go on.
    pub(crate) fn next_attempt(&self, now: Mono) -> Option<Mono> {
        self.attempts
            .values()
            .map(|attempts| attempts.next_at)
            .filter(|at| *at > now)
            .min()
    }
}

const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// 100 ms after the first failure, twice as long after each further one, at most ten seconds.
fn pause_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(7);
    (Duration::from_millis(100) * (1 << doublings)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_pushes_the_running_task_out_and_its_outcome_is_ignored() {
        let mut work = Work::default();
        let bootstrap = work.begin(Task::Bootstrap, Mono(1));
        let fence = work.begin(Task::Fence, Mono(2));
        assert!(fence > bootstrap);
        assert!(work.end(bootstrap).is_none());
        assert_eq!(work.end(fence).expect("the fence").task, Task::Fence);
        assert!(work.is_idle(Lane::Server));
        assert!(work.end(OpId(99)).is_none());
    }

    #[test]
    fn failures_are_spaced_and_success_forgets_them() {
        let mut work = Work::default();
        let failure = Failure {
            is_transient: true,
            message: String::from("no"),
        };
        work.failed("clone", Mono(0), &failure);
        assert!(work.must_wait("clone", Mono(99_999_999)));
        assert!(!work.must_wait("clone", Mono(100_000_000)));
        for _ in 0..20 {
            work.failed("clone", Mono(0), &failure);
        }
        assert_eq!(
            work.attempts("clone").expect("attempts").next_at,
            Mono(10_000_000_000)
        );
        work.succeeded("clone");
        assert_eq!(work.attempts("clone"), None);
    }
}
