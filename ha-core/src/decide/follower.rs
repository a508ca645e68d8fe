//! Another member leads.
//!
//! A copy of the data is replaced only when it has diverged and the leader has proven itself.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Leader, Link, Server};

/// The choice while the server runs, or is on its way up or down.
#[must_use]
pub fn running(server: Server, leader: Leader, link: Link) -> Option<Choice> {
    Some(match (server, leader, link) {
        (Server::Primary, _, _) => act(Act::Fence, Code::PrimaryBesideLeader),
        (Server::Standby, _, Link::Streaming) => hold(Code::FollowingLeader),
        (Server::Standby, Leader::NotYet, _) => hold(Code::AwaitingPromotion),
        (Server::Standby, Leader::Primary, Link::Astray) => act(Act::Follow, Code::FollowNewLeader),
        (Server::Standby, Leader::Primary, Link::Attached) => {
            act(Act::Detach, Code::DetachingFirst)
        }
        (Server::Standby, Leader::Primary, Link::Quiet) => hold(Code::CatchingUp),
        (Server::Standby, Leader::Primary, Link::Suspect) => {
            act(Act::Identify, Code::CheckingDivergence)
        }
        (Server::Standby, Leader::Primary, Link::Diverged) => {
            act(Act::Replace, Code::DivergedFromLeader)
        }
        (Server::Standby, Leader::Primary, Link::Newer) => hold(Code::NewerThanLeader),
        (Server::Standby, Leader::Primary, Link::DivergedUnproven) => {
            hold(Code::DivergedLeaderUnproven)
        }
        (Server::Starting, _, _) => hold(Code::StandbyStarting),
        (Server::Stopping, _, _) => hold(Code::StandbyStopping),
        (Server::Unresponsive, _, _) => hold(Code::StandbyUnresponsive),
        (Server::Unusable, _, _) => hold(Code::DataUnusable),
        (Server::Down | Server::Empty | Server::Leftover, _, _) => return None,
    })
}
