//! Logical slots on standbys: which are missing, and when one may be stopped to get them.
//!
//! PostgreSQL makes no logical slot on a standby that begins where the primary's does. The file of
//! the primary's is copied, and a server reads such files when it starts. So each standby goes down
//! once for it: one after the other, and never while commits wait for it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::cascade;
use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::plan;
use crate::situation::Carry;
use crate::slots;
use crate::sync;
use crate::tags::Tags;
use crate::task::{Failure, Lane, Outcome, Task};
use crate::time::Mono;
use crate::value::MemberName;
use crate::view::{ClusterView, LogicalSlot, MemberView, ServerView};

/// How long a standby leaves the others alone for each of them that comes before it by name.
const TURN: Duration = Duration::from_secs(10);

/// How long a slot that was copied is not asked for again: each time may take the server down.
const AGAIN: Duration = Duration::from_secs(600);

/// The same of one that could not be read: a new standby lacks the WAL that it needs until its
/// consumer has gone on.
const UNREAD: Duration = Duration::from_secs(30);

/// What is remembered of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    /// Slots that are not asked for before a time.
    not_before: BTreeMap<String, Mono>,
    /// Since when a running standby has missed one.
    missing_since: Option<Mono>,
}

/// What has to be done about slots that are missing here.
pub(crate) fn word(memory: &Memory) -> Carry {
    if missing(memory).is_empty() || memory.work.must_wait("copy-slots", memory.mono()) {
        return Carry::None;
    }
    match memory.server() {
        Some(ServerView::Down { .. }) => Carry::Due,
        Some(ServerView::Standby(_)) => while_running(memory).unwrap_or(Carry::AtNextStart),
        Some(
            ServerView::Primary(_)
            | ServerView::Starting
            | ServerView::Stopping
            | ServerView::Unresponsive,
        )
        | None => Carry::None,
    }
}

/// What a standby that runs does about it; none: it is not its turn, or there is nobody to take its
/// place meanwhile.
fn while_running(memory: &Memory) -> Option<Carry> {
    let view = memory.current_view()?;
    let since = memory.carried.missing_since?;
    let others: Vec<(&MemberName, &MemberView)> = others(memory, view).collect();
    let before = others.iter().filter(|(name, _)| *name < memory.me());
    let turn = u32::try_from(before.count()).unwrap_or(u32::MAX);
    let is_turn = memory.mono().since(since) >= TURN.saturating_mul(turn)
        || memory.breaks(Mutant::SlotsOutOfTurn);
    let can_lead = |(_, member): &(_, &MemberView)| !member.tags.is_nofailover();
    let mut candidates = others.iter().filter(|other| can_lead(other)).peekable();
    let is_alone = candidates.peek().is_none() || memory.breaks(Mutant::SlotsWithNobodyLeft);
    let mut streaming = candidates.filter(|(_, member)| is_streaming(member));
    // Whoever is asked to take over is needed as it is.
    let is_moving = view.failover.value.is_some() && !memory.breaks(Mutant::SlotsDuringAMove);
    if is_moving || !is_turn || !(is_alone || streaming.clone().next().is_some()) {
        return None;
    }
    let leader = &view.leader.as_ref()?.name;
    let listed = &view.sync.value.standbys;
    // A connection that was lost for a moment has emptied the list: it will be on it again.
    let is_next = || sync::is_willing(view, leader, memory.me(), &memory.settings.tags);
    let is_sole = sync::is_kept(memory) && listed.is_empty() && is_next();
    let is_waited_for = listed.contains(memory.me()) || is_sole;
    if !is_waited_for || memory.breaks(Mutant::SyncStandbyGoesDown) {
        return Some(Carry::Due);
    }
    // Commits would wait for nobody, or for ever.
    let has_substitute =
        streaming.any(|(name, member)| sync::is_willing(view, leader, name, &member.tags));
    (has_substitute || memory.breaks(Mutant::SlotsWithoutASubstitute)).then_some(Carry::Listed)
}

fn others<'a>(
    memory: &'a Memory,
    view: &'a ClusterView,
) -> impl Iterator<Item = (&'a MemberName, &'a MemberView)> {
    let leader = view.leader.as_ref().map(|leader| &leader.name);
    view.members
        .iter()
        .filter(move |(name, _)| *name != memory.me() && Some(*name) != leader)
        .map(|(name, member)| (name, &**member))
}

fn is_streaming(member: &MemberView) -> bool {
    member.state == "running" && member.replication_state.as_deref() == Some("streaming")
}

/// Whether old rows must be kept for logical slots: of our standby, or of one below it.
pub(crate) fn keeps_rows(memory: &Memory) -> bool {
    let rules = &memory.rules;
    let has_slots = rules.slots.has_logical() && rules.use_slots;
    if !has_slots || rules.standby_cluster.is_some() {
        return false;
    }
    let own = &memory.settings.tags;
    may_lead(own)
        || memory.view.as_ref().is_some_and(|view| {
            let mut others = view
                .members
                .iter()
                .filter(|(_, other)| may_lead(&other.tags));
            others.any(|(name, _)| cascade::is_above(view, memory.me(), name))
        })
}

/// Whether a member gets slots at all: one that takes WAL from an archive alone cannot keep rows.
fn may_lead(tags: &Tags) -> bool {
    !tags.is_nofailover() && !tags.is_nostream()
}

/// Whether our standby is about to go down for slots: no leader shall make commits wait for it.
pub(crate) fn is_leaving(memory: &Memory) -> bool {
    let is_running = matches!(memory.server(), Some(ServerView::Standby(_)));
    let task = memory.work.on(Lane::Server).map(|running| &running.task);
    let is_copying = matches!(task, Some(Task::CopySlots { .. }));
    let is_about_to = is_running && matches!(word(memory), Carry::Listed | Carry::Due);
    (is_copying || is_about_to) && !memory.breaks(Mutant::SyncStandbyNeverAsks)
}

/// The slots that the leader has and our data lacks. A server that is down does not tell what it
/// has: whoever copies leaves out what is there.
pub(crate) fn missing(memory: &Memory) -> BTreeMap<String, LogicalSlot> {
    let now = memory.mono();
    let is_due = |name: &str| {
        let at = memory.carried.not_before.get(name);
        at.is_none_or(|at| now >= *at)
    };
    let standby = memory.standby();
    let is_there = |name: &str| standby.is_some_and(|standby| standby.slots.contains_key(name));
    slots::logical_of_leader(memory, |name| is_due(name) && !is_there(name))
}

/// The names of the missing ones, for people.
pub(crate) fn names(memory: &Memory) -> String {
    let missing: Vec<String> = missing(memory).into_keys().collect();
    missing.join(", ")
}

pub(crate) fn task(memory: &Memory) -> Option<Task> {
    let leader = memory.view.as_ref()?.leader.as_ref()?;
    let from = plan::member_as_upstream(memory, &leader.name)?;
    let slots = missing(memory);
    Some(Task::CopySlots { from, slots })
}

/// Remembers since when a running standby has missed slots.
pub(crate) fn note(memory: &mut Memory) {
    let is_standby = matches!(memory.server(), Some(ServerView::Standby(_)));
    let now = memory.mono();
    memory.carried.missing_since = match is_standby && !missing(memory).is_empty() {
        true => memory.carried.missing_since.or(Some(now)),
        false => None,
    };
}

/// Remembers what was copied, or could not be. New data has none of it, whatever was tried before.
pub(crate) fn ended(memory: &mut Memory, task: &Task, outcome: &Outcome) {
    let is_done = matches!(outcome, Outcome::Done(_));
    let is_new_data = matches!(
        task,
        Task::Clone { .. } | Task::Replace { .. } | Task::Reinitialize { .. } | Task::Rewind { .. }
    );
    if is_new_data && is_done {
        memory.carried.not_before.clear();
    }
    if let Task::CopySlots { slots, .. } = task
        && !memory.breaks(Mutant::SlotsCopiedInALoop)
    {
        // What failed before the server was touched is tried again sooner.
        let is_untouched = matches!(
            outcome,
            Outcome::Failed(Failure {
                is_transient: true,
                ..
            })
        );
        let next = memory
            .mono()
            .plus(if is_untouched { UNREAD } else { AGAIN });
        let next = slots.keys().map(|name| (name.clone(), next));
        memory.carried.not_before.extend(next);
    }
}
