//! What an operator has asked this member's server to go through: a restart, a new copy.
//!
//! Asked before the tables of everyday life and in a pause as well; an operator's wish never makes
//! a server writable without a lease, and never removes data without a witness.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Lock, Mode, Reinit, Restart, Server};

/// The choice for a wanted restart, when it is time for it.
#[must_use]
pub fn restart(mode: Mode, lock: Lock, server: Server, restart: Restart) -> Option<Choice> {
    match (restart, server, lock, mode) {
        (Restart::None, _, _, _) | (_, _, _, Mode::Leaving) => None,
        (
            Restart::Due,
            Server::Primary | Server::Standby | Server::Unresponsive,
            Lock::Mine | Lock::Other,
            Mode::Normal,
        ) => Some(act(Act::BeginRestart, Code::RestartDue)),
        // It cannot take over as it is, so it does not wait for a leader.
        (Restart::Blocked, Server::Standby, Lock::Other | Lock::Free, Mode::Normal) => {
            Some(act(Act::StopFast, Code::ReplayBlocked))
        }
        (Restart::Missed, _, Lock::Mine | Lock::Other, Mode::Normal) => {
            Some(act(Act::DropRestart, Code::RestartMissed))
        }
        (Restart::Listed, Server::Standby, Lock::Other, Mode::Normal | Mode::Paused) => {
            Some(hold(Code::RestartLeavingSync))
        }
        (Restart::NeedsCheckpoint, Server::Primary, Lock::Mine, Mode::Normal | Mode::Paused) => {
            Some(act(Act::Checkpoint, Code::RestartCheckpoint))
        }
        (
            Restart::Wanted,
            Server::Primary | Server::Unresponsive,
            Lock::Mine,
            Mode::Normal | Mode::Paused,
        )
        | (
            Restart::NeedsCheckpoint,
            Server::Unresponsive,
            Lock::Mine,
            Mode::Normal | Mode::Paused,
        )
        | (
            Restart::NeedsCheckpoint | Restart::Wanted,
            Server::Standby | Server::Unresponsive,
            Lock::Other,
            Mode::Normal | Mode::Paused,
        )
        // Nobody races in a pause.
        | (Restart::NeedsCheckpoint | Restart::Wanted, Server::Standby, Lock::Free, Mode::Paused) => {
            Some(act(Act::StopFast, Code::RestartStopping))
        }
        (Restart::Down, Server::Down, Lock::Mine, Mode::Normal | Mode::Paused) => {
            Some(act(Act::StartPrimary, Code::RestartStarting))
        }
        // Everything else waits, or is brought up by the tables for a member that does not lead.
        (
            Restart::Due
            | Restart::Missed
            | Restart::Blocked
            | Restart::Listed
            | Restart::NeedsCheckpoint
            | Restart::Wanted
            | Restart::Down
            | Restart::DownAsStandby,
            Server::Empty
            | Server::Leftover
            | Server::Wreck
            | Server::Unusable
            | Server::Down
            | Server::Starting
            | Server::Stopping
            | Server::Unresponsive
            | Server::Primary
            | Server::Standby,
            Lock::Mine | Lock::Stale | Lock::Other | Lock::Free | Lock::Unseen,
            Mode::Normal | Mode::Paused,
        ) => None,
    }
}

/// The choice for a wanted new copy, when it is time for it.
#[must_use]
pub fn reinit(mode: Mode, lock: Lock, server: Server, reinit: Reinit) -> Option<Choice> {
    let next = match reinit {
        Reinit::None => return None,
        Reinit::Unproven => act(Act::ProveLeader, Code::ReinitChecking),
        Reinit::Proven => act(Act::Reinitialize, Code::Reinitializing),
    };
    match (server, lock, mode) {
        (_, _, Mode::Leaving)
        | (_, Lock::Mine | Lock::Stale | Lock::Free | Lock::Unseen, _)
        // It is killed first, by the rule for a primary beside a leader.
        | (Server::Primary, Lock::Other, Mode::Normal) => None,
        (
            Server::Empty
            | Server::Leftover
            | Server::Wreck
            | Server::Unusable
            | Server::Down
            | Server::Starting
            | Server::Stopping
            | Server::Unresponsive
            | Server::Standby,
            Lock::Other,
            Mode::Normal,
        )
        | (_, Lock::Other, Mode::Paused) => Some(next),
    }
}
