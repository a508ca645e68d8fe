//! What may write, or may begin to at any moment, whatever it was last seen to be.
//!
//! A server that does not answer says nothing about itself. What this agent neither saw as a
//! standby nor starts as one counts as a primary: a kill costs a standby a moment, and a second
//! primary costs rows.

use core::time::Duration;

use super::{Lock, Made, Server, Unleased, Writable, lock, made};
use crate::claim;
use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::task::{Lane, StartAs, Task};
use crate::time::Mono;
use crate::view::{ControlState, DataView, LocalView, ServerView};

/// How long a primary that nobody leads, or what becomes one, may go on while its member tries to
/// lead it: an agent that was started anew needs a moment, and another member may be promoted
/// meanwhile.
const ADOPTION: Duration = Duration::from_secs(4);

/// A server that we do not lead. One that does not answer and is in production according to its
/// control file is a primary, whoever made it one: it may still write.
pub(crate) fn unled(memory: &Memory, server: Server) -> Server {
    let is_in_production = memory.control_state() == Some(ControlState::InProduction);
    let is_silent_primary = server == Server::Unresponsive && is_in_production;
    if is_silent_primary && !is_silence_harmless(memory) {
        Server::Primary
    } else {
        server
    }
}

pub(crate) fn writable(memory: &Memory) -> Writable {
    let may_write = match memory.server() {
        Some(ServerView::Primary(_)) => true,
        Some(ServerView::Starting | ServerView::Stopping | ServerView::Unresponsive) => {
            let is_silent_primary = memory
                .local
                .as_ref()
                .is_some_and(|local| is_silent_primary(memory, local));
            (memory.was_primary || is_silent_primary)
                && !memory.breaks(Mutant::SilenceCountsAsHarmless)
        }
        Some(ServerView::Down { .. }) => has_writing_orphans(memory),
        Some(ServerView::Standby(_)) => is_being_promoted(memory),
        None => false,
    };
    let may_begin = is_made_writable(memory) && !memory.breaks(Mutant::PromotingCountsAsHarmless);
    if may_begin || may_write {
        Writable::Yes
    } else {
        Writable::No
    }
}

/// A standby that was told to become a primary, also by an earlier run of the agent: it answers as
/// any standby does until it has replayed all that it has, and becomes one whoever leads by then.
pub(crate) fn is_being_promoted(memory: &Memory) -> bool {
    let standby = memory.standby();
    standby.is_some_and(|standby| standby.is_being_promoted)
        && !memory.breaks(Mutant::LeftOrderIsForgotten)
        && !memory.breaks(Mutant::PromotingCountsAsHarmless)
}

/// Whether a task that runs lets the server write.
pub(crate) fn is_made_writable(memory: &Memory) -> bool {
    let running = memory.work.on(Lane::Server);
    running.is_some_and(|running| makes_writable(&running.task))
}

pub(crate) fn makes_writable(task: &Task) -> bool {
    matches!(
        task,
        Task::Promote { .. }
            | Task::Start {
                role: StartAs::Primary(_),
                ..
            }
    )
}

/// A server that does not answer and may write at any moment: it is in production according to its
/// control file, or nobody knows that it is a standby. PostgreSQL says nothing on its disk of a
/// promotion before that is over, so a server that stood still in one while its agent was started
/// anew looks like any standby.
pub(crate) fn is_silent_primary(memory: &Memory, local: &LocalView) -> bool {
    let DataView::Cluster(control) = &local.data else {
        return false;
    };
    let is_in_production = control.state == ControlState::InProduction;
    let is_unknown =
        !memory.is_known_standby && !memory.breaks(Mutant::UnknownServerCountsAsStandby);
    let may_write = match &local.server {
        ServerView::Unresponsive => is_in_production || is_unknown,
        // The recovery of a primary, or the beginning of a returning standby's. After a stop in order
        // there is nothing to recover, and the file says so until the server takes writes.
        ServerView::Starting => {
            (is_in_production || control.state == ControlState::ShutDown) && is_unknown
        }
        ServerView::Down { .. }
        | ServerView::Stopping
        | ServerView::Primary(_)
        | ServerView::Standby(_) => false,
    };
    may_write && !is_silence_harmless(memory)
}

/// Never; three rules ask, because each alone would still stop such a server.
fn is_silence_harmless(memory: &Memory) -> bool {
    memory.breaks(Mutant::UnknownSilenceIsLeftAlone)
        || memory.breaks(Mutant::SilenceCountsAsHarmless)
}

/// Whether the leadership under which a standby was told to become a primary may go on: it is taken
/// up again by whoever finds its key, or is not known yet.
fn may_go_on(memory: &Memory) -> bool {
    matches!(lock(memory), Lock::Mine | Lock::Stale | Lock::Unseen)
}

/// Processes that a dead postmaster of a primary left behind. A fresh agent knows what the server
/// was from its control file.
fn has_writing_orphans(memory: &Memory) -> bool {
    let is_orphaned = matches!(memory.server(), Some(ServerView::Down { orphans: true }));
    let was_primary =
        memory.was_primary || memory.control_state() == Some(ControlState::InProduction);
    is_orphaned && was_primary && !memory.breaks(Mutant::OrphansCountAsHarmless)
}

pub(crate) fn unleased(memory: &Memory) -> Unleased {
    if claim::is_over(memory) {
        return Unleased::ClaimOver;
    }
    if memory.lease.leadership().is_none() && has_writing_orphans(memory) {
        // They serve nobody who could be adopted.
        return Unleased::Overdue;
    }
    if memory.view.is_none() && memory.breaks(Mutant::BlindAgentWaits) {
        return Unleased::No;
    }
    let is_late = unleased_until(memory).is_some_and(|until| memory.mono() >= until);
    if is_being_promoted(memory) && memory.lease.leadership().is_none() {
        let is_over = is_late || !may_go_on(memory);
        return if is_over {
            Unleased::LeftOver
        } else {
            Unleased::No
        };
    }
    if is_late && memory.lease.leadership().is_none() {
        Unleased::Overdue
    } else {
        Unleased::No
    }
}

/// When a primary that is not led by us must be gone.
pub(crate) fn unleased_until(memory: &Memory) -> Option<Mono> {
    match made(memory) {
        // Without a cluster in the store nobody else can be promoted. But another one can be made
        // there, and whoever has not been heard for as long as a session lives may not know of it.
        Made::Absent | Made::Forgotten => memory.lease.session_fence_at(),
        Made::Known | Made::ByUs | Made::ByOther | Made::Mismatch => {
            memory.unleased_since.map(|since| since.plus(ADOPTION))
        }
    }
}
