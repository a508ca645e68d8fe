//! Another member leads and has logical slots that our data lacks.
//!
//! They are copied while the server is down: when it is down anyway, or when a standby that streams
//! may be stopped for it. Everything else that a follower has to do comes first.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Carry, Kin, Leader, Link, Server};

/// The choice; none: nothing is done about slots now.
#[must_use]
pub fn decide(
    server: Server,
    leader: Leader,
    link: Link,
    kin: Kin,
    carry: Carry,
) -> Option<Choice> {
    match (server, leader, link, kin, carry) {
        (Server::Standby, Leader::Primary, Link::Streaming, _, Carry::Due) => {
            Some(act(Act::CopySlots, Code::CopyingSlots))
        }
        (Server::Standby, Leader::Primary, Link::Streaming, _, Carry::Listed) => {
            Some(hold(Code::SlotsAwaitSync))
        }
        // On another timeline the leader's slots may lie beyond what we have in common.
        (Server::Down, Leader::Primary, _, Kin::Same, Carry::Due) => {
            Some(act(Act::CopySlots, Code::CopyingSlotsDown))
        }
        (
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
            Leader::Primary | Leader::NotYet,
            _,
            Kin::Same | Kin::Other,
            Carry::None | Carry::AtNextStart | Carry::Listed | Carry::Due,
        ) => None,
    }
}
