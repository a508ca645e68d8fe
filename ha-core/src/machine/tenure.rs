//! What a member keeps in mind of its own leadership: how it was taken up again, how the promotion
//! went, and since when its primary has run without one.

use super::Machine;
use crate::situation as word;
use crate::task::Outcome;
use crate::value::{Generation, Revision, Timeline};
use crate::view::{DataView, LocalView, ServerView};

/// How often a promotion is tried before another member gets its chance.
const PROMOTIONS: u32 = 3;

impl Machine {
    /// Where the store knows no cluster nobody else can be promoted, and once it does the member
    /// needs its moment to take the lead.
    pub(super) fn note_unleased(&mut self) {
        let memory = &mut self.memory;
        let is_primary = memory.local.as_ref().is_some_and(|local| {
            matches!(local.server, ServerView::Primary(_)) || word::is_silent_primary(memory, local)
        }) || word::is_being_promoted(memory);
        let is_known = word::made(memory) == word::Made::Known;
        let is_unleased = is_primary && is_known && memory.lease.leadership().is_none();
        let now = memory.now.mono;
        // What a fresh agent finds has run without one since before that agent was there.
        let since = if memory.has_looked {
            now
        } else {
            memory.started_at
        };
        memory.unleased_since = memory
            .unleased_since
            .or(Some(since))
            .filter(|_| is_unleased);
        memory.has_looked |= memory.local.is_some();
    }

    pub(super) fn resumed(&mut self, revision: Revision) {
        let seen = self
            .memory
            .view
            .as_ref()
            .and_then(|view| view.leader.as_ref());
        if let Some(generation) = seen.map(|leader| leader.generation) {
            self.memory.lease.acquired(generation, revision);
        }
        self.memory.claim = None;
        self.look_for_checkpoint();
    }

    /// The run that promoted the server may have ended before the checkpoint that others wait for, or
    /// the promotion came to its end after the task that asked for it.
    pub(super) fn look_for_checkpoint(&mut self) {
        self.memory.is_checkpointed &= self.memory.local.as_ref().is_none_or(has_checkpoint);
    }

    /// Whatever keeps the script from agreeing keeps our standby from being promoted.
    pub(super) fn absorb_agreement(&mut self, generation: Generation, outcome: &Outcome) {
        let memory = &mut self.memory;
        match outcome {
            Outcome::Done(_) => memory.promotion_agreed = Some(generation),
            Outcome::Failed(_) | Outcome::NotApplied | Outcome::SessionLost | Outcome::Unknown => {
                memory.promotion_failed_at = Some(memory.now.mono);
            }
            Outcome::Cancelled => {}
        }
    }

    pub(super) fn absorb_promotion(&mut self, timeline: Timeline, outcome: &Outcome) {
        if !matches!(outcome, Outcome::Done(_)) {
            // The server may be a primary all the same.
            self.look_for_checkpoint();
        }
        let memory = &mut self.memory;
        match outcome {
            Outcome::Done(_) => {
                memory.promoted_to = memory.promoted_to.max(timeline);
                memory.is_checkpointed = false;
                memory.published.history_at = None;
                memory.sync_before = None;
            }
            // What may help is tried again at once, but not for ever.
            Outcome::Failed(failure)
                if failure.is_transient
                    && memory
                        .work
                        .attempts("promote")
                        .is_none_or(|attempts| attempts.count < PROMOTIONS) => {}
            Outcome::Failed(_) => memory.promotion_failed_at = Some(memory.now.mono),
            Outcome::NotApplied | Outcome::SessionLost | Outcome::Unknown | Outcome::Cancelled => {}
        }
    }
}

/// Whether the latest checkpoint of a primary is on its own timeline, as far as its look tells.
fn has_checkpoint(local: &LocalView) -> bool {
    let (DataView::Cluster(control), ServerView::Primary(primary)) = (&local.data, &local.server)
    else {
        return true;
    };
    control.checkpoint.timeline >= primary.position.timeline
}
