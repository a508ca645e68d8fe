//! There is no data, or only the remains of an unfinished copy.
//!
//! A cluster is made once: only by the member whose claim stands in the store.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Backoff, Backup, Gone, Leader, Lock, Made, MayMake};

/// The choice.
#[must_use]
pub fn decide(
    lock: Lock,
    made: Made,
    may_make: MayMake,
    backup: Backup,
    leader: Leader,
    backoff: Backoff,
    gone: Gone,
) -> Choice {
    match (lock, made, may_make, leader, backoff, gone) {
        (Lock::Mine, _, _, _, _, Gone::Unproven) => act(Act::ProveGone, Code::ProvingDeath),
        (Lock::Mine, _, _, _, _, Gone::Proven) => act(Act::Release, Code::ReleasedWithoutData),
        (Lock::Stale, _, _, _, _, _) => hold(Code::NoLeaderToClone),
        (Lock::Unseen, _, _, _, _, _) => hold(Code::WaitingForStore),
        (Lock::Other, _, _, Leader::Primary, Backoff::None, _) => {
            act(Act::Clone, Code::CloneFromLeader)
        }
        (Lock::Other, _, _, Leader::Primary, Backoff::Waiting, _) => hold(Code::CloneFailed),
        (Lock::Other, _, _, Leader::NotYet, _, _) => hold(Code::AwaitingPromotion),
        (Lock::Free, Made::Absent, MayMake::Yes, _, _, _) => {
            act(Act::Claim, Code::ClaimingBootstrap)
        }
        (Lock::Free, Made::Absent, MayMake::No, _, _, _) => hold(Code::BootstrapNotAllowed),
        (Lock::Free, Made::ByUs, _, _, Backoff::None, _) => {
            act(Act::Bootstrap, Code::Bootstrapping)
        }
        (Lock::Free, Made::ByUs, _, _, Backoff::Waiting, _) => hold(Code::BootstrapFailed),
        (Lock::Free, Made::ByOther, _, _, _, _) => hold(Code::BootstrapElsewhere),
        (Lock::Free, Made::Known, _, _, backoff, _) => match (backup, backoff) {
            (Backup::Usable, Backoff::None) => act(Act::Restore, Code::CopyFromBackup),
            (Backup::Usable, Backoff::Waiting) => hold(Code::CloneFailed),
            (Backup::None, _) => hold(Code::NoLeaderToClone),
        },
        (Lock::Free, Made::Mismatch | Made::Forgotten, _, _, _, _) => hold(Code::NoLeaderToClone),
    }
}
