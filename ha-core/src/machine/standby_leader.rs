//! What the leader of a standby cluster keeps: the records and slots that a primary keeps elsewhere,
//! and what its own server was told.
//!
//! Everything is guarded by the leadership, as it is for a primary.

use super::{Machine, Step};
use crate::memory::Memory;
use crate::plan;
use crate::remote;
use crate::schema::{key, write};
use crate::situation::Synchrony;
use crate::slots;
use crate::sync;
use crate::task::{Lane, Outcome, Purpose, StartAs, Task};
use crate::value::Timeline;
use crate::view::{Initialize, ServerView, StandbyView, StatusKey};

impl Machine {
    pub(super) fn publish_as_standby_leader(&mut self, step: &mut Step) {
        if !remote::is_standby_leader(&self.memory) {
            return;
        }
        self.keep_slots_as_leader(step);
        if self.forget_synchrony(step) || !self.is_idle(Lane::Store) {
            return;
        }
        if let Some(task) = self.next_standby_record() {
            self.start(task, step);
        }
    }

    /// Whatever commits of this cluster waited for: nobody writes in it, and what was acknowledged is
    /// part of what the source has, or was given up with it.
    fn forget_synchrony(&mut self, step: &mut Step) -> bool {
        let is_streaming = standby(&self.memory).is_some_and(|standby| standby.is_streaming);
        let is_left = sync::synchrony(&self.memory) == Synchrony::Unprepared;
        if !is_streaming || !is_left || !self.is_idle(Lane::Synchrony) {
            return false;
        }
        sync::prepare(&self.memory).is_some_and(|task| self.start(task, step))
    }

    /// The first of the leader's records that is missing or old.
    fn next_standby_record(&mut self) -> Option<Task> {
        let view = self.memory.current_view()?;
        if !matches!(view.initialize.value, Initialize::Known(_)) {
            return plan::adopt(&self.memory).map(Task::Commit);
        }
        if let Some(task) = self.lost_config() {
            return Some(task);
        }
        if let Some(task) = self.next_failsafe_list() {
            return Some(task);
        }
        let standby = standby(&self.memory)?;
        let timeline = standby.timeline;
        if timeline > Timeline(1) && view.timeline() != Some(timeline) {
            // What was told of this cluster's own timelines says nothing about the source's.
            return self.history_task(timeline);
        }
        let memory = &self.memory;
        let is_due = memory.mono() >= memory.published.status_at.plus(memory.rules.loop_wait)
            || memory.published.status.is_none();
        let status = standby_status(memory, standby);
        let is_known = status == *view.status.value;
        if !is_due {
            return None;
        }
        let now = memory.mono();
        self.memory.published.status_at = now;
        let text = write::status(&status);
        self.memory.published.status = Some(status);
        if is_known {
            return None;
        }
        self.guarded(Purpose::PublishStatus, key::STATUS, text)
            .map(Task::Commit)
    }

    /// What our standby follows from here on.
    pub(super) fn note_followed(&mut self, task: &Task, outcome: &Outcome) {
        let memory = &mut self.memory;
        match task {
            Task::Follow { upstream }
            | Task::Start {
                role: StartAs::Standby(upstream),
                ..
            } => {
                memory.followed.clone_from(upstream);
                if !matches!(outcome, Outcome::Done(_)) {
                    memory.followed = None;
                }
            }
            Task::Clone { from } if matches!(outcome, Outcome::Done(_)) => {
                memory.has_copied_source |= from.as_ref().is_some_and(|from| from.is_source);
                let leader = memory.view.as_ref().and_then(|view| view.leader.as_ref());
                if remote::is_followed(memory) {
                    // A copy of the leader's data has not diverged from it.
                    memory.rewound_for = leader.map(|leader| leader.generation);
                }
            }
            Task::Promote { .. } | Task::Stop { .. } | Task::Fence | Task::CopySlots { .. } => {
                memory.followed = None;
            }
            Task::OpenSession { .. }
            | Task::Renew { .. }
            | Task::CloseSession { .. }
            | Task::Commit(_)
            | Task::PublishHistory { .. }
            | Task::AskPeers { .. }
            | Task::AskPromises { .. }
            | Task::Identify { .. }
            | Task::Bootstrap
            | Task::Clone { .. }
            | Task::Replace { .. }
            | Task::Reinitialize { .. }
            | Task::Rewind { .. }
            | Task::Start {
                role: StartAs::Primary(_),
                ..
            }
            | Task::PrePromote { .. }
            | Task::WaitFor { .. }
            | Task::ProveGone
            | Task::Checkpoint
            | Task::SyncSlots(_) => {}
        }
    }

    /// One leadership of a standby cluster outlives many of its source: each may need a rewind.
    pub(super) fn note_streaming(&mut self) {
        let is_streaming = standby(&self.memory).is_some_and(|standby| standby.is_streaming);
        if is_streaming && remote::is_followed(&self.memory) {
            self.memory.rewound_for = None;
            self.memory.rewind_refused = None;
        }
    }
}

fn standby(memory: &Memory) -> Option<&StandbyView> {
    match memory.server()? {
        ServerView::Standby(standby) => Some(standby),
        ServerView::Primary(_)
        | ServerView::Down { .. }
        | ServerView::Starting
        | ServerView::Stopping
        | ServerView::Unresponsive => None,
    }
}

fn standby_status(memory: &Memory, standby: &StandbyView) -> StatusKey {
    let end = standby.position().lsn;
    StatusKey {
        optime: end,
        retain_slots: slots::retained(memory, &standby.slots),
        slots: slots::positions(memory, &standby.slots, end),
    }
}
