//! Taking an input in: memory after the fact. No decision is taken here.

use alloc::format;
use alloc::sync::Arc;

use super::{Input, Machine, Output, Step};
use crate::carry;
use crate::cascade;
use crate::changes;
use crate::claim;
use crate::failsafe;
use crate::memory::NameCheck;
use crate::mutant::Mutant;
use crate::remote;
use crate::restart;
use crate::schema::read;
use crate::situation as word;
use crate::task::{Commit, Failure, Lane, Outcome, Purpose, Report, StartAs, Task};
use crate::value::{Generation, Revision, Timeline};
use crate::view::{ClusterView, Fault, Initialize, LocalView, ServerView};
use crate::work::Running;

impl Machine {
    pub(super) fn absorb(&mut self, input: Input, step: &mut Step) {
        match input {
            Input::Cluster(Ok(view)) => self.absorb_view(view),
            Input::Cluster(Err(fault)) => self.absorb_fault(fault),
            Input::Local(local) => self.absorb_local(local),
            Input::Done { op, outcome } => {
                if let Some(ended) = self.memory.work.end(op) {
                    self.absorb_end(&ended, outcome, step);
                }
            }
            Input::Operator { request, command } => self.absorb_command(request, command, step),
            Input::Settings(settings) => {
                let name = self.memory.settings.name.clone();
                self.memory.settings = crate::Settings { name, ..*settings };
                self.memory.published.known = None;
            }
            Input::Progress { op, progress } => self.memory.work.progress(op, progress),
            Input::Wake => {}
        }
        claim::note(&mut self.memory);
        self.note_unleased();
    }

    fn absorb_fault(&mut self, fault: Fault) {
        if fault == Fault::StoreReplaced {
            // Its revisions say nothing about what we know from before. A release that is on its way
            // may take effect in this store as well.
            self.memory.lease.store_replaced();
            failsafe::store_replaced(&mut self.memory);
            self.memory.committed.clear();
            self.memory.work.store_replaced();
            if let Some(view) = &mut self.memory.view {
                // Whatever is seen next is newer than what is known from another history.
                self.memory.seen_revision = Revision(0);
                Arc::make_mut(view).revision = Revision(0);
            }
        }
        self.memory.fault = Some(fault);
    }

    fn absorb_view(&mut self, view: Arc<ClusterView>) {
        let memory = &mut self.memory;
        let is_older = memory
            .view
            .as_ref()
            .is_some_and(|known| view.revision < known.revision);
        let is_any_taken = memory.breaks(Mutant::OlderViewsAccepted)
            || memory.breaks(Mutant::EndedLeadershipRevived)
            || memory.breaks(Mutant::OldViewEndsLeadership);
        if is_older && !is_any_taken {
            // A view that was overtaken says nothing new. One that comes after an interruption is
            // no exception: the server that answers may be behind, and until it has caught up the
            // store counts as unseen.
            return;
        }
        memory.fault = None;
        let now = memory.now.mono;
        let led = memory.lease.leadership();
        memory.lease.observe(
            now,
            &memory.settings.name,
            view.revision,
            view.leader.as_ref(),
        );
        let is_stuck = memory.rules.pause && memory.breaks(Mutant::PauseNeverEnds);
        if let Some(rules) = view.rules.as_ref().filter(|_| !is_stuck) {
            // Shared with every view that shows them as they are: to take them compares nothing.
            memory.rules = Arc::clone(rules);
            memory.config.clone_from(&view.config.value);
            memory.has_followed |= rules.standby_cluster.is_some();
        }
        if matches!(view.initialize.value, Initialize::Known(_)) {
            memory.has_known_cluster = true;
        }
        if let Some(record) = &view.leadership.value {
            memory.highest_timeline = memory.highest_timeline.max(record.timeline);
        }
        match &view.leader {
            Some(leader) => {
                memory.unlocked_since = None;
                memory.silent_rounds = 0;
                if memory.old_leader.as_ref() != Some(&leader.name) {
                    memory.old_leader = Some(leader.name.clone());
                }
                let now = memory.now.mono;
                let known = memory
                    .leader_since
                    .filter(|(known, _)| *known == leader.generation);
                memory.leader_since = known.or(Some((leader.generation, now)));
            }
            None => {
                memory.unlocked_since.get_or_insert(memory.now.mono);
            }
        }
        memory.take_view(view);
        cascade::note(memory);
        carry::note(memory);
        failsafe::observe(memory);
        if self.memory.lease.leadership() != led {
            // Of an answer that did not come.
            self.look_for_checkpoint();
        }
        self.note_name();
        self.note_move();
        self.forget_loss_when_harmless();
    }

    /// Nobody else runs under our name when the store knows none, or it is we who wrote the key.
    fn note_name(&mut self) {
        let memory = &mut self.memory;
        if memory.name != NameCheck::Unproven {
            return;
        }
        let registered = memory
            .view
            .as_ref()
            .and_then(|view| view.members.get(&memory.settings.name));
        let is_ours = registered.is_none_or(|member| {
            member.api_url.is_none() || member.instance.as_ref() == Some(&memory.boot.instance)
        });
        if is_ours {
            memory.name = NameCheck::Ours;
            memory.work.succeeded("ask-peers");
        }
    }

    /// A wanted move concerns us only while the view itself shows us as its leader.
    fn note_move(&mut self) {
        let memory = &mut self.memory;
        let now = memory.now.mono;
        let wanted = memory.view.as_ref().and_then(|view| {
            let leader = view.leader.as_ref()?;
            let is_mine = Some(leader.generation) == memory.lease.leadership();
            let request = view.failover.value.as_ref()?;
            let is_for_now = request.scheduled_at.is_none();
            view.failover.revision.filter(|_| is_mine && is_for_now)
        });
        memory.move_seen = match (wanted, memory.move_seen) {
            (None, _) => None,
            (Some(revision), Some((seen, at))) if seen == revision => Some((seen, at)),
            (Some(revision), Some(_) | None) => Some((revision, now)),
        };
    }

    fn absorb_local(&mut self, local: LocalView) {
        let memory = &mut self.memory;
        if memory
            .local
            .as_ref()
            .is_some_and(|known| local.seen_at < known.seen_at)
        {
            return;
        }
        let now = memory.now.mono;
        memory.published.is_slots_due = true;
        if memory.work.is_idle(Lane::Slots) {
            memory.published.slots = None;
        }
        if let Some(position) = local.server.position() {
            memory.last_timeline = position.timeline;
        }
        let was_primary = memory.was_primary;
        match &local.server {
            ServerView::Down { orphans } => {
                memory.down_since.get_or_insert(now);
                memory.is_gone &= !orphans;
            }
            ServerView::Primary(_) => {
                memory.was_primary = true;
                memory.is_known_standby = false;
                memory.start_failed_at = None;
                memory.sync_before = None;
                memory.has_followed = memory.rules.standby_cluster.is_some();
            }
            ServerView::Standby(standby) => {
                memory.was_primary = false;
                let has_moved = memory.replayed() != Some(standby.replayed);
                if has_moved || standby.is_streaming {
                    memory.stalled_since = None;
                }
                memory.stalled_since.get_or_insert(now);
                memory.is_known_standby |=
                    !standby.is_being_promoted && !word::is_made_writable(memory);
                if standby.is_streaming {
                    memory.idle_since = None;
                } else {
                    memory.idle_since.get_or_insert(now);
                }
            }
            ServerView::Starting | ServerView::Stopping | ServerView::Unresponsive => {}
        }
        let is_up = matches!(
            local.server,
            ServerView::Primary(_) | ServerView::Standby(_)
        );
        // A server that is still to go down for us is not up again.
        if is_up && word::busy(memory) != word::Busy::Stopping {
            memory.is_ours_to_start &= word::busy(memory) == word::Busy::Copying;
        }
        if !matches!(local.server, ServerView::Down { .. }) {
            memory.down_since = None;
            memory.is_gone = false;
        }
        if !matches!(local.server, ServerView::Standby(_)) {
            memory.idle_since = None;
            memory.stalled_since = None;
        }
        memory.local = Some(local);
        let is_new_primary = memory.was_primary && !was_primary;
        cascade::note(memory);
        // Nothing may change in the store for long.
        if !memory.breaks(Mutant::SlotsMissedOnlyWithNews) {
            carry::note(memory);
        }
        self.note_streaming();
        // A promotion that runs yet tells its end itself.
        if is_new_primary && !word::is_made_writable(&self.memory) {
            self.look_for_checkpoint();
        }
        self.forget_loss_when_harmless();
    }

    fn forget_loss_when_harmless(&mut self) {
        if word::writable(&self.memory) == word::Writable::No {
            self.memory.lease.forget_loss();
            // Nothing is left to keep that way.
            if self.memory.lease.is_key_gone() {
                self.memory.lease.released();
            }
        }
    }

    fn absorb_end(&mut self, ended: &Running, outcome: Outcome, step: &mut Step) {
        let now = self.memory.mono();
        let name = ended.task.name();
        // What it wrote may be gone with the history that it was written in, and its revision would
        // make every view of the present one look old.
        let is_in_doubt =
            ended.is_of_another_history && matches!(outcome, Outcome::Done(Report::Committed(_)));
        let outcome = if is_in_doubt {
            Outcome::Unknown
        } else {
            outcome
        };
        match &outcome {
            Outcome::Done(_) => self.memory.work.succeeded(name),
            Outcome::Failed(failure) => self.memory.work.failed(name, now, failure),
            Outcome::NotApplied | Outcome::SessionLost | Outcome::Unknown => {
                // Not to be repeated before the store has been seen again, or a moment later.
                let message = format!("{name} did not go through");
                self.memory.work.failed(
                    name,
                    now,
                    &Failure {
                        is_transient: true,
                        message,
                    },
                );
            }
            Outcome::Cancelled => {}
        }
        self.note_followed(&ended.task, &outcome);
        carry::ended(&mut self.memory, &ended.task, &outcome);
        match &ended.task {
            Task::OpenSession { .. } | Task::Renew { .. } | Task::CloseSession { .. } => {
                self.absorb_session(ended, outcome);
            }
            Task::Commit(commit) => {
                let view = self.memory.view.as_ref();
                let before = view.map(|view| view.sync.value.clone());
                self.absorb_commit(commit, &outcome, step);
                self.note_taking(commit, &outcome);
                if commit.purpose == Purpose::PublishSync {
                    self.absorb_sync(commit, &outcome, before.unwrap_or_default());
                }
            }
            Task::WaitFor { names } => self.absorb_wait(names, &outcome),
            Task::AskPeers { .. } => self.absorb_answers(ended, outcome),
            Task::AskPromises { request, .. } => {
                self.absorb_promises(request, ended.started_at, &outcome);
            }
            Task::Identify { .. } => self.absorb_identity(ended, outcome),
            Task::PrePromote { generation } => self.absorb_agreement(*generation, &outcome),
            Task::Promote { timeline, .. } => self.absorb_promotion(*timeline, &outcome),
            Task::Start {
                role: StartAs::Primary(_),
                ..
            } => {
                restart::note_start(&mut self.memory, &outcome);
                if self.memory.start_failed_at.is_some() && self.memory.down_since.is_some() {
                    // It went down once more: what the others said before is old.
                    self.memory.down_since = Some(now);
                }
            }
            Task::Rewind { witness, .. } => self.absorb_rewind(witness.generation(), outcome),
            Task::ProveGone | Task::Fence => {
                if outcome == Outcome::Done(Report::Gone) {
                    self.memory.is_gone = true;
                }
            }
            Task::Checkpoint => {
                restart::checkpointed(&mut self.memory);
                self.memory.is_checkpointed |= matches!(outcome, Outcome::Done(_));
                self.memory.move_checkpoint = self.memory.move_seen.map(|(revision, _)| revision);
            }
            Task::SyncSlots { .. } => {
                // What was done shows at the next look; what was not is tried again before.
                if !matches!(outcome, Outcome::Done(_)) {
                    self.memory.published.slots = None;
                    self.memory.published.is_slots_due = true;
                }
            }
            Task::PublishHistory { .. } => {
                // Somebody else's change shows in the next view.
                let is_over = matches!(outcome, Outcome::Done(_) | Outcome::NotApplied);
                self.memory.published.history_at = is_over.then_some(now);
            }
            Task::Bootstrap
            | Task::Clone { .. }
            | Task::Replace { .. }
            | Task::Reinitialize { .. }
            | Task::Start {
                role: StartAs::Standby(_),
                ..
            }
            | Task::Stop { .. }
            | Task::CopySlots { .. }
            | Task::Follow { .. } => {}
        }
        self.forget_loss_when_harmless();
    }

    fn absorb_rewind(&mut self, generation: Generation, outcome: Outcome) {
        match outcome {
            Outcome::Done(_) => {
                self.memory.rewound_for = Some(generation);
                // The data is on the leader's timeline, whatever the server was on before.
                self.memory.last_timeline = Timeline(0);
            }
            Outcome::Failed(failure) if !failure.is_transient => {
                self.memory.rewind_refused = Some((generation, failure.message));
            }
            Outcome::Failed(_)
            | Outcome::NotApplied
            | Outcome::SessionLost
            | Outcome::Unknown
            | Outcome::Cancelled => {}
        }
    }

    fn absorb_commit(&mut self, commit: &Commit, outcome: &Outcome, step: &mut Step) {
        let purpose = commit.purpose;
        let memory = &mut self.memory;
        let committed = match outcome {
            Outcome::Done(Report::Committed(revision)) => Some(*revision),
            Outcome::Unknown
                if purpose == Purpose::Acquire && memory.breaks(Mutant::UnknownAcquireCounts) =>
            {
                memory.view.as_ref().map(|view| view.revision)
            }
            Outcome::Done(_)
            | Outcome::NotApplied
            | Outcome::SessionLost
            | Outcome::Unknown
            | Outcome::Cancelled
            | Outcome::Failed(_) => None,
        };
        if *outcome == Outcome::SessionLost {
            memory.lease.session_lost(memory.now.mono);
        }
        if let Some(revision) = committed {
            memory.committed.insert(purpose, revision);
        }
        // An answer may come later than a view that has all of it, and what came after.
        let mut is_over = false;
        if let (Some(view), Some(revision)) = (&mut memory.view, committed) {
            // What our other commits have written makes a view no younger.
            if memory.seen_revision < revision {
                read::apply(Arc::make_mut(view), commit, revision);
            } else {
                let holder = view
                    .leader
                    .as_ref()
                    .and_then(|leader| leader.session.as_ref());
                is_over = memory.seen_revision > revision && holder != commit.session.as_ref();
            }
            memory.published.known = None;
            memory.published.wanted_slots = None;
            memory.published.is_slots_due = true;
        }
        // A leader key that lives with a session which we do not keep alive any more is worth
        // nothing; the next view shows it, and it is bound to the present session.
        let is_lasting = commit.session == memory.lease.session_name();
        match (purpose, committed) {
            (Purpose::Acquire | Purpose::RecordCluster | Purpose::Resume, Some(_))
                if !is_lasting || is_over => {}
            (Purpose::Acquire | Purpose::RecordCluster, Some(revision)) => {
                memory.claim = None;
                memory.lease.acquired(Generation(revision.0), revision);
                memory.unlocked_since = None;
                memory.sync_before = None;
                if remote::is_followed(memory) {
                    // The source is asked under this leadership before any view shows it.
                    memory.leader_since = Some((Generation(revision.0), memory.now.mono));
                }
                self.look_for_checkpoint();
            }
            (Purpose::Resume, Some(revision)) => self.resumed(revision),
            (Purpose::Release, Some(_)) => {
                memory.lease.released();
                memory.released_at = Some(memory.now.mono);
                memory.unlocked_since = Some(memory.now.mono);
                memory.move_seen = None;
            }
            (Purpose::ClearMove, Some(_)) => memory.move_seen = None,
            (Purpose::RequestMove, Some(revision)) => {
                if let Some((request, answer)) = memory.requests.written(revision) {
                    step.outputs.push(Output::Reply { request, answer });
                }
            }
            (Purpose::FlushMove | Purpose::ChangeConfig, _) => {
                if let Some((request, answer)) = changes::ended(memory, outcome) {
                    step.outputs.push(Output::Reply { request, answer });
                }
            }
            (Purpose::RequestMove, None) => {
                let is_known = *outcome != Outcome::Unknown;
                if let Some((request, answer)) = memory.requests.not_written(is_known) {
                    step.outputs.push(Output::Reply { request, answer });
                }
            }
            (Purpose::PublishStatus, None) => memory.published.status = None,
            (
                Purpose::Acquire
                | Purpose::RecordCluster
                | Purpose::Resume
                | Purpose::Release
                | Purpose::AdoptCluster
                | Purpose::ClaimInitialize
                | Purpose::RestoreConfig
                | Purpose::ClearMove
                | Purpose::BeginMove
                | Purpose::PublishSync
                | Purpose::PublishFailsafe
                | Purpose::PublishMember,
                _,
            )
            | (Purpose::PublishStatus, Some(_)) => {}
        }
    }

    /// Whether a lane is free: the small question of the other files of the machine.
    pub(super) fn is_idle(&self, lane: Lane) -> bool {
        self.memory.work.is_idle(lane)
    }
}
