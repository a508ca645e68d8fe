//! What a member tells the others: its own key always, the cluster's records while it leads.
//!
//! Everything that presumes the leadership is guarded by it: a former leader that wakes up late
//! overwrites nothing.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serde_json::Value;

use super::{Machine, Step};
use crate::failsafe;
use crate::memory::{KnownKey, Memory, NameCheck};
use crate::mutant::Mutant;
use crate::plan;
use crate::remote;
use crate::restart::Scheduled;
use crate::schema::read::member_object;
use crate::schema::{MemberValue, key, write};
use crate::situation::{self as word, Lock};
use crate::slots;
use crate::sync;
use crate::task::{Commit, KeyState, Lane, Purpose, StoreGuard, StoreWrite, Task};
use crate::value::{Lsn, Timeline};
use crate::view::{
    ControlState, DataView, Initialize, PrimaryView, ServerView, StatusKey, ValueChange,
};

impl Machine {
    pub(super) fn publish(&mut self, step: &mut Step) {
        self.move_slots_by_promise(step);
        let memory = &self.memory;
        if memory.is_finished || memory.current_view().is_none() || memory.name != NameCheck::Ours {
            return;
        }
        self.publish_member(step);
        if word::lock(&self.memory) == Lock::Mine
            && self.is_seen_leading()
            && primary(&self.memory).is_some()
        {
            self.keep_synchrony(step);
            self.publish_as_leader(step);
        } else {
            self.keep_slots_as_standby(step);
            if self.is_seen_leading() {
                self.publish_as_standby_leader(step);
            }
        }
    }

    /// Whether the view is as young as our leadership: what an older one misses may be there.
    fn is_seen_leading(&self) -> bool {
        let view = self.memory.current_view();
        let seen = view.and_then(|view| view.leader.as_ref());
        seen.map(|leader| leader.generation) == self.memory.lease.leadership()
    }

    fn publish_member(&mut self, step: &mut Step) {
        let memory = &self.memory;
        let Some(session) = memory.lease.session().map(|session| &session.name) else {
            return;
        };
        if !self.is_idle(Lane::Store) {
            return;
        }
        // Positions move all the time: they wait for the next round, the rest does not.
        let is_due = memory.mono() >= memory.published.member_at.plus(memory.rules.loop_wait);
        let is_repeated = is_due && memory.breaks(Mutant::PublishesInALoop);
        let moving = Moving::of(memory);
        let known = memory.published.known.as_ref();
        if let Some(known) = known.filter(|known| known.session == *session) {
            // Rendering and comparing costs more than all the rest of a step that changes nothing.
            let is_same = known.is_equal && known.moving == moving && !is_repeated;
            if is_same || (!is_due && known.moving.words == moving.words) {
                return;
            }
        }
        let value = member_value(memory, moving.clone()).render();
        let stored = memory
            .view
            .as_ref()
            .and_then(|view| view.members.get(memory.me()));
        let stored = stored.filter(|member| member.session.as_ref() == Some(session));
        let stored = stored.map(|member| member.text.as_str());
        let is_equal = stored == Some(&value);
        let is_alike = |stored| is_equal_but_for_positions(stored, &value);
        // What is told now in any case needs no closer look.
        let is_left = is_equal || !is_due && stored.is_some_and(is_alike);
        let session = session.clone();
        self.memory.published.known = is_left.then(|| KnownKey {
            session: session.clone(),
            moving,
            is_equal,
        });
        if is_left && !is_repeated {
            return;
        }
        let commit = Commit {
            purpose: Purpose::PublishMember,
            session: Some(session),
            guards: Vec::new(),
            writes: vec![StoreWrite::PutBound {
                key: write::member_key(self.memory.me()),
                value,
            }],
        };
        self.memory.published.member_at = self.memory.mono();
        self.start(Task::Commit(commit), step);
    }

    fn publish_as_leader(&mut self, step: &mut Step) {
        if !self.memory.is_checkpointed && self.is_idle(Lane::Checkpoint) {
            self.start(Task::Checkpoint, step);
        }
        self.keep_slots_as_leader(step);
        if !self.is_idle(Lane::Store) {
            return;
        }
        let Some(task) = self.next_record() else {
            return;
        };
        if let Task::Commit(commit) = &task
            && commit.purpose == Purpose::PublishStatus
        {
            self.memory.published.status_at = self.memory.mono();
        }
        self.start(task, step);
    }

    /// The first of the leader's records that is missing or old.
    fn next_record(&mut self) -> Option<Task> {
        let memory = &self.memory;
        let primary = primary(memory)?;
        let view = memory.current_view()?;
        if !matches!(view.initialize.value, Initialize::Known(_)) {
            return plan::adopt(memory).map(Task::Commit);
        }
        if let Some(task) = self.lost_config() {
            return Some(task);
        }
        if let Some(task) = self.next_failsafe_list() {
            return Some(task);
        }
        let timeline = primary.position.timeline;
        if timeline > Timeline(1) && view.timeline() != Some(timeline) {
            // A position means nothing to the others before they know which timeline it is on.
            return self.history_task(timeline);
        }
        let is_due = memory.mono() >= memory.published.status_at.plus(memory.rules.loop_wait)
            || memory.published.status.is_none();
        if !is_due {
            return None;
        }
        let status = leader_status(memory, primary);
        let is_known =
            memory.published.status.as_ref() == Some(&status) || status == *view.status.value;
        if is_known && !memory.breaks(Mutant::StatusInALoop) {
            self.memory.published.status = Some(status);
            self.memory.published.status_at = self.memory.mono();
            return None;
        }
        let text = write::status(&status);
        self.memory.published.status = Some(status);
        self.guarded(Purpose::PublishStatus, key::STATUS, text)
            .map(Task::Commit)
    }

    /// Who may lead at all, as the members are registered; nothing where the mode is off.
    pub(super) fn next_failsafe_list(&self) -> Option<Task> {
        let list = failsafe::due_list(&self.memory)?;
        let view = self.memory.current_view()?;
        let key = key::FAILSAFE.to_owned();
        let mut commit = self.guarded(Purpose::PublishFailsafe, key::FAILSAFE, String::new())?;
        // A request that is held up on its way must not undo a later one.
        commit.guards.push(StoreGuard {
            key: key.clone(),
            is: KeyState::seen(view.failsafe.revision),
        });
        commit.writes = vec![match list {
            Some(list) => StoreWrite::Put {
                key,
                value: write::failsafe(&list),
            },
            None => StoreWrite::Delete { key },
        }];
        Some(Task::Commit(commit))
    }

    /// What was just published shows in one of the next views.
    pub(super) fn is_history_due(&self) -> bool {
        let published_at = self.memory.published.history_at;
        published_at.is_none_or(|at| self.memory.mono() >= at.plus(self.memory.rules.loop_wait))
    }

    pub(super) fn guarded(&self, purpose: Purpose, key: &str, value: String) -> Option<Commit> {
        Some(Commit {
            purpose,
            session: Some(self.memory.lease.session_name()?),
            guards: vec![StoreGuard {
                key: key::LEADER.to_owned(),
                is: KeyState::HeldBySession,
            }],
            writes: vec![StoreWrite::Put {
                key: key.to_owned(),
                value,
            }],
        })
    }
}

fn primary(memory: &Memory) -> Option<&PrimaryView> {
    match memory.server()? {
        ServerView::Primary(primary) => Some(primary),
        ServerView::Standby(_)
        | ServerView::Down { .. }
        | ServerView::Starting
        | ServerView::Stopping
        | ServerView::Unresponsive => None,
    }
}

fn leader_status(memory: &Memory, primary: &PrimaryView) -> StatusKey {
    StatusKey {
        optime: primary.position.lsn,
        retain_slots: slots::retained(memory, &primary.slots),
        slots: slots::positions(memory, &primary.slots, primary.position.lsn),
    }
}

/// What may change in a member's value from step to step: all of it that the settings do not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moving {
    words: Words,
    positions: Positions,
}

/// What is told at once when it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Words {
    state: &'static str,
    role: &'static str,
    is_paused: bool,
    is_leaving_sync: bool,
    checkpoint_after_promote: Option<bool>,
    timeline: Option<u32>,
    replication_state: Option<&'static str>,
    pending_restart: BTreeMap<String, ValueChange>,
}

/// What moves all the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Positions {
    xlog_location: Option<u64>,
    receive_lsn: Option<u64>,
    replay_lsn: Option<u64>,
}

impl Moving {
    fn of(memory: &Memory) -> Self {
        let (state, role) = words(memory);
        let mut words = Words {
            state,
            role,
            is_paused: memory.rules.pause,
            pending_restart: pending_restart(memory),
            is_leaving_sync: sync::is_leaving(memory),
            ..Words::default()
        };
        let mut positions = Positions::default();
        match memory.server() {
            Some(ServerView::Primary(primary)) => {
                positions.xlog_location = Some(primary.position.lsn.0);
                words.timeline = Some(primary.position.timeline.0);
                words.checkpoint_after_promote = (!memory.is_checkpointed).then_some(false);
            }
            Some(ServerView::Standby(standby)) => {
                let known = |lsn: Lsn| Some(lsn.0).filter(|lsn| *lsn > 0);
                positions.xlog_location = Some(standby.position().lsn.0);
                positions.receive_lsn = known(standby.received);
                positions.replay_lsn = known(standby.replayed);
                words.timeline = Some(standby.timeline.0).filter(|timeline| *timeline > 0);
                words.replication_state = standby.is_streaming.then_some("streaming");
            }
            Some(
                ServerView::Down { .. }
                | ServerView::Starting
                | ServerView::Stopping
                | ServerView::Unresponsive,
            )
            | None => {}
        }
        Self { words, positions }
    }
}

/// Nothing of a server that does not answer: its next start takes the new values.
fn pending_restart(memory: &Memory) -> BTreeMap<String, ValueChange> {
    let about = memory.local.as_ref().and_then(|local| local.about.as_ref());
    about.map_or_else(BTreeMap::new, |about| about.pending_restart.clone())
}

/// What this member says about itself.
fn member_value(memory: &Memory, moving: Moving) -> MemberValue {
    let settings = &memory.settings;
    let (words, positions) = (moving.words, moving.positions);
    let about = MemberValue::new(
        settings.conn_url.clone(),
        settings.api_url.clone(),
        memory.boot.instance.clone(),
        &settings.tags,
    );
    let mut tags = about.tags.clone();
    if words.is_leaving_sync {
        // As a tag it asks any leader to make commits wait for somebody else.
        tags.insert("nosync".to_owned(), Value::Bool(true));
        tags.insert("sync_priority".to_owned(), Value::from(0));
    }
    MemberValue {
        proxy_url: settings.proxy_url.clone(),
        tags,
        state: words.state,
        role: words.role,
        pause: words.is_paused.then_some(true),
        pending_restart: (!words.pending_restart.is_empty()).then_some(true),
        pending_restart_reason: words.pending_restart,
        checkpoint_after_promote: words.checkpoint_after_promote,
        timeline: words.timeline,
        replication_state: words.replication_state,
        xlog_location: positions.xlog_location,
        receive_lsn: positions.receive_lsn,
        replay_lsn: positions.replay_lsn,
        scheduled_restart: memory.scheduled_restart.as_ref().map(Scheduled::published),
        ..about
    }
}

/// The state and role words that other tools know.
pub(crate) fn words(memory: &Memory) -> (&'static str, &'static str) {
    let Some(local) = &memory.local else {
        return ("stopped", "uninitialized");
    };
    let task = memory.work.on(Lane::Server).map(|running| &running.task);
    let copying = match task {
        Some(Task::Bootstrap) => Some("initializing new cluster"),
        Some(Task::Clone { .. } | Task::Replace { .. } | Task::Reinitialize { .. }) => {
            Some("creating replica")
        }
        Some(_) | None => None,
    };
    if let Some(state) = copying {
        return (state, "uninitialized");
    }
    let role = if memory.was_primary {
        "primary"
    } else {
        "replica"
    };
    if memory.restart.is_some()
        && (memory.is_ours_to_start || matches!(task, Some(Task::Stop { .. })))
    {
        return ("restarting", role);
    }
    if matches!(task, Some(Task::Start { .. })) {
        return ("starting", role);
    }
    match (&local.server, &local.data) {
        (ServerView::Primary(_), _) => ("running", "primary"),
        (ServerView::Standby(_), _) if remote::is_standby_leader(memory) => {
            ("running", "standby_leader")
        }
        (ServerView::Standby(_), _) => ("running", "replica"),
        (ServerView::Starting, _) => ("starting", role),
        (ServerView::Stopping, _) => ("stopping", role),
        (ServerView::Unresponsive, _) => ("running", role),
        (ServerView::Down { .. }, DataView::Cluster(control)) => match control.state {
            ControlState::ShutDown => ("stopped", "demoted"),
            ControlState::ShutDownInRecovery => ("stopped", "replica"),
            ControlState::InProduction => ("crashed", "demoted"),
            ControlState::InArchiveRecovery => ("crashed", "replica"),
            ControlState::Other => ("crashed", "demoted"),
        },
        (
            ServerView::Down { .. },
            DataView::Empty | DataView::Leftover | DataView::Wreck(_) | DataView::Unusable(_),
        ) => ("stopped", "uninitialized"),
    }
}

/// Whether two values of a member differ at most in what moves all the time.
fn is_equal_but_for_positions(one: &str, other: &str) -> bool {
    let (one, other) = (member_object(one), member_object(other));
    let (Value::Object(one), Value::Object(other)) = (&one, &other) else {
        return one == other;
    };
    let is_lasting = |(key, _): &(&String, &Value)| {
        !matches!(key.as_str(), "xlog_location" | "receive_lsn" | "replay_lsn")
    };
    one.iter()
        .filter(is_lasting)
        .eq(other.iter().filter(is_lasting))
}
