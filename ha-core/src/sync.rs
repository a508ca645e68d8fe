//! Synchronous mode: facts become the words of its table, and steps become tasks.
//!
//! Invariant: whoever the `sync` key lists, the leader that wrote it included, has every commit
//! that a client was told of. What makes that true: commits wait for *all* standbys of the setting,
//! a proof by the server's own processes that they do, and the position up to which a standby must
//! have confirmed what was acknowledged before.

mod picks;
#[cfg(test)]
mod tests;

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::carry;
use crate::config::SynchronousMode;
use crate::decide::synchrony::{self, SyncStep};
use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::restart;
use crate::schema::{key, write};
use crate::situation::{Keeping, Listing, Synchrony, Waiting};
use crate::task::{Commit, KeyState, Purpose, StoreGuard, StoreWrite, SyncNames, Task};
use crate::time::Mono;
use crate::value::{Generation, Lsn, MemberName};
use crate::view::{ClusterView, PrimaryView, ServerView, SyncKey, SyncState, WaitsFor};

pub(crate) use picks::is_willing;

/// That commits wait for these, as the server has shown under this leadership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) generation: Generation,
    pub(crate) names: SyncNames,
    /// What was acknowledged before that is before this position.
    pub(crate) barrier: Lsn,
}

/// The next step of a leader whose primary runs, as a task; none: all is as it should be, or there
/// is no such leader.
pub(crate) fn next(memory: &Memory) -> Option<Task> {
    let picture = Picture::of(memory)?;
    match picture.step() {
        SyncStep::Rest => None,
        SyncStep::Claim => commit(memory, Some(&lists(memory, BTreeSet::new()))),
        SyncStep::Shrink => commit(memory, Some(&lists(memory, picture.kept))),
        SyncStep::Grow => commit(memory, Some(&lists(memory, picture.grown()))),
        SyncStep::Forget => commit(memory, None),
        SyncStep::WaitFor => Some(Task::WaitFor {
            names: picture.arranged(),
        }),
    }
}

/// Whether a leader has nothing to do about it and waits for nobody.
pub(crate) fn is_at_rest(memory: &Memory) -> bool {
    Picture::of(memory).is_none_or(|picture| {
        let names = picture.wanted_names.as_ref();
        let lists_all = names.is_none_or(|names| *names == picture.key.standbys);
        lists_all && picture.step() == SyncStep::Rest
    })
}

/// Whether a leader keeps synchronous mode.
pub(crate) fn is_kept(memory: &Memory) -> bool {
    memory.rules.synchronous_mode == SynchronousMode::On
}

/// What synchronous mode means to a leader's next decision.
pub(crate) fn synchrony(memory: &Memory) -> Synchrony {
    if matches!(memory.server(), Some(ServerView::Standby(_))) {
        return if is_prepared(memory) {
            Synchrony::Clear
        } else {
            Synchrony::Unprepared
        };
    }
    // Only a strict mode blocks: for any other nobody is picked here.
    let is_strict = memory.rules.synchronous_mode_strict && is_kept(memory);
    let picture = is_strict.then(|| Picture::of(memory)).flatten();
    let is_blocked = picture.is_some_and(|picture| {
        let is_waiting = picture.primary.sync.waits_for != WaitsFor::default();
        picture.picks.is_empty() && is_waiting
    });
    if is_blocked {
        Synchrony::Blocked
    } else {
        Synchrony::Clear
    }
}

/// Everything that the table is asked about.
struct Picture<'a> {
    memory: &'a Memory,
    key: &'a SyncKey,
    primary: &'a PrimaryView,
    keeping: Keeping,
    /// Whom commits should wait for, of those that could confirm them now.
    picks: Vec<MemberName>,
    /// The names that commits shall wait for; none: the setting is not a list of ours.
    wanted_names: Option<BTreeSet<MemberName>>,
    /// Of those that the key lists, the ones that commits wait for and shall wait for.
    kept: BTreeSet<MemberName>,
}

impl<'a> Picture<'a> {
    fn of(memory: &'a Memory) -> Option<Self> {
        let view = memory.current_view()?;
        let Some(ServerView::Primary(primary)) = memory.server() else {
            return None;
        };
        let keeping = match memory.rules.synchronous_mode {
            SynchronousMode::Off => Keeping::Off,
            SynchronousMode::On => Keeping::On,
            SynchronousMode::Quorum => return None,
        };
        let picks = match keeping {
            Keeping::Off => Vec::new(),
            Keeping::On => picks::picks(memory, view, primary),
        };
        let mut picture = Self {
            memory,
            key: &view.sync.value,
            primary,
            keeping,
            picks,
            wanted_names: None,
            kept: BTreeSet::new(),
        };
        if let SyncNames::All(names) = picture.wanted() {
            picture.wanted_names = Some(names.into_iter().collect());
        }
        picture.kept = picture.kept();
        Some(picture)
    }

    fn step(&self) -> SyncStep {
        synchrony::decide(self.keeping, self.listing(), self.waiting())
    }

    fn wanted(&self) -> SyncNames {
        let is_strict = self.memory.rules.synchronous_mode_strict;
        match self.keeping {
            Keeping::Off => SyncNames::Configured,
            Keeping::On if self.picks.is_empty() && is_strict => {
                held(self.key.standbys.iter().cloned().collect())
            }
            Keeping::On => SyncNames::All(self.picks.clone()),
        }
    }

    /// Whom every commit waits for, by the setting that the server shows.
    fn enforced(&self) -> &[MemberName] {
        match &self.primary.sync.waits_for {
            WaitsFor::All(names) => names,
            WaitsFor::Unmatched | WaitsFor::Other(_) => &[],
        }
    }

    fn listing(&self) -> Listing {
        let memory = self.memory;
        if !self.key.is_in_force() {
            return Listing::Absent;
        }
        if self.key.leader.as_ref() != Some(memory.me()) || self.key.quorum != 0 {
            return Listing::OfAnother;
        }
        let doubt = memory.sync_doubt.filter(|guard| {
            let revision = memory.view.as_ref().and_then(|view| view.sync.revision);
            *guard == KeyState::seen(revision)
        });
        if doubt.is_some() {
            return Listing::Doubtful;
        }
        let is_late =
            memory.breaks(Mutant::CommitsStopWaitingFirst) && self.waiting() != Waiting::AsWanted;
        if self.kept != self.key.standbys && !is_late {
            Listing::TooMany
        } else if self.grown() != self.key.standbys {
            Listing::Short
        } else {
            Listing::Right
        }
    }

    fn waiting(&self) -> Waiting {
        let wanted = self.wanted();
        let shown = &self.primary.sync;
        let is_shown = match (&wanted, &shown.waits_for) {
            (SyncNames::Configured, _) => !shown.is_overruled,
            (SyncNames::Unmatched, waits_for) => *waits_for == WaitsFor::Unmatched,
            (SyncNames::All(names), WaitsFor::All(shown)) => is_same(names, shown),
            (SyncNames::All(_), WaitsFor::Unmatched | WaitsFor::Other(_)) => false,
        };
        // What the key lists is waited for since before it was listed: only more needs a proof.
        let lists_all = self
            .wanted_names
            .as_ref()
            .is_none_or(|names| *names == self.key.standbys);
        if !is_shown {
            Waiting::Otherwise
        } else if lists_all || self.proof().is_some() {
            Waiting::AsWanted
        } else {
            Waiting::Unproven
        }
    }

    /// The proof that the setting which is shown and wanted is in force.
    fn proof(&self) -> Option<&Proof> {
        let wanted = self.wanted_names.as_ref()?;
        self.memory.sync_proof.as_ref().filter(|proof| {
            let is_proven = match &proof.names {
                SyncNames::All(names) => are(names, wanted),
                SyncNames::Configured | SyncNames::Unmatched => false,
            };
            is_proven && Some(proof.generation) == self.memory.lease.leadership()
        })
    }

    fn kept(&self) -> BTreeSet<MemberName> {
        let Some(wanted) = &self.wanted_names else {
            return BTreeSet::new();
        };
        let is_kept =
            |name: &&MemberName| self.enforced().contains(*name) && wanted.contains(*name);
        self.key.standbys.iter().filter(is_kept).cloned().collect()
    }

    /// Those, and whoever else has everything by now.
    fn grown(&self) -> BTreeSet<MemberName> {
        let mut names = self.kept.clone();
        let wanted = self.wanted_names.iter().flatten().cloned();
        if self.memory.breaks(Mutant::ListedBeforeWaitedFor) {
            names.extend(wanted);
            return names;
        }
        let Some(proof) = self.proof().filter(|_| self.is_shown_as_wanted()) else {
            return names;
        };
        let is_barrier_open = self.memory.breaks(Mutant::BarrierIgnored);
        let has_all = |name: &MemberName| {
            self.primary.sync.senders.iter().any(|sender| {
                let has = sender.confirmed >= Some(proof.barrier) || is_barrier_open;
                let counts = sender.is_streaming && sender.state == SyncState::Sync;
                is_named(&sender.name, name) && counts && has
            })
        };
        names.extend(wanted.filter(has_all));
        names
    }

    fn is_shown_as_wanted(&self) -> bool {
        let wanted = self.wanted_names.as_ref();
        wanted.is_some_and(|names| are(self.enforced(), names))
    }

    /// The wanted names in an order in which each standby that is waited for already changes its
    /// place, when another one comes in: by its place a sender of the server shows which setting it
    /// goes by. All are waited for, so the order means nothing else.
    fn arranged(&self) -> SyncNames {
        let SyncNames::All(names) = self.wanted() else {
            return self.wanted();
        };
        match &self.primary.sync.waits_for {
            WaitsFor::All(shown) => SyncNames::All(arrange(shown, names)),
            WaitsFor::Unmatched => SyncNames::All(arrange(&[], names)),
            // Of a setting that is not ours no places are known: nobody has one in between.
            WaitsFor::Other(_) if names.len() < 2 => SyncNames::All(names),
            WaitsFor::Other(_) if self.memory.rules.synchronous_mode_strict => SyncNames::Unmatched,
            WaitsFor::Other(_) => SyncNames::All(Vec::new()),
        }
    }
}

/// All of these, or nobody that exists.
fn held(names: Vec<MemberName>) -> SyncNames {
    if names.is_empty() {
        SyncNames::Unmatched
    } else {
        SyncNames::All(names)
    }
}

fn is_same(names: &[MemberName], others: &[MemberName]) -> bool {
    names.iter().all(|name| others.contains(name)) && others.iter().all(|name| names.contains(name))
}

/// Whether these are the names of a set.
fn are(names: &[MemberName], set: &BTreeSet<MemberName>) -> bool {
    names.iter().all(|name| set.contains(name)) && set.iter().all(|name| names.contains(name))
}

/// PostgreSQL compares the names of standbys without their case.
pub(crate) fn is_named(sender: &str, member: &MemberName) -> bool {
    sender.eq_ignore_ascii_case(member.as_str())
}

/// Sorted names, moved round until none of them is where it was before, if somebody new is there.
fn arrange(shown: &[MemberName], mut names: Vec<MemberName>) -> Vec<MemberName> {
    names.sort();
    let is_moved = |names: &[MemberName]| {
        let mut pairs = shown.iter().zip(names);
        pairs.all(|(before, after)| before != after)
    };
    let has_new = names.iter().any(|name| !shown.contains(name));
    if !has_new || is_moved(&names) {
        return names;
    }
    let new_first = |name: &MemberName| shown.iter().position(|before| before == name);
    names.sort_by_key(new_first);
    for _ in 0..names.len() {
        if is_moved(&names) {
            break;
        }
        names.rotate_left(1);
    }
    names
}

/// The key of this leader.
fn lists(memory: &Memory, standbys: BTreeSet<MemberName>) -> SyncKey {
    SyncKey {
        leader: Some(memory.me().clone()),
        standbys,
        quorum: 0,
    }
}

/// A change of the key: only while the leader key is the one that we saw as ours, and the key is as
/// it was when we decided. A request that is held up on its way cannot outlive either, nor a store
/// that is put back and counts its revisions anew: the leader key must be ours as well.
fn commit(memory: &Memory, value: Option<&SyncKey>) -> Option<Task> {
    let session = memory.lease.session_name()?;
    let view = memory.current_view()?;
    let leader = view
        .leader
        .as_ref()
        .filter(|leader| leader.session.as_ref() == Some(&session))?;
    let write = match value {
        Some(value) => StoreWrite::Put {
            key: key::SYNC.to_owned(),
            value: write::sync(value),
        },
        None => StoreWrite::Delete {
            key: key::SYNC.to_owned(),
        },
    };
    let guard = |key: &str, is| StoreGuard {
        key: key.to_owned(),
        is,
    };
    Some(Task::Commit(Commit {
        purpose: Purpose::PublishSync,
        session: Some(session),
        guards: vec![
            guard(key::LEADER, KeyState::At(leader.revision)),
            guard(key::LEADER, KeyState::HeldBySession),
            guard(key::SYNC, KeyState::seen(view.sync.revision)),
        ],
        writes: vec![write],
    }))
}

/// The members that a promotion leaves on the key. Commits that wait for nobody cannot be on
/// anybody; strict mode makes the first commit wait for everybody who was listed before.
///
/// Whoever leads by hand and was not listed lacks what the listed have: from one of them, who took
/// over from us before we were promoted, the next one could take over that it is equal to us.
fn before_promotion(memory: &Memory, view: &ClusterView) -> BTreeSet<MemberName> {
    let key = &view.sync.value;
    let before = memory.sync_before.as_ref().unwrap_or(key);
    let had_everything = !before.is_in_force() || before.names(memory.me());
    if !memory.rules.synchronous_mode_strict || !had_everything {
        return BTreeSet::new();
    }
    let listed = key.leader.iter().chain(&key.standbys);
    listed
        .filter(|name| *name != memory.me())
        .cloned()
        .collect()
}

/// Whether the key says already what holds once this standby is promoted.
fn is_prepared(memory: &Memory) -> bool {
    // An old view may show less than there is, which delays; what our own commits wrote it shows.
    let Some(view) = &memory.view else {
        return false;
    };
    if memory.breaks(Mutant::PromotesUnprepared) {
        return true;
    }
    let key = &view.sync.value;
    match memory.rules.synchronous_mode {
        SynchronousMode::Off => !key.is_in_force(),
        SynchronousMode::On | SynchronousMode::Quorum => {
            let is_ours = key.leader.as_ref() == Some(memory.me()) && key.quorum == 0;
            is_ours && key.standbys == before_promotion(memory, view)
        }
    }
}

/// Makes the key say what holds once this standby is promoted.
pub(crate) fn prepare(memory: &Memory) -> Option<Task> {
    let view = memory.current_view()?;
    match memory.rules.synchronous_mode {
        SynchronousMode::Off => commit(memory, None),
        SynchronousMode::On | SynchronousMode::Quorum => {
            commit(memory, Some(&lists(memory, before_promotion(memory, view))))
        }
    }
}

/// Whom the first commit after a promotion waits for.
pub(crate) fn promoted_with(memory: &Memory) -> SyncNames {
    match memory.rules.synchronous_mode {
        SynchronousMode::Off => SyncNames::Configured,
        SynchronousMode::On | SynchronousMode::Quorum if memory.rules.synchronous_mode_strict => {
            let view = memory.view.as_ref();
            let listed = view.map(|view| view.sync.value.standbys.clone());
            held(listed.unwrap_or_default().into_iter().collect())
        }
        SynchronousMode::On | SynchronousMode::Quorum => SyncNames::All(Vec::new()),
    }
}

/// What the key said before we prepared our promotion, for a leadership that ends without one:
/// nothing was written meanwhile, so whoever was listed has everything still.
pub(crate) fn restored(memory: &Memory, view: &ClusterView) -> Option<(StoreGuard, StoreWrite)> {
    let before = memory.sync_before.as_ref()?;
    let guard = StoreGuard {
        key: key::SYNC.to_owned(),
        is: KeyState::seen(view.sync.revision),
    };
    let write = StoreWrite::Put {
        key: key::SYNC.to_owned(),
        value: write::sync(before),
    };
    Some((guard, write))
}

/// Until when a standby that goes away keeps running for the leader whose commits wait for it; none:
/// nobody waits for it, or nobody can be told.
pub(crate) fn stays_until(memory: &Memory) -> Option<Mono> {
    let since = memory
        .leaving_since
        .or_else(|| restart::wanted_since(memory))?;
    let is_standby = matches!(memory.server(), Some(ServerView::Standby(_)));
    let view = memory.current_view()?;
    let is_led = view
        .leader
        .as_ref()
        .is_some_and(|leader| leader.name != *memory.me());
    let is_listed = view.sync.value.standbys.contains(memory.me());
    let until = since.plus(stay(memory));
    (is_standby && is_led && is_listed && memory.mono() < until).then_some(until)
}

/// How long the leader has to make commits wait for somebody else.
pub(crate) fn stay(memory: &Memory) -> Duration {
    memory.rules.loop_wait * 2
}

/// Whether this member asks any leader not to make commits wait for it: it goes away, or its server
/// is taken down for a restart or for the slots that it is to get.
pub(crate) fn is_leaving(memory: &Memory) -> bool {
    let is_led_by_us = memory.lease.leadership().is_some();
    let is_restarted = memory.restart.is_some() && !is_led_by_us;
    let is_going = memory.leaving_since.is_some() || is_restarted;
    is_kept(memory) && (is_going || carry::is_leaving(memory))
}
