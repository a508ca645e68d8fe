//! Failsafe mode: a leader goes on without the store while everybody who could take its place has
//! promised not to.
//!
//! Who that is, the `failsafe` key says: nobody else may lead while it is there, and a leadership
//! is taken only with the very key that was looked at. A promise counts from when it was asked for
//! at the leader's clock, and from when it is given at the promiser's; it is given only by a member
//! that has no request for the leadership on its way. A leader's chain of lease and promises must
//! never have a gap, which `lease.rs` sees to.

mod given;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::lease::Hold;
use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::reason::Unpromised;
use crate::situation::{Mode, Refuge, hold as held_how, mode};
use crate::task::{
    Commit, KeyState, Lane, PromiseAnswer, PromiseReport, PromiseRequest, Purpose, Task,
};
use crate::time::Mono;
use crate::value::{Generation, Lsn, MemberName, SessionName};
use crate::view::ServerView;
use given::Given;
pub(crate) use given::{Sent, admit, ends, is_bound, is_left_out, vetoes};

/// What this member was promised, and what it has promised.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failsafe {
    /// What keeps us from taking the leadership.
    given: Option<Given>,
    /// Requests of ours for the leadership that may still take effect.
    sent: Vec<Sent>,
    /// The newest leadership that any view or request told.
    newest: Generation,
    /// Until when each of the others holds back for us.
    held: BTreeMap<MemberName, Mono>,
    /// Under which leadership that was promised.
    held_under: Option<Generation>,
    /// The last round of questions since the lease is not confirmed any more.
    round: Option<Round>,
    next_round: Mono,
    /// A list that was written with an unknown outcome, and what it was written over.
    doubt: Option<(KeyState, BTreeMap<MemberName, String>)>,
    /// The state of the key that a change of ours rested on and that the store did not have: what
    /// we see is not the list that there is.
    refuted: Option<KeyState>,
}

impl Failsafe {
    /// A request for the leadership has an unknown outcome.
    pub(crate) fn note_sent(&mut self, sent: Sent) {
        if !self.sent.contains(&sent) {
            self.sent.push(sent);
        }
    }

    /// The store says that this session is gone: nothing is applied in it any more.
    pub(crate) fn session_lost(&mut self, session: &SessionName) {
        self.sent.retain(|sent| !sent.lives_with(session));
    }
}

/// What a round of questions came to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Round {
    /// Who did not promise, and why.
    missing: Vec<Unpromised>,
}

/// Clocks of members run differently, each by up to a thousandth.
fn worth(ttl: Duration) -> Duration {
    ttl - ttl / 500
}

/// Everybody whose promise a leader needs, and where each answers; none: it cannot know.
fn needed(memory: &Memory) -> Option<BTreeMap<MemberName, String>> {
    let listed = memory.view.as_ref()?.failsafe.value.as_ref();
    // Whoever stands on the list that there is may lead, and is not on the one that we see.
    if memory.failsafe.refuted.is_some() && !memory.breaks(Mutant::RefusedListTrusted) {
        return None;
    }
    let mut needed = match listed {
        Some(listed) if listed.contains_key(memory.me()) => listed.clone(),
        Some(_) | None if memory.breaks(Mutant::MissingListNamesNobody) => BTreeMap::new(),
        Some(_) | None => return None,
    };
    // A list whose writing has an unknown outcome may be the one by which others take the lead.
    if !memory.breaks(Mutant::DoubtfulListIgnored) {
        let doubtful = memory.failsafe.doubt.as_ref();
        needed.extend(doubtful.into_iter().flat_map(|(_, names)| names.clone()));
        needed.extend(being_written(memory));
    }
    needed.remove(memory.me());
    Some(needed)
}

/// The list in the commit that is on its way.
fn being_written(memory: &Memory) -> BTreeMap<MemberName, String> {
    match memory.work.on(Lane::Store).map(|running| &running.task) {
        Some(Task::Commit(commit)) if commit.purpose == Purpose::PublishFailsafe => {
            crate::schema::failsafe_list(commit)
        }
        Some(_) | None => BTreeMap::new(),
    }
}

/// Whether a leader should have promises: the store does not confirm its leadership.
fn is_needed(memory: &Memory) -> bool {
    is_due(memory) && memory.rules.failsafe_mode && mode(memory) != Mode::Paused
}

fn is_due(memory: &Memory) -> bool {
    let overdue_at = memory.lease.overdue_at();
    overdue_at.is_some_and(|at| memory.mono() >= at) && can_be_kept(memory)
}

/// Whether promises could still help: a leadership that has run out does not come back by them.
fn can_be_kept(memory: &Memory) -> bool {
    let is_held = match held_how(memory) {
        Hold::Firm | Hold::Ending => true,
        Hold::Over => memory.breaks(Mutant::LatePromisesCount),
        Hold::None | Hold::Lost => false,
    };
    is_held && !memory.is_releasing()
}

/// When a leader must begin to ask, or ask again.
pub(crate) fn deadline(memory: &Memory) -> Option<Mono> {
    let overdue_at = memory.lease.overdue_at()?;
    let is_asked =
        memory.rules.failsafe_mode && memory.work.is_idle(Lane::Promises) && can_be_kept(memory);
    is_asked.then(|| overdue_at.max(memory.failsafe.next_round))
}

/// The question that is due; also forgets the last answers when the store confirms again.
pub(crate) fn question(memory: &mut Memory) -> Option<Task> {
    if !is_needed(memory) {
        memory.failsafe.round = None;
        return None;
    }
    if memory.mono() < memory.failsafe.next_round {
        return None;
    }
    let peers = needed(memory)?;
    let generation = memory.lease.leadership()?;
    let ttl = memory.rules.ttl;
    let slots = match memory.server()? {
        ServerView::Primary(primary) => {
            crate::slots::positions(memory, &primary.slots, primary.position.lsn)
        }
        ServerView::Standby(_)
        | ServerView::Down { .. }
        | ServerView::Starting
        | ServerView::Stopping
        | ServerView::Unresponsive => BTreeMap::new(),
    };
    memory.failsafe.next_round = memory.mono().plus(memory.rules.loop_wait.min(ttl / 3));
    Some(Task::AskPromises {
        request: PromiseRequest {
            name: memory.me().clone(),
            conn_url: memory.settings.conn_url.clone(),
            api_url: memory.settings.api_url.clone(),
            slots,
            generation: Some(generation),
            ttl: Some(ttl),
        },
        peers: peers.into_iter().collect(),
        limit: (ttl / 8).clamp(Duration::from_millis(300), Duration::from_secs(2)),
    })
}

/// A round that was begun at `asked_at` has ended.
pub(crate) fn absorb(
    memory: &mut Memory,
    request: &PromiseRequest,
    asked_at: Mono,
    reports: Option<&[PromiseReport]>,
) {
    let now = memory.mono();
    let ttl = request.ttl.unwrap_or_default();
    if request.generation.is_none() || request.generation != memory.lease.leadership() {
        return;
    }
    if memory.failsafe.held_under != request.generation {
        memory.failsafe.held.clear();
        memory.failsafe.held_under = request.generation;
    }
    let counts_from = if memory.breaks(Mutant::PromisesCountFromTheAnswer) {
        now
    } else {
        asked_at
    };
    let reports = reports.unwrap_or_default();
    for report in reports {
        if report.answer == PromiseAnswer::Promised {
            let until = counts_from.plus(worth(ttl));
            memory.failsafe.held.insert(report.name.clone(), until);
        }
    }
    let Some(needed) = needed(memory) else { return };
    let missing = missing(&needed, reports);
    if !missing.is_empty() {
        // Another try before the time is up, and no storm.
        let pause = (ttl / 20).clamp(Duration::from_millis(100), Duration::from_secs(1));
        memory.failsafe.next_round = now.plus(pause);
    }
    memory.failsafe.round = Some(Round { missing });
    let ends = needed
        .keys()
        .map(|name| memory.failsafe.held.get(name).copied());
    let alone = counts_from.plus(worth(ttl));
    let until = if memory.breaks(Mutant::OnePromiseIsEnough) {
        ends.flatten().max()
    } else {
        let mut ends = ends;
        ends.try_fold(alone, |earliest, end| Some(earliest.min(end?)))
    };
    if let Some(until) = until {
        memory.lease.promised(now, until, ttl);
    }
}

fn missing(needed: &BTreeMap<MemberName, String>, reports: &[PromiseReport]) -> Vec<Unpromised> {
    let is_missing = |name: &MemberName| {
        let report = reports.iter().find(|report| report.name == *name);
        let why = match report.map(|report| &report.answer) {
            Some(PromiseAnswer::Promised) => return None,
            Some(PromiseAnswer::Refused(why)) => why.clone(),
            Some(PromiseAnswer::Unreachable) | None => String::from("no answer"),
        };
        Some(Unpromised {
            name: name.clone(),
            why,
        })
    };
    needed.keys().filter_map(is_missing).collect()
}

/// Who did not promise in the last round.
pub(crate) fn unpromised(memory: &Memory) -> Vec<Unpromised> {
    let round = memory.failsafe.round.as_ref();
    round.map_or_else(Vec::new, |round| round.missing.clone())
}

/// Whether a member may take the leadership when we give it up: it is listed, and does not hold back
/// for us any more.
pub(crate) fn may_take_over(memory: &Memory, name: &MemberName) -> bool {
    is_listed(memory, name) && !holds_back_for_us(memory, name)
}

/// Whether a member may lead at all, as far as the key tells.
pub(crate) fn is_listed(memory: &Memory, name: &MemberName) -> bool {
    let view = memory.view.as_ref();
    let listed = view.and_then(|view| view.failsafe.value.as_ref());
    listed.is_none_or(|listed| listed.contains_key(name))
}

fn holds_back_for_us(memory: &Memory, name: &MemberName) -> bool {
    let is_ours = memory.failsafe.held_under == memory.lease.leadership();
    let until = memory.failsafe.held.get(name);
    // It has counted since it got the question, on its own clock.
    until.is_some_and(|until| is_ours && memory.mono() < until.plus(memory.rules.ttl / 10))
}

/// How the leadership stands that the store does not confirm.
pub(crate) fn refuge(memory: &Memory) -> Refuge {
    if memory.lease.is_key_gone()
        && let Some(view) = memory.current_view()
    {
        let holder = view.leader.as_ref().map(|leader| &leader.name);
        return match holder {
            None => Refuge::KeyGone,
            Some(name) if name == memory.me() => Refuge::KeyUnbound,
            Some(_) => Refuge::None,
        };
    }
    if !is_needed(memory) {
        return Refuge::None;
    }
    match (needed(memory), &memory.failsafe.round) {
        (None, _) => Refuge::Unlisted,
        (Some(_), None) => Refuge::Asking,
        (Some(_), Some(round)) if round.missing.is_empty() => Refuge::Promised,
        (Some(_), Some(_)) => Refuge::Refused,
    }
}

/// The list that the key should hold: every member that answers somewhere, and this one.
fn wanted_list(memory: &Memory) -> Option<BTreeMap<MemberName, String>> {
    let view = memory.current_view()?;
    let members = view.members.iter();
    let others = members.filter_map(|(name, member)| Some((name.clone(), member.api_url.clone()?)));
    let mut wanted: BTreeMap<MemberName, String> = others.collect();
    wanted.insert(memory.me().clone(), memory.settings.api_url.clone());
    Some(wanted)
}

/// What a leader should make of the key: the new list, or none where the mode is off.
pub(crate) fn due_list(memory: &Memory) -> Option<Option<BTreeMap<MemberName, String>>> {
    let listed = &memory.current_view()?.failsafe;
    // What was promised is forgotten with it: the lease alone must carry us.
    let is_firm = memory
        .lease
        .overdue_at()
        .is_some_and(|at| memory.mono() < at);
    if !is_firm {
        return None;
    }
    if !memory.rules.failsafe_mode {
        return listed.revision.is_some().then_some(None);
    }
    let wanted = wanted_list(memory)?;
    (listed.value.as_ref() != Some(&wanted)).then_some(Some(wanted))
}

/// A change of the list is sent.
pub(crate) fn list_sent(memory: &mut Memory) {
    memory.lease.forget_promises();
    memory.failsafe.held.clear();
}

/// A change of the list has ended.
pub(crate) fn list_ended(memory: &mut Memory, commit: &Commit, is_known: bool, is_applied: bool) {
    let guard = commit
        .guards
        .iter()
        .find(|guard| guard.key == crate::schema::key::FAILSAFE);
    let over = guard.map_or(KeyState::Absent, |guard| guard.is);
    if is_applied {
        memory.failsafe.doubt = None;
    } else if is_known {
        memory.failsafe.refuted = Some(over);
    } else {
        let names = crate::schema::failsafe_list(commit);
        match &mut memory.failsafe.doubt {
            Some((before, known)) if *before == over => known.extend(names),
            Some(_) | None => memory.failsafe.doubt = Some((over, names)),
        }
    }
}

/// What a fresh view settles.
pub(crate) fn observe(memory: &mut Memory) {
    let is_any_newer = memory.breaks(Mutant::ShownLeadershipFrees);
    let Some(view) = &memory.view else { return };
    let failsafe = &mut memory.failsafe;
    let listed = KeyState::seen(view.failsafe.revision);
    failsafe.doubt = failsafe.doubt.take().filter(|(over, _)| *over == listed);
    failsafe.refuted = failsafe.refuted.take().filter(|over| *over == listed);
    failsafe.sent.retain(|sent| sent.may_apply(view));
    // The record of the last leadership is written with its key, and outlives it.
    let recorded = view.leadership.revision.map(|revision| revision.0);
    failsafe.newest = failsafe.newest.max(Generation(recorded.unwrap_or(0)));
    if let Some(leader) = &view.leader {
        failsafe.newest = failsafe.newest.max(leader.generation);
        let is_over = |given: &Given| is_any_newer || given.ends_with(leader);
        failsafe.given = failsafe.given.take().filter(|given| !is_over(given));
    }
    if memory.lease.leadership().is_some() {
        failsafe.sent.clear();
    }
}

/// The store's history went backwards: its numbers say nothing about what we know.
pub(crate) fn store_replaced(memory: &mut Memory) {
    memory.failsafe.newest = Generation::default();
}

/// Where the slots of the leader are that goes on by our promise; none: nobody does, as far as we
/// know.
pub(crate) fn told_slots(memory: &Memory) -> Option<&BTreeMap<String, Lsn>> {
    present(memory).map(|given| &given.slots)
}

/// Until when this member holds back, and for whom.
pub(crate) fn promised_to(memory: &Memory) -> Option<(&MemberName, Mono)> {
    present(memory).map(|given| (&given.to, given.until))
}

/// The promise that is not over.
fn present(memory: &Memory) -> Option<&Given> {
    let given = memory.failsafe.given.as_ref();
    given.filter(|given| memory.mono() < given.until)
}
