//! The store cannot be seen, and no lease of ours is known to hold.
//!
//! Nobody becomes writable here. A primary without a lease does not stay one. Nobody is pointed at
//! a leader on another timeline either: the comparison of histories needs the store's view of it.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Backoff, Blind, Kin, Server};

/// The choice.
#[must_use]
pub fn decide(server: Server, blind: Blind, backoff: Backoff, kin: Kin) -> Choice {
    match (server, blind, backoff, kin) {
        (Server::Primary | Server::Unresponsive | Server::Starting, Blind::NeverYoung, _, _)
        | (
            Server::Down | Server::Empty | Server::Leftover | Server::Standby | Server::Stopping,
            Blind::Never | Blind::NeverYoung,
            _,
            _,
        )
        | (Server::Empty | Server::Leftover, Blind::Lost, _, _) => hold(Code::WaitingForStore),
        (Server::Primary, Blind::Never | Blind::Lost, _, _) => {
            act(Act::Fence, Code::PrimaryUnleased)
        }
        (Server::Down, Blind::Lost, Backoff::None, Kin::Same) => {
            act(Act::StartStandby, Code::ReadOnlyWithoutStore)
        }
        (Server::Down, Blind::Lost, Backoff::None, Kin::Other) => {
            act(Act::StartAlone, Code::ReadOnlyWithoutStore)
        }
        (Server::Down, Blind::Lost, Backoff::Waiting, _) => hold(Code::StartFailed),
        (Server::Standby, Blind::Lost, _, _)
        | (
            Server::Starting | Server::Unresponsive | Server::Stopping,
            Blind::Lost | Blind::Never,
            _,
            _,
        ) => hold(Code::StoreUnreachable),
        (Server::Wreck, _, _, _) => hold(Code::WreckAwaitsLeader),
        (Server::Unusable, _, _, _) => hold(Code::DataUnusable),
    }
}
