//! This member holds the leadership.
//!
//! The leadership is given up only when no process of the server is left, and in a planned move
//! only when the successor has everything.

use super::{Act, Choice, act, hold};
use crate::candidate::Successor;
use crate::reason::Code;
use crate::situation::{Downfall, Gone, Move, Overdue, Promotion, Server, Synchrony};

/// The words that matter to a leader whose server is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fall {
    /// How it went down.
    pub downfall: Downfall,
    /// Whether somebody can take over.
    pub heir: Successor,
    /// Whether nothing of it is left.
    pub gone: Gone,
}

/// The choice while the server runs, or is on its way up or down.
#[must_use]
pub fn running(
    server: Server,
    movement: Move,
    promotion: Promotion,
    overdue: Overdue,
    synchrony: Synchrony,
) -> Option<Choice> {
    Some(match (server, movement, promotion, synchrony) {
        (Server::Primary, Move::None, _, Synchrony::Clear | Synchrony::Unprepared) => {
            act(Act::Lead, Code::Leading)
        }
        (Server::Primary, Move::None, _, Synchrony::Blocked) => {
            act(Act::Lead, Code::LeadingBlocked)
        }
        (Server::Primary, Move::Unchecked, _, _) => act(Act::AskPeers, Code::MoveChecking),
        (Server::Primary, Move::Due, _, _) => act(Act::BeginMove, Code::MoveDue),
        (Server::Primary, Move::Done, _, _) => act(Act::ClearMove, Code::MoveDone),
        (Server::Primary, Move::Impossible, _, _) => act(Act::ClearMove, Code::MoveImpossible),
        (Server::Primary, Move::Unconnected, _, _) => hold(Code::MoveWaiting),
        (Server::Primary, Move::NeedsCheckpoint, _, _) => {
            act(Act::Checkpoint, Code::MoveCheckpoint)
        }
        (Server::Primary, Move::Ready, _, _) => act(Act::StopFast, Code::MoveStopping),
        // Another member that is promoted next would begin the same one.
        (Server::Standby, _, Promotion::Unreserved, _) => act(Act::Resume, Code::ReservingTimeline),
        (Server::Standby, _, Promotion::Unagreed, _) => {
            act(Act::PrePromote, Code::AskingAboutPromotion)
        }
        // Nobody else may take over once the first commit is acknowledged: that is said before.
        (Server::Standby, _, Promotion::Possible, Synchrony::Unprepared) => {
            act(Act::PrepareSync, Code::SyncBeforePromotion)
        }
        (Server::Standby, _, Promotion::Possible, Synchrony::Clear | Synchrony::Blocked) => {
            act(Act::Promote, Code::LeaseAcquired)
        }
        // It may still become primary: the leadership is kept until it is down.
        (Server::Standby, _, Promotion::Failed, _) => {
            act(Act::StopFast, Code::ReleasedAfterFailedPromotion)
        }
        (Server::Starting, _, _, _) => match overdue {
            Overdue::No => hold(Code::LeaderStarting),
            Overdue::Unasked => act(Act::AskPeers, Code::StartSlow),
            Overdue::Replaceable => act(Act::Fence, Code::StartOverdue),
        },
        (Server::Stopping, _, _, _) => hold(Code::LeaderStopping),
        (Server::Unresponsive, _, _, _) => hold(Code::LeaderUnresponsive),
        (
            Server::Down | Server::Empty | Server::Leftover | Server::Wreck | Server::Unusable,
            _,
            _,
            _,
        ) => return None,
    })
}

/// The choice when the server is down.
#[must_use]
pub fn down(fall: Fall) -> Choice {
    let Fall {
        downfall,
        heir,
        gone,
    } = fall;
    match (downfall, heir, gone) {
        (Downfall::HandedOver, Successor::Unasked | Successor::NotYet, _) => {
            act(Act::AskAndProve, Code::MoveConfirming)
        }
        (Downfall::HandedOver, Successor::Ready, Gone::Unproven) => {
            act(Act::ProveGone, Code::MoveConfirming)
        }
        (Downfall::HandedOver, Successor::Ready, Gone::Proven) => {
            act(Act::Release, Code::MoveReleased)
        }
        (Downfall::HandedOver, Successor::Missing, _) => {
            act(Act::StartPrimary, Code::MoveAbandoned)
        }

        (Downfall::InPlace, _, _) => act(Act::StartPrimary, Code::RestartInPlace),

        (Downfall::Elsewhere, Successor::Unasked, _) => {
            act(Act::AskAndProve, Code::AskingSuccessors)
        }
        (Downfall::Elsewhere, Successor::Ready, Gone::Unproven) => {
            act(Act::ProveGone, Code::ProvingDeath)
        }
        (Downfall::Elsewhere, Successor::Ready, Gone::Proven) => {
            act(Act::Release, Code::ReleasedAfterCrash)
        }
        (Downfall::Elsewhere, Successor::NotYet | Successor::Missing, _) => {
            act(Act::StartPrimary, Code::NoSuccessor)
        }

        (Downfall::Unpromoted, _, Gone::Unproven) => act(Act::ProveGone, Code::ProvingDeath),
        (Downfall::Unpromoted, _, Gone::Proven) => act(Act::Release, Code::ReleasedUnpromoted),
    }
}
