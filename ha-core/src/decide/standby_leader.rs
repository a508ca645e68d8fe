//! This member holds the leadership of a standby cluster.
//!
//! Its server follows the source outside and is never promoted: no row here makes it writable. Data
//! that has diverged is rewound where that is permitted, and otherwise left alone: a standby cluster
//! is never copied anew by itself.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Backoff, Gone, Kin, Link, Move, Server, Way};

/// The choice while the server runs, or is on its way up or down.
#[must_use]
pub fn running(server: Server, movement: Move, link: Link, way: Way) -> Option<Choice> {
    Some(match (server, movement, link) {
        // It was the primary of a cluster that is a standby cluster from here on. Its last records
        // are written and sent before it ends.
        (Server::Primary, _, _) => act(Act::StopFast, Code::DemotingCluster),
        (Server::Standby, Move::Unchecked, _) => act(Act::AskPeers, Code::MoveChecking),
        (Server::Standby, Move::Due, _) => act(Act::BeginMove, Code::MoveDue),
        (Server::Standby, Move::Done, _) => act(Act::ClearMove, Code::MoveDone),
        (Server::Standby, Move::Impossible, _) => act(Act::ClearMove, Code::MoveImpossible),
        // A standby has nothing that its successor does not get from the source.
        (Server::Standby, Move::Unconnected | Move::NeedsCheckpoint | Move::Ready, _) => {
            act(Act::Release, Code::StandbyLeaderMoved)
        }
        (Server::Standby, Move::None, Link::Streaming) => hold(Code::StandbyLeading),
        // Nobody offers itself to a leader.
        (Server::Standby, Move::None, Link::Quiet | Link::Offered | Link::Rerouted) => {
            hold(Code::CatchingUp)
        }
        (Server::Standby, Move::None, Link::Astray) => act(Act::Follow, Code::FollowNewLeader),
        (Server::Standby, Move::None, Link::Attached) => act(Act::Detach, Code::DetachingFirst),
        (Server::Standby, Move::None, Link::Suspect) => {
            act(Act::Identify, Code::CheckingDivergence)
        }
        (Server::Standby, Move::None, Link::Diverged) => match way {
            Way::Rewind => act(Act::Rewind, Code::RewindingToLeader),
            Way::Soon => hold(Code::RewindAwaitsCheckpoint),
            Way::Again => hold(Code::RewindFailed),
            Way::Copy | Way::Barred => hold(Code::DivergedBarred),
        },
        (Server::Standby, Move::None, Link::DivergedUnproven | Link::Newer) => {
            hold(Code::DivergedLeaderUnproven)
        }
        (Server::Standby, Move::None, Link::Starved) => hold(Code::MissingWal),
        (Server::Starting, _, _) => hold(Code::LeaderStarting),
        (Server::Stopping, _, _) => hold(Code::LeaderStopping),
        (Server::Unresponsive, _, _) => hold(Code::LeaderUnresponsive),
        (
            Server::Down | Server::Empty | Server::Leftover | Server::Wreck | Server::Unusable,
            _,
            _,
        ) => return None,
    })
}

/// The choice when the server is down, or there is no data that could be started.
#[must_use]
pub fn down(server: Server, kin: Kin, gone: Gone, backoff: Backoff) -> Choice {
    match (server, gone, backoff, kin) {
        (Server::Down, _, Backoff::None, Kin::Same) => act(Act::StartStandby, Code::StartFollowing),
        (Server::Down, _, Backoff::None, Kin::Other) => act(Act::StartAlone, Code::StartToCompare),
        (_, Gone::Unproven, _, _) => act(Act::ProveGone, Code::ProvingDeath),
        // Another member may have a server that starts.
        (Server::Down, Gone::Proven, Backoff::Waiting, _) => {
            act(Act::Release, Code::StandbyLeaderReleased)
        }
        (
            Server::Empty
            | Server::Leftover
            | Server::Wreck
            | Server::Unusable
            | Server::Starting
            | Server::Stopping
            | Server::Unresponsive
            | Server::Primary
            | Server::Standby,
            Gone::Proven,
            _,
            _,
        ) => act(Act::Release, Code::ReleasedWithoutData),
    }
}

/// The choice while the claim to make the cluster is ours: the first copy of the source is made,
/// started, and recorded with the leadership.
#[must_use]
pub fn making(server: Server, kin: Kin, backoff: Backoff) -> Option<Choice> {
    Some(match (server, backoff, kin) {
        (Server::Empty | Server::Leftover, Backoff::None, _) => {
            act(Act::CopySource, Code::CopyingSource)
        }
        (Server::Empty | Server::Leftover, Backoff::Waiting, _) => hold(Code::CloneFailed),
        (Server::Down, Backoff::Waiting, _) => hold(Code::StartFailed),
        (Server::Down, Backoff::None, Kin::Same) => act(Act::StartFromSource, Code::StartingCopy),
        // Data that was here before may have diverged: it is compared first.
        (Server::Down, Backoff::None, Kin::Other) => act(Act::StartAlone, Code::StartToCompare),
        (Server::Standby, _, _) => act(Act::Record, Code::BootstrapDone),
        (Server::Starting, _, _) => hold(Code::StandbyStarting),
        (Server::Stopping, _, _) => hold(Code::StandbyStopping),
        (Server::Unresponsive, _, _) => hold(Code::StandbyUnresponsive),
        (Server::Primary | Server::Wreck | Server::Unusable, _, _) => return None,
    })
}

/// The choice for data that is there although the store knows no cluster: a copy of an earlier run,
/// or a replica that becomes the first of a standby cluster.
#[must_use]
pub fn found(server: Server) -> Option<Choice> {
    match server {
        Server::Standby | Server::Down => Some(act(Act::Claim, Code::ClaimingBootstrap)),
        Server::Empty
        | Server::Leftover
        | Server::Wreck
        | Server::Unusable
        | Server::Starting
        | Server::Stopping
        | Server::Unresponsive
        | Server::Primary => None,
    }
}

/// The choice in a pause, for a standby that leads: it goes on following the source.
#[must_use]
pub fn paused(link: Link) -> Choice {
    match link {
        Link::Streaming => hold(Code::StandbyLeading),
        Link::Astray => act(Act::Follow, Code::FollowNewLeader),
        Link::Attached => act(Act::Detach, Code::DetachingFirst),
        Link::Suspect => act(Act::Identify, Code::CheckingDivergence),
        Link::Quiet
        | Link::Offered
        | Link::Rerouted
        | Link::Diverged
        | Link::DivergedUnproven
        | Link::Newer
        | Link::Starved => hold(Code::Paused),
    }
}
