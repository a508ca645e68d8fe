//! The cluster is paused: people are at work on PostgreSQL.
//!
//! Nothing is started, stopped, promoted or replaced. Leases are kept where they describe what
//! runs, and given up where they do not.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Gone, Leader, Link, Lock, Made, Server, Standing};

/// The choice.
#[must_use]
pub fn decide(
    lock: Lock,
    server: Server,
    made: Made,
    gone: Gone,
    leader: Leader,
    link: Link,
    standing: Standing,
) -> Choice {
    match (lock, server, made, gone, leader, link) {
        (Lock::Mine, Server::Down, _, Gone::Unproven, _, _) => {
            // Orphans of a dead postmaster still write: nobody may lead beside them.
            act(Act::ProveGone, Code::ProvingDeath)
        }
        (Lock::Mine, Server::Down, _, Gone::Proven, _, _)
        | (
            Lock::Mine,
            Server::Standby | Server::Empty | Server::Leftover | Server::Wreck | Server::Unusable,
            _,
            _,
            _,
            _,
        ) => act(Act::Release, Code::PausedRelease),
        (Lock::Stale, Server::Primary, _, _, _, _) => act(Act::Resume, Code::ResumingLease),
        (Lock::Free, Server::Primary, Made::Known, _, _, _) => match standing {
            Standing::Latest => act(Act::Acquire, Code::PausedAcquire),
            // Its leadership would make all others copy it and lose what they have since.
            Standing::Outdated => hold(Code::Paused),
        },
        // A store that was wiped is told again which cluster this is, and the pause with it.
        (Lock::Free, Server::Primary, Made::Absent | Made::Forgotten, _, _, _) => {
            act(Act::Adopt, Code::AdoptingCluster)
        }
        (Lock::Other, Server::Standby, _, _, Leader::Primary, Link::Astray) => {
            act(Act::Follow, Code::FollowNewLeader)
        }
        (Lock::Other, Server::Standby, _, _, Leader::Primary, Link::Attached) => {
            act(Act::Detach, Code::DetachingFirst)
        }
        (Lock::Other, Server::Standby, _, _, Leader::Primary, Link::Offered) => {
            act(Act::Identify, Code::AskingRelay)
        }
        (Lock::Other, Server::Standby, _, _, Leader::Primary, Link::Rerouted) => {
            act(Act::Detach, Code::DetachingForRelay)
        }
        (Lock::Other, Server::Standby, _, _, Leader::Primary, Link::Suspect) => {
            act(Act::Identify, Code::CheckingDivergence)
        }
        (
            Lock::Mine,
            Server::Primary | Server::Starting | Server::Stopping | Server::Unresponsive,
            _,
            _,
            _,
            _,
        )
        | (
            Lock::Stale,
            Server::Empty
            | Server::Leftover
            | Server::Wreck
            | Server::Unusable
            | Server::Down
            | Server::Starting
            | Server::Stopping
            | Server::Unresponsive
            | Server::Standby,
            _,
            _,
            _,
            _,
        )
        | (Lock::Free | Lock::Other | Lock::Unseen, _, _, _, _, _) => hold(Code::Paused),
    }
}
