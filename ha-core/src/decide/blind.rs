//! The store cannot be seen, and no lease of ours is known to hold.
//!
//! Nobody becomes writable here. A primary without a lease does not stay one.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Backoff, Blind, Server};

/// The choice.
#[must_use]
pub fn decide(server: Server, blind: Blind, backoff: Backoff) -> Choice {
    match (server, blind, backoff) {
        (Server::Primary | Server::Unresponsive | Server::Starting, Blind::NeverYoung, _)
        | (
            Server::Down | Server::Empty | Server::Leftover | Server::Standby | Server::Stopping,
            Blind::Never | Blind::NeverYoung,
            _,
        )
        | (Server::Empty | Server::Leftover, Blind::Lost, _) => hold(Code::WaitingForStore),
        (Server::Primary, Blind::Never | Blind::Lost, _) => act(Act::Fence, Code::PrimaryUnleased),
        (Server::Down, Blind::Lost, Backoff::None) => {
            act(Act::StartStandby, Code::ReadOnlyWithoutStore)
        }
        (Server::Down, Blind::Lost, Backoff::Waiting) => hold(Code::StartFailed),
        (Server::Standby, Blind::Lost, _)
        | (
            Server::Starting | Server::Unresponsive | Server::Stopping,
            Blind::Lost | Blind::Never,
            _,
        ) => hold(Code::StoreUnreachable),
        (Server::Wreck, _, _) => hold(Code::WreckAwaitsLeader),
        (Server::Unusable, _, _) => hold(Code::DataUnusable),
    }
}
