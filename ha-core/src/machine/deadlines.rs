//! When the machine must be stepped again although nothing happens. Every deadline has a name.

use core::time::Duration;

use serde::Serialize;

use crate::candidate;
use crate::changes;
use crate::claim;
use crate::failsafe;
use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::reinit;
use crate::restart;
use crate::situation::{self as word, Lock, Writable};
use crate::switchover;
use crate::sync;
use crate::task::Lane;
use crate::time::Mono;
use crate::view::ServerView;

/// What a wake is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deadline {
    /// A writable server must be killed.
    Fence,
    /// A writable server must begin to stop.
    StepDown,
    /// The session must be opened or renewed.
    RenewSession,
    /// The server should be looked at again: the outside answers with a fresh local view.
    Look,
    /// The others should be asked again.
    Ask,
    /// The others should be asked to hold back.
    Promises,
    /// A failed task may be tried again.
    Backoff,
    /// A store that has never been seen has had its time.
    Grace,
    /// A former leader has waited for its successor.
    Handover,
    /// Deference to a candidate, or a penalty, ends.
    Patience,
    /// A request must be answered.
    Request,
    /// What an operator wants of the server is due, or has taken too long.
    Errand,
}

/// The earliest of all deadlines.
pub(crate) fn earliest(memory: &Memory) -> Option<(Mono, Deadline)> {
    if memory.is_finished {
        return None;
    }
    let now = memory.mono();
    let limits = [
        (
            writable_limit(memory, memory.lease.fence_at()),
            Deadline::Fence,
        ),
        (
            writable_limit(memory, memory.lease.step_down_at()),
            Deadline::StepDown,
        ),
        (renewal(memory), Deadline::RenewSession),
        (look(memory), Deadline::Look),
        (ask(memory), Deadline::Ask),
        (failsafe::deadline(memory), Deadline::Promises),
        (memory.work.next_attempt(now), Deadline::Backoff),
        (
            memory.view.is_none().then(|| word::grace_ends_at(memory)),
            Deadline::Grace,
        ),
        (word::unleased_until(memory), Deadline::Grace),
        (claim::ends_at(memory), Deadline::Fence),
        (
            memory
                .released_at
                .map(|at| at.plus(word::handover_life(memory))),
            Deadline::Handover,
        ),
        (patience(memory), Deadline::Patience),
        (memory.requests.deadline(), Deadline::Request),
        (restart::deadline(memory), Deadline::Errand),
        (reinit::ask_again_at(memory), Deadline::Errand),
        (switchover::deadline(memory), Deadline::Errand),
        (changes::deadline(memory), Deadline::Errand),
        (
            memory.reinit.as_ref().map(reinit::deadline),
            Deadline::Errand,
        ),
    ];
    limits
        .into_iter()
        .filter_map(|(at, deadline)| Some((at?, deadline)))
        // A limit that has passed was dealt with in this step; what still waits, waits for an
        // outcome.
        .filter(|(at, _)| *at > now)
        // The step deals with everything that is due, whatever it was woken for; a look is the one
        // thing that the outside must be told. Another limit at the same moment must not hide it:
        // one that comes as regularly, like a renewal, would hide it for ever.
        .min_by_key(|(at, deadline)| (*at, *deadline != Deadline::Look, *deadline))
}

fn writable_limit(memory: &Memory, at: Option<Mono>) -> Option<Mono> {
    at.filter(|_| word::writable(memory) == Writable::Yes || memory.lease.leadership().is_some())
        .filter(|_| !memory.breaks(Mutant::WakeForgetsFence))
}

fn renewal(memory: &Memory) -> Option<Mono> {
    memory
        .work
        .is_idle(Lane::Session)
        .then(|| memory.lease.next_attempt())
}

/// Looking often while something is on its way, seldom otherwise.
fn look(memory: &Memory) -> Option<Mono> {
    let local = memory.local.as_ref()?;
    let soon = Duration::from_millis(200);
    let is_leading = memory.lease.leadership().is_some();
    let pause = match &local.server {
        ServerView::Starting | ServerView::Stopping | ServerView::Unresponsive => soon,
        ServerView::Standby(standby) if !standby.wal_end_reached => soon,
        ServerView::Standby(standby) if !standby.is_streaming => Duration::from_millis(500),
        // A move waits for what only a look shows.
        ServerView::Primary(_) if word::move_patience_ends(memory).is_some() => soon,
        // A standby that goes away stalls commits until it is seen to be gone.
        ServerView::Primary(_) if is_leading && sync::is_kept(memory) => {
            if sync::is_at_rest(memory) {
                Duration::from_secs(1)
            } else {
                soon
            }
        }
        ServerView::Down { .. } | ServerView::Primary(_) | ServerView::Standby(_) => {
            memory.rules.loop_wait
        }
    };
    let pause = pause.min(memory.rules.loop_wait);
    // The outside looks only when it is woken for it, and another input may overtake that wake:
    // a look that is overdue is asked for again.
    let next = local.seen_at.plus(pause);
    if next > memory.mono() {
        return Some(next);
    }
    let overdue = memory.mono().since(local.seen_at).as_nanos() / pause.as_nanos().max(1);
    let pauses = u32::try_from(overdue + 1).unwrap_or(u32::MAX);
    Some(local.seen_at.plus(pause.saturating_mul(pauses)))
}

fn ask(memory: &Memory) -> Option<Mono> {
    match word::lock(memory) {
        Lock::Free => candidate::ask_again_at(memory),
        Lock::Mine => {
            let since = crate::plan::question_since(memory);
            let evidence = memory.evidence_since(since)?;
            Some(evidence.answered_at.plus(Duration::from_millis(100)))
        }
        Lock::Stale | Lock::Other | Lock::Unseen => None,
    }
}

fn patience(memory: &Memory) -> Option<Mono> {
    let ttl = memory.rules.ttl;
    let ends = [memory.unlocked_since, memory.promotion_failed_at];
    ends.into_iter()
        .flatten()
        .map(|at| at.plus(ttl))
        .chain(sync::stays_until(memory))
        .chain(word::move_patience_ends(memory))
        .chain(failsafe::ends(memory))
        .filter(|at| *at > memory.mono())
        .min()
}
