//! The server is down and this member does not lead.
//!
//! It comes up as a standby, never as a primary: writing WAL needs the lease.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Backoff, Handover, Kin, Leader, Lock, Made, Origin};

/// The choice.
#[must_use]
pub fn decide(
    lock: Lock,
    leader: Leader,
    made: Made,
    origin: Origin,
    handover: Handover,
    backoff: Backoff,
    kin: Kin,
) -> Choice {
    match (lock, leader, made, origin, handover, backoff) {
        (_, _, Made::Mismatch, _, _, _) => act(Act::Quit, Code::SystemIdMismatch),
        // Also a cluster of our own making whose server died before it was recorded.
        (Lock::Free, _, Made::Absent | Made::Forgotten | Made::ByUs, Origin::Primary, _, _) => {
            act(Act::Adopt, Code::AdoptingCluster)
        }
        (Lock::Free, _, Made::Absent, Origin::Standby, _, _) => {
            act(Act::Quit, Code::ReplicaWithoutCluster)
        }
        (Lock::Free, _, Made::ByOther | Made::ByUs, _, _, _) => hold(Code::BootstrapElsewhere),
        (Lock::Free | Lock::Other, _, _, _, _, Backoff::Waiting) => hold(Code::StartFailed),
        (Lock::Other, Leader::Primary, _, _, _, Backoff::None) => match kin {
            Kin::Same => act(Act::StartStandby, Code::StartFollowing),
            Kin::Other => act(Act::StartAlone, Code::StartToCompare),
        },
        (Lock::Free, _, Made::Known | Made::Forgotten, _, Handover::Recent, Backoff::None)
        | (Lock::Other, Leader::NotYet, _, _, Handover::Recent, Backoff::None) => {
            hold(Code::AwaitingSuccessor)
        }
        (Lock::Other, Leader::NotYet, _, _, Handover::None, Backoff::None)
        | (Lock::Free, _, Made::Known | Made::Forgotten, _, Handover::None, Backoff::None) => {
            act(Act::StartAlone, Code::StartWithoutLeader)
        }
        (Lock::Mine | Lock::Stale | Lock::Unseen, _, _, _, _, _) => hold(Code::GettingStarted),
    }
}
