//! Another member leads.
//!
//! A copy of the data is rewound or replaced only when it has diverged and the leader has proven
//! itself, and only in the way that the settings permit.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Leader, Link, Server, Way};

/// The choice while the server runs, is on its way up or down, or is a wreck.
#[must_use]
pub fn running(server: Server, leader: Leader, link: Link, way: Way) -> Option<Choice> {
    Some(match (server, leader, link, way) {
        (Server::Primary, _, _, _) => act(Act::Fence, Code::PrimaryBesideLeader),
        (Server::Standby, _, Link::Streaming, _) => hold(Code::FollowingLeader),
        (Server::Standby, Leader::NotYet, _, _) => hold(Code::AwaitingPromotion),
        (Server::Standby, Leader::Primary, Link::Astray, _) => {
            act(Act::Follow, Code::FollowNewLeader)
        }
        (Server::Standby, Leader::Primary, Link::Attached, _) => {
            act(Act::Detach, Code::DetachingFirst)
        }
        (Server::Standby, Leader::Primary, Link::Offered, _) => {
            act(Act::Identify, Code::AskingRelay)
        }
        (Server::Standby, Leader::Primary, Link::Rerouted, _) => {
            act(Act::Detach, Code::DetachingForRelay)
        }
        (Server::Standby, Leader::Primary, Link::Quiet, _) => hold(Code::CatchingUp),
        (Server::Standby, Leader::Primary, Link::Suspect, _) => {
            act(Act::Identify, Code::CheckingDivergence)
        }
        (Server::Standby, Leader::Primary, Link::Diverged, way) => diverged(way),
        (Server::Standby, Leader::Primary, Link::Newer, _) => hold(Code::NewerThanLeader),
        (Server::Standby, Leader::Primary, Link::DivergedUnproven, _) => {
            hold(Code::DivergedLeaderUnproven)
        }
        (Server::Standby, Leader::Primary, Link::Starved, Way::Copy) => {
            act(Act::Replace, Code::MissingWalReplaced)
        }
        (
            Server::Standby,
            Leader::Primary,
            Link::Starved,
            Way::Rewind | Way::Soon | Way::Again | Way::Barred,
        ) => hold(Code::MissingWal),
        (Server::Wreck, Leader::Primary, Link::Suspect, _) => {
            act(Act::Identify, Code::WreckAwaitsLeader)
        }
        (Server::Wreck, Leader::Primary, Link::Diverged, Way::Copy) => {
            act(Act::Replace, Code::WreckReplaced)
        }
        (
            Server::Wreck,
            Leader::Primary,
            Link::Diverged,
            Way::Rewind | Way::Soon | Way::Again | Way::Barred,
        ) => hold(Code::WreckBarred),
        (Server::Wreck, Leader::NotYet, _, _)
        | (
            Server::Wreck,
            Leader::Primary,
            Link::Astray
            | Link::Attached
            | Link::Offered
            | Link::Rerouted
            | Link::Streaming
            | Link::Quiet
            | Link::DivergedUnproven
            | Link::Newer
            | Link::Starved,
            _,
        ) => hold(Code::WreckAwaitsLeader),
        (Server::Starting, _, _, _) => hold(Code::StandbyStarting),
        (Server::Stopping, _, _, _) => hold(Code::StandbyStopping),
        (Server::Unresponsive, _, _, _) => hold(Code::StandbyUnresponsive),
        (Server::Unusable, _, _, _) => hold(Code::DataUnusable),
        (Server::Down | Server::Empty | Server::Leftover, _, _, _) => return None,
    })
}

/// Our data has diverged, and the leader is proven.
fn diverged(way: Way) -> Choice {
    match way {
        Way::Rewind => act(Act::Rewind, Code::RewindingToLeader),
        Way::Soon => hold(Code::RewindAwaitsCheckpoint),
        Way::Again => hold(Code::RewindFailed),
        Way::Copy => act(Act::Replace, Code::DivergedFromLeader),
        Way::Barred => hold(Code::DivergedBarred),
    }
}
