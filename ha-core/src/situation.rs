//! Facts become words. Every threshold lives here; the tables see words only.
//!
//! A word is computed from whole views and the machine's memory, never from a previous word.

mod link;
mod movement;
mod overdue;
mod words;
mod writable;

use core::time::Duration;

use crate::candidate::{self, Fitness, Needed, Successor};
use crate::lease::Hold;
use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::remote;
use crate::task::{Lane, StopMode, Task};
use crate::value::Lsn;
use crate::view::{ControlState, DataView, Initialize, ServerView};

pub(crate) use crate::carry::word as carry;
pub(crate) use link::{kin, link, way, wreck_link};
pub(crate) use movement::{move_patience_ends, movement, why_impossible};
pub(crate) use overdue::{overdue, overdue_since};
pub use words::{
    Asked, Backoff, Backup, Blind, Busy, Carry, Downfall, Gone, Handover, Keeping, Kin, Leader,
    Link, Listing, Lock, Made, MayMake, Mode, Move, Origin, Overdue, Promotion, Race, Refuge,
    Reinit, Restart, Server, Standing, Synchrony, Unleased, Waiting, Way, Writable,
};
pub(crate) use writable::{
    is_being_promoted, is_made_writable, is_silent_primary, makes_writable, unleased,
    unleased_until, unled, writable,
};

/// How long an agent that cannot see the store lets a running primary be: enough for a store that
/// answers, too short to matter to one that does not.
const GRACE: Duration = Duration::from_secs(2);

/// How long a stopped leader waits for a successor to confirm that it has everything.
const CONFIRM: Duration = Duration::from_secs(5);

pub(crate) fn mode(memory: &Memory) -> Mode {
    if memory.leaving_since.is_some() {
        Mode::Leaving
    } else if is_paused(memory) {
        Mode::Paused
    } else {
        Mode::Normal
    }
}

/// Whether the cluster is paused, also when the agent is asked to leave.
pub(crate) fn is_paused(memory: &Memory) -> bool {
    memory.rules.pause && !memory.breaks(Mutant::PauseIgnored)
}

pub(crate) fn hold(memory: &Memory) -> Hold {
    let hold = memory.lease.hold(memory.mono());
    if hold == Hold::Over && memory.breaks(Mutant::NoKill) {
        Hold::Ending
    } else {
        hold
    }
}

pub(crate) fn lock(memory: &Memory) -> Lock {
    match hold(memory) {
        Hold::Firm | Hold::Ending => return Lock::Mine,
        Hold::Over => return Lock::Unseen,
        Hold::None | Hold::Lost => {}
    }
    let Some(view) = memory.current_view() else {
        return Lock::Unseen;
    };
    match &view.leader {
        None => Lock::Free,
        // An old view still shows the leadership that was taken from us. A key that a tool wrote over
        // has another name in it, and may keep its generation.
        Some(leader)
            if leader.name == *memory.me() && Some(leader.generation) == memory.lease.lost() =>
        {
            Lock::Unseen
        }
        // So does one from before we gave it up. Only a key that lives with no session at all
        // stays for ever, and may be bound to ours.
        Some(leader)
            if leader.name == *memory.me()
                && memory.lease.has_ended(leader.revision)
                && leader.session.is_some() =>
        {
            Lock::Free
        }
        Some(leader)
            if leader.name == *memory.me() && memory.breaks(Mutant::NameProvesLeadership) =>
        {
            Lock::Mine
        }
        // Taken in our name after our own leadership ended, by a session that is not ours: no
        // earlier run of ours did that.
        Some(leader)
            if leader.name == *memory.me()
                && memory.lease.has_led()
                && leader.session.is_some() =>
        {
            Lock::Other
        }
        Some(leader) if leader.name == *memory.me() => Lock::Stale,
        Some(_) => Lock::Other,
    }
}

pub(crate) fn server(memory: &Memory) -> Option<Server> {
    let local = memory.local.as_ref()?;
    Some(match (&local.data, &local.server) {
        (_, ServerView::Primary(_)) => Server::Primary,
        (_, ServerView::Standby(_)) => Server::Standby,
        (_, ServerView::Starting) => Server::Starting,
        (_, ServerView::Stopping) => Server::Stopping,
        (_, ServerView::Unresponsive) => Server::Unresponsive,
        (DataView::Empty, ServerView::Down { .. }) => Server::Empty,
        (DataView::Leftover, ServerView::Down { .. }) => Server::Leftover,
        (DataView::Wreck(_), ServerView::Down { .. }) => Server::Wreck,
        (DataView::Unusable(_), ServerView::Down { .. }) => Server::Unusable,
        (DataView::Cluster(_), ServerView::Down { .. }) => Server::Down,
    })
}

pub(crate) fn busy(memory: &Memory) -> Busy {
    let Some(running) = memory.work.on(Lane::Server) else {
        return Busy::No;
    };
    match &running.task {
        Task::Stop { .. } | Task::Fence | Task::ProveGone | Task::CopySlots { .. } => {
            Busy::Stopping
        }
        Task::Bootstrap | Task::Clone { .. } | Task::Replace { .. } | Task::Reinitialize { .. } => {
            Busy::Copying
        }
        Task::PrePromote { .. } => Busy::Asking,
        Task::Start { .. }
        | Task::Promote { .. }
        | Task::Rewind { .. }
        | Task::Follow { .. }
        | Task::OpenSession { .. }
        | Task::Renew { .. }
        | Task::CloseSession { .. }
        | Task::Commit(_)
        | Task::PublishHistory { .. }
        | Task::AskPeers { .. }
        | Task::AskPromises { .. }
        | Task::Identify { .. }
        | Task::Checkpoint
        | Task::SyncSlots { .. }
        | Task::WaitFor { .. } => Busy::Working,
    }
}

/// Whether a kill is already under way.
pub(crate) fn is_fencing(memory: &Memory) -> bool {
    memory.work.on(Lane::Server).is_some_and(|running| {
        matches!(
            running.task,
            Task::Fence
                | Task::Stop {
                    mode: StopMode::Immediate
                }
        )
    })
}

pub(crate) fn race(memory: &Memory, fitness: &Fitness) -> Race {
    match fitness {
        Fitness::Fit => Race::Fit,
        Fitness::NeedsPeers => Race::NeedsPeers,
        Fitness::Unfit(_) => match candidate::ask_again_at(memory) {
            // Only a member that was held back by the others' answers asks them again.
            Some(at) if memory.mono() >= at && candidate::standing_vetoes(memory).is_empty() => {
                Race::AskAgain
            }
            Some(_) | None => Race::Unfit,
        },
    }
}

pub(crate) fn made(memory: &Memory) -> Made {
    let Some(view) = &memory.view else {
        return Made::Known;
    };
    let mine = crate::explain::own_system_id(memory);
    match &view.initialize.value {
        Initialize::Known(cluster) => match mine {
            Some(mine) if mine != *cluster && !memory.breaks(Mutant::SystemMismatchIgnored) => {
                Made::Mismatch
            }
            Some(_) | None => Made::Known,
        },
        Initialize::Absent
            if memory.has_known_cluster
                && !memory.breaks(Mutant::ForgottenClusterCountsAsAbsent) =>
        {
            Made::Forgotten
        }
        Initialize::Absent => Made::Absent,
        Initialize::Claimed { session } => {
            let ours = memory.lease.session_name();
            let is_ours = session.is_some() && *session == ours;
            if is_ours || memory.breaks(Mutant::ClaimOfAnotherCounts) {
                Made::ByUs
            } else {
                Made::ByOther
            }
        }
    }
}

pub(crate) fn may_make(memory: &Memory) -> MayMake {
    let has_section = memory.settings.bootstrap_config.is_some();
    if has_section && candidate::standing_vetoes(memory).is_empty() {
        MayMake::Yes
    } else {
        MayMake::No
    }
}

/// A leader is the better source: a backup is taken when nobody has led for one lease time.
pub(crate) fn backup(memory: &Memory) -> Backup {
    let is_overdue = memory
        .unlocked_since
        .is_some_and(|since| memory.mono().since(since) >= memory.rules.ttl);
    if memory.settings.scripts.replica_without_leader && is_overdue {
        Backup::Usable
    } else {
        Backup::None
    }
}

/// Whether this member was asked for by name.
pub(crate) fn asked(memory: &Memory) -> Asked {
    let request = memory
        .view
        .as_ref()
        .and_then(|view| view.failover.value.as_ref())
        .filter(|request| !candidate::is_scheduled(request));
    match request.and_then(|request| request.candidate.as_ref()) {
        Some(candidate) if candidate == memory.me() => Asked::Yes,
        Some(_) | None => Asked::No,
    }
}

/// The best known end of our own WAL.
pub(crate) fn published_or_own_end(memory: &Memory) -> Lsn {
    let published = memory
        .view
        .as_ref()
        .map(|view| view.status.value.optime)
        .unwrap_or_default();
    let own = memory
        .server()
        .and_then(ServerView::position)
        .map(|position| position.lsn);
    own.unwrap_or(published)
}

/// The checkpoint with which the server was shut down in order.
pub(crate) fn shutdown_checkpoint(memory: &Memory) -> Option<Lsn> {
    match &memory.local.as_ref()?.data {
        DataView::Cluster(control) if control.state == ControlState::ShutDown => {
            Some(control.checkpoint.lsn)
        }
        DataView::Cluster(_)
        | DataView::Empty
        | DataView::Leftover
        | DataView::Wreck(_)
        | DataView::Unusable(_) => None,
    }
}

/// Whether a member can take over from our server, which is down.
pub(crate) fn heir(memory: &Memory) -> Successor {
    let since = memory.down_since.unwrap_or_else(|| memory.mono());
    let needed = match shutdown_checkpoint(memory) {
        Some(checkpoint) if !memory.breaks(Mutant::HandsOverWithoutProof) => {
            Needed::Record(checkpoint)
        }
        Some(_) | None => Needed::Near(published_or_own_end(memory)),
    };
    let found = successor(memory, since, needed);
    let is_patience_over = memory.mono().since(since) >= CONFIRM;
    // Without another member there is nobody to wait for.
    let is_alone = memory.known_members().is_empty();
    match found {
        Successor::NotYet if is_patience_over => Successor::Missing,
        Successor::Unasked if is_alone => Successor::Missing,
        Successor::Unasked | Successor::Ready | Successor::NotYet | Successor::Missing => found,
    }
}

fn successor(memory: &Memory, since: crate::time::Mono, needed: Needed) -> Successor {
    let Some(evidence) = memory.evidence_since(since) else {
        return Successor::Unasked;
    };
    if candidate::successors(memory, evidence, needed).is_empty() {
        Successor::NotYet
    } else {
        Successor::Ready
    }
}

/// What the stopped server was, according to its control file.
pub(crate) fn origin(memory: &Memory) -> Origin {
    let was_primary = match memory.control_state() {
        Some(ControlState::ShutDown | ControlState::InProduction) => true,
        Some(ControlState::Other) => memory.was_primary,
        Some(ControlState::ShutDownInRecovery | ControlState::InArchiveRecovery) | None => false,
    };
    if was_primary {
        Origin::Primary
    } else {
        Origin::Standby
    }
}

pub(crate) fn standing(memory: &Memory) -> Standing {
    let (Some(view), Some(ServerView::Primary(primary))) = (&memory.view, memory.server()) else {
        return Standing::Latest;
    };
    if candidate::outdated_vetoes(memory, view, primary.position).is_empty() {
        Standing::Latest
    } else {
        Standing::Outdated
    }
}

pub(crate) fn promotion(memory: &Memory) -> Promotion {
    if candidate::is_held_back(memory) {
        Promotion::Failed
    } else if crate::plan::reserved_timeline(memory).is_none()
        && !memory.breaks(Mutant::NumbersUnreserved)
        // What it takes for its leadership is recorded nowhere.
        && !memory.breaks(Mutant::UnknownAcquireCounts)
    {
        Promotion::Unreserved
    } else if memory.settings.scripts.pre_promote
        && memory.promotion_agreed != memory.lease.leadership()
        && !memory.breaks(Mutant::PromotesWithoutAgreement)
    {
        Promotion::Unagreed
    } else {
        Promotion::Possible
    }
}

pub(crate) fn downfall(memory: &Memory) -> Downfall {
    let is_moving = memory.move_seen.is_some() && shutdown_checkpoint(memory).is_some();
    if origin(memory) == Origin::Standby {
        Downfall::Unpromoted
    } else if is_moving {
        Downfall::HandedOver
    } else if memory.rules.primary_start_timeout.is_zero() || memory.start_failed_at.is_some() {
        Downfall::Elsewhere
    } else {
        Downfall::InPlace
    }
}

pub(crate) fn gone(memory: &Memory) -> Gone {
    if memory.is_gone || memory.breaks(Mutant::ReleaseBeforeProof) {
        Gone::Proven
    } else {
        Gone::Unproven
    }
}

pub(crate) fn leader(memory: &Memory) -> Leader {
    let is_primary = memory.current_view().is_some_and(|view| {
        view.leader.as_ref().is_some_and(|leader| {
            view.members.get(&leader.name).is_some_and(|member| {
                let is_to_be_followed = match remote::is_followed(memory) {
                    true => member.is_standby_leader(),
                    false => member.is_primary(),
                };
                is_to_be_followed && member.endpoint.is_some()
            })
        })
    });
    if is_primary {
        Leader::Primary
    } else {
        Leader::NotYet
    }
}

pub(crate) fn backoff(memory: &Memory, tasks: &[&'static str]) -> Backoff {
    let waits = tasks
        .iter()
        .any(|task| memory.work.must_wait(task, memory.mono()));
    if waits {
        Backoff::Waiting
    } else {
        Backoff::None
    }
}

pub(crate) fn blind(memory: &Memory) -> Blind {
    if memory.view.is_some() {
        Blind::Lost
    } else if memory.mono().since(memory.started_at) < GRACE
        || memory.breaks(Mutant::BlindAgentWaits)
    {
        Blind::NeverYoung
    } else {
        Blind::Never
    }
}

/// When the first look at the store has taken too long.
pub(crate) fn grace_ends_at(memory: &Memory) -> crate::time::Mono {
    memory.started_at.plus(GRACE)
}

pub(crate) fn handover(memory: &Memory) -> Handover {
    let is_recent = memory.released_at.is_some_and(|released_at| {
        memory.mono().since(released_at) < handover_life(memory)
            || memory.breaks(Mutant::HandoverNeverEnds)
    });
    if is_recent {
        Handover::Recent
    } else {
        Handover::None
    }
}

/// How long a former leader stays down for its successor before it starts as a standby of nobody.
pub(crate) fn handover_life(memory: &Memory) -> Duration {
    memory.rules.ttl.min(Duration::from_secs(5))
}
