//! The claim to make the cluster: what a new server rests on before its first leadership.
//!
//! Invariant: it ends with the session that it is bound to, and when the store shows that it is gone,
//! whatever has been made by then. Another member may make the cluster from that moment on, so a
//! server that may write is killed, as one is whose lease has ended. A session that is opened later
//! says nothing about it.

use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::plan;
use crate::situation as word;
use crate::situation::Made;
use crate::task::{Commit, Lane, Task};
use crate::time::Mono;
use crate::view::Initialize;

/// Keeps in mind which session it is bound to, as the store shows it.
pub(crate) fn note(memory: &mut Memory) {
    if memory.claim.is_some() && word::made(memory) == Made::ByUs {
        memory.claim = memory.lease.session_name();
    }
}

/// Until when it holds at least; none: there is none, or it has ended.
pub(crate) fn ends_at(memory: &Memory) -> Option<Mono> {
    let claim = memory.claim.as_ref()?;
    let session = memory.lease.session()?;
    // What is recorded already needs no claim any more, and a lease only when it is known.
    let is_shown = matches!(word::made(memory), Made::ByUs | Made::Known);
    (is_shown && session.name == *claim).then(|| session.valid_until())
}

/// Whether what we made rests on nothing any more.
pub(crate) fn is_over(memory: &Memory) -> bool {
    let is_unrecorded = memory.claim.is_some() && memory.lease.leadership().is_none();
    is_unrecorded
        && ends_at(memory).is_none_or(|ends_at| memory.mono() >= ends_at)
        && !memory.breaks(Mutant::ClaimOutlivesItsSession)
}

/// Making a cluster may take hours, when it is restored from a backup: one whose session was lost
/// meanwhile is claimed again, unless somebody else was faster.
pub(crate) fn again(memory: &Memory) -> Option<Commit> {
    let running = memory.work.on(Lane::Server)?;
    let is_unclaimed = memory
        .view
        .as_ref()
        .is_some_and(|view| view.initialize.value == Initialize::Absent && view.leader.is_none());
    let is_wanted = matches!(running.task, Task::Bootstrap) && is_over(memory) && is_unclaimed;
    plan::claim(memory).filter(|_| is_wanted && memory.lease.is_fresh(memory.mono()))
}
