//! This member leads, and the store does not confirm it.
//!
//! A primary goes on by what the others have promised. What is not a primary is the business of the
//! other tables: nothing here stops or starts a server, and the end of time is `fence`'s.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Refuge, Server};

/// The choice, when failsafe mode has a say.
#[must_use]
pub fn decide(server: Server, refuge: Refuge) -> Option<Choice> {
    Some(match (server, refuge) {
        (_, Refuge::None) => return None,
        (Server::Primary, Refuge::Unlisted) => hold(Code::FailsafeUnlisted),
        (Server::Primary, Refuge::Asking) => hold(Code::FailsafeAsking),
        (Server::Primary, Refuge::Promised) => hold(Code::FailsafePromised),
        (Server::Primary, Refuge::Refused) => hold(Code::FailsafeRefused),
        (Server::Primary, Refuge::KeyGone) => act(Act::Acquire, Code::FailsafeReturning),
        (Server::Primary, Refuge::KeyUnbound) => act(Act::Resume, Code::ResumingLease),
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
            Refuge::Unlisted
            | Refuge::Asking
            | Refuge::Promised
            | Refuge::Refused
            | Refuge::KeyGone
            | Refuge::KeyUnbound,
        ) => return None,
    })
}
