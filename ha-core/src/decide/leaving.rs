//! The agent is asked to stop.
//!
//! The server stops first, the successor gets everything, the leadership is handed over, the
//! session ends: in this order. A paused cluster keeps its server and its leader key.

use super::{Act, Choice, act, hold};
use crate::candidate::Successor;
use crate::reason::Code;
use crate::situation::{Gone, Lock, Server};

/// Whether the session with the store is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// It is.
    Open,
    /// It is not.
    Closed,
}

impl SessionState {
    /// All words, for the enumeration of the tables.
    pub const ALL: [Self; 2] = [Self::Open, Self::Closed];
}

/// The choice in a cluster that is not paused.
#[must_use]
pub fn decide(
    lock: Lock,
    server: Server,
    heir: Successor,
    gone: Gone,
    session: SessionState,
) -> Choice {
    match (server, lock, heir, gone, session) {
        (
            Server::Primary | Server::Standby | Server::Starting | Server::Unresponsive,
            _,
            _,
            _,
            _,
        ) => act(Act::StopFast, Code::LeavingStop),
        (Server::Stopping, _, _, _, _) => hold(Code::LeavingStop),
        (Server::Down, Lock::Mine, Successor::Unasked | Successor::NotYet, _, _) => {
            act(Act::AskAndProve, Code::LeavingConfirm)
        }
        (
            Server::Down | Server::Empty | Server::Leftover | Server::Wreck | Server::Unusable,
            Lock::Mine,
            _,
            Gone::Unproven,
            _,
        ) => act(Act::ProveGone, Code::LeavingConfirm),
        // The leader key may still be bound to our session, and goes with it.
        (
            Server::Down | Server::Empty | Server::Leftover | Server::Wreck | Server::Unusable,
            Lock::Stale | Lock::Unseen,
            _,
            Gone::Unproven,
            SessionState::Open,
        ) => act(Act::ProveGone, Code::ProvingDeath),
        (Server::Down, Lock::Mine, Successor::Ready | Successor::Missing, Gone::Proven, _)
        | (
            Server::Empty | Server::Leftover | Server::Wreck | Server::Unusable,
            Lock::Mine,
            _,
            Gone::Proven,
            _,
        ) => act(Act::Release, Code::LeavingRelease),
        (
            Server::Down | Server::Empty | Server::Leftover | Server::Wreck | Server::Unusable,
            Lock::Stale | Lock::Other | Lock::Free | Lock::Unseen,
            _,
            _,
            SessionState::Open,
        ) => act(Act::CloseSession, Code::LeavingSession),
        (
            Server::Down | Server::Empty | Server::Leftover | Server::Wreck | Server::Unusable,
            Lock::Stale | Lock::Other | Lock::Free | Lock::Unseen,
            _,
            _,
            SessionState::Closed,
        ) => act(Act::Quit, Code::Left),
    }
}
