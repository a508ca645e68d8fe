//! A leader keeps what commits wait for and what the store says of it in step: one thing at a time.

use super::{Machine, Step};
use crate::schema::key;
use crate::sync::{self, Proof};
use crate::task::{Commit, KeyState, Lane, Outcome, Report, SyncNames};
use crate::view::{ServerView, SyncKey};

impl Machine {
    pub(super) fn keep_synchrony(&mut self, step: &mut Step) {
        let memory = &self.memory;
        if !self.is_idle(Lane::Synchrony) || memory.is_releasing() {
            return;
        }
        if let Some(task) = sync::next(memory) {
            self.start(task, step);
        }
    }

    pub(super) fn absorb_wait(&mut self, names: &SyncNames, outcome: &Outcome) {
        let memory = &mut self.memory;
        memory.sync_proof = match (outcome, memory.lease.leadership()) {
            (Outcome::Done(Report::InForce(barrier)), Some(generation)) => Some(Proof {
                generation,
                names: names.clone(),
                barrier: *barrier,
            }),
            (_, _) => None,
        };
    }

    /// The `sync` key as it was before the commit is `before`.
    pub(super) fn absorb_sync(&mut self, commit: &Commit, outcome: &Outcome, before: SyncKey) {
        let memory = &mut self.memory;
        let guard = commit.guards.iter().find(|guard| guard.key == key::SYNC);
        let guard: Option<KeyState> = guard.map(|guard| guard.is);
        match outcome {
            Outcome::Done(_) => {
                memory.sync_doubt = None;
                let is_standby = matches!(memory.server(), Some(ServerView::Standby(_)));
                if is_standby && before.is_in_force() {
                    memory.sync_before.get_or_insert(before);
                }
            }
            // Refused: nothing was changed, and the same request cannot come through later.
            Outcome::NotApplied => {}
            Outcome::Unknown | Outcome::Cancelled | Outcome::SessionLost | Outcome::Failed(_) => {
                memory.sync_doubt = guard
            }
        }
    }
}
