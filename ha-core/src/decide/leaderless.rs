//! Nobody holds the leadership.
//!
//! A standby races only when nothing of its own and nothing of the others speaks against it. A
//! running primary that cannot prove to be the newest stops.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Made, Race, Server};

/// The choice while the server runs, or is on its way up or down.
#[must_use]
pub fn running(server: Server, made: Made, race: Race) -> Option<Choice> {
    Some(match (server, made, race) {
        (Server::Standby, Made::Known, Race::Fit) => act(Act::Acquire, Code::BestCandidate),
        (Server::Standby, Made::Known, Race::NeedsPeers) => act(Act::AskPeers, Code::LeaderMissing),
        (Server::Standby, Made::Known, Race::Unfit) => hold(Code::NotCandidate),
        (Server::Standby, Made::Known, Race::AskAgain) => act(Act::AskPeers, Code::NotCandidate),
        (Server::Standby, Made::Absent, _) => act(Act::Quit, Code::ReplicaWithoutCluster),
        (Server::Standby, Made::Forgotten, _) => hold(Code::StoreForgotCluster),
        (Server::Standby, Made::ByOther | Made::ByUs, _) => hold(Code::BootstrapElsewhere),
        // Of a run that ended before it could say so: what it made is no cluster yet, and another
        // primary may be there any moment.
        (Server::Primary, Made::ByOther, _) => act(Act::Fence, Code::BootstrapLost),
        (Server::Primary, Made::ByUs, _) => act(Act::Record, Code::BootstrapDone),
        (Server::Primary, Made::Absent | Made::Forgotten, _) => {
            act(Act::Adopt, Code::AdoptingCluster)
        }
        (Server::Primary, Made::Known, Race::Fit) => act(Act::Acquire, Code::OwnLeadershipEnded),
        (Server::Primary, Made::Known, Race::NeedsPeers) => act(Act::AskPeers, Code::LeaderMissing),
        (Server::Primary, Made::Known, Race::Unfit | Race::AskAgain) => {
            act(Act::StopFast, Code::StalePrimary)
        }
        (Server::Standby | Server::Primary, Made::Mismatch, _) => {
            act(Act::Quit, Code::SystemIdMismatch)
        }
        (Server::Starting, _, _) => hold(Code::StandbyStarting),
        (Server::Stopping, _, _) => hold(Code::StandbyStopping),
        (Server::Unresponsive, _, _) => hold(Code::StandbyUnresponsive),
        (Server::Wreck, _, _) => hold(Code::WreckAwaitsLeader),
        (Server::Unusable, _, _) => hold(Code::DataUnusable),
        (Server::Down | Server::Empty | Server::Leftover, _, _) => return None,
    })
}
