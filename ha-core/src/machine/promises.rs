//! A leader that the store does not confirm asks the others to hold back, again and again.

use super::{Machine, Step};
use crate::failsafe::{self, Sent};
use crate::mutant::Mutant;
use crate::task::{Commit, Outcome, PromiseRequest, Purpose, Report};
use crate::time::Mono;

impl Machine {
    pub(super) fn ask_promises(&mut self, step: &mut Step) {
        if self.memory.is_finished || !self.is_idle(crate::task::Lane::Promises) {
            return;
        }
        if let Some(task) = failsafe::question(&mut self.memory) {
            // Rounds are spaced by their own clock.
            self.memory.work.succeeded(task.name());
            self.start(task, step);
        }
    }

    pub(super) fn absorb_promises(
        &mut self,
        request: &PromiseRequest,
        asked_at: Mono,
        outcome: &Outcome,
    ) {
        let reports = match outcome {
            Outcome::Done(Report::Promises(reports)) => Some(reports.as_slice()),
            Outcome::Done(_)
            | Outcome::NotApplied
            | Outcome::SessionLost
            | Outcome::Unknown
            | Outcome::Cancelled
            | Outcome::Failed(_) => None,
        };
        failsafe::absorb(&mut self.memory, request, asked_at, reports);
    }

    /// What is known of a commit that took the leadership, or changed who may.
    pub(super) fn note_taking(&mut self, commit: &Commit, outcome: &Outcome) {
        let is_applied = matches!(outcome, Outcome::Done(_));
        let is_known = match outcome {
            Outcome::Done(_) | Outcome::NotApplied | Outcome::SessionLost | Outcome::Failed(_) => {
                true
            }
            Outcome::Unknown | Outcome::Cancelled => false,
        };
        let memory = &mut self.memory;
        match commit.purpose {
            Purpose::Acquire | Purpose::Resume => {
                if !is_known && !memory.breaks(Mutant::UnknownTakingForgotten) {
                    memory.failsafe.note_sent(Sent::of(commit));
                }
                if !is_applied && commit.purpose == Purpose::Acquire {
                    memory.lease.not_retaken(is_known);
                }
            }
            Purpose::PublishFailsafe => failsafe::list_ended(memory, commit, is_known, is_applied),
            Purpose::Release
            | Purpose::RecordCluster
            | Purpose::AdoptCluster
            | Purpose::ClaimInitialize
            | Purpose::PublishMember
            | Purpose::PublishStatus
            | Purpose::RestoreConfig
            | Purpose::RequestMove
            | Purpose::ClearMove
            | Purpose::BeginMove
            | Purpose::FlushMove
            | Purpose::ChangeConfig
            | Purpose::PublishSync => {}
        }
    }
}
