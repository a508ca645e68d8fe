//! What a holder of a lock goes through when its store misbehaves: one conduct for both stores.
//!
//! Each fault is a course on three real servers. A holder works as an agent does, on ways of the
//! test's to each server; a rival with ways of its own takes the lock whenever it is free, which is
//! how the store's expiry is seen. After each course there must have been no two owners at one
//! instant, no lost session that need not be lost, no call beyond its limit, no busy loop, and when
//! all is over no task, thread or connection is left.
//!
//! For tests: everything here panics with what was not as it must be. [`Fault::ClockStepped`] is in
//! no list: it needs the right to set the machine's clock, which every other process shares.

mod calls;
mod claims;
mod clock;
mod course;
mod member;
mod meter;
mod report;
mod servers;
mod strike;
mod tools;
mod way;

use std::fmt;
use std::time::Duration;

pub use course::Stage;
pub use report::{Ending, Report};

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// etcd.
    Etcd,
    /// ZooKeeper.
    ZooKeeper,
}

/// What happens to the store or to the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server that the holder talks to is killed, a follower.
    MemberKilled,
    /// The same is stopped with `SIGSTOP`.
    MemberHung,
    /// The store's own leader, which the holder talks to, is stopped.
    LeaderHung,
    /// All servers are killed and come back.
    AllKilled,
    /// Two of three servers are killed and come back.
    QuorumLost,
    /// Nothing arrives on the way to the holder's server.
    Blackholed,
    /// Every answer comes late.
    SlowAnswers,
    /// The connections that a watch has are silent, others are not.
    WatchSilent,
    /// etcd forgets what happened while a watch was silent.
    Compaction,
    /// The session is ended by another tool.
    SessionEnded,
    /// The lock is deleted by another tool.
    LockDeleted,
    /// The lock is overwritten by another tool.
    LockOverwritten,
    /// Requests are carried out and their answers are lost.
    AnswersLost,
    /// The holder's server of ZooKeeper is cut from its leader.
    FollowerCut,
    /// The same, and the holder reaches no other.
    FollowerCutAlone,
    /// The store grants a shorter session than asked for, and is then out of reach for longer.
    ShortGrant,
    /// The store's leader, the only server that the holder reaches, is stopped and goes on when the
    /// others have long elected another one.
    LeaderResumed,
    /// The store is put back to what it was.
    PutBack,
    /// The wall clock of holder, rival and store is set forwards and back by an hour, and backwards
    /// and back.
    ClockStepped,
}

impl Fault {
    /// All that disturb nobody else.
    pub const ALL: [Self; 18] = [
        Self::MemberKilled,
        Self::MemberHung,
        Self::LeaderHung,
        Self::AllKilled,
        Self::QuorumLost,
        Self::Blackholed,
        Self::SlowAnswers,
        Self::WatchSilent,
        Self::Compaction,
        Self::SessionEnded,
        Self::LockDeleted,
        Self::LockOverwritten,
        Self::AnswersLost,
        Self::FollowerCut,
        Self::FollowerCutAlone,
        Self::ShortGrant,
        Self::LeaderResumed,
        Self::PutBack,
    ];

    /// Whether it can happen to this store. etcd has no way between its members that a test could
    /// cut and grants no less than what is asked for; ZooKeeper keeps no history to forget.
    #[must_use]
    pub const fn concerns(self, store: Store) -> bool {
        match self {
            Self::Compaction => matches!(store, Store::Etcd),
            Self::FollowerCut | Self::FollowerCutAlone | Self::ShortGrant => {
                matches!(store, Store::ZooKeeper)
            }
            Self::MemberKilled
            | Self::MemberHung
            | Self::LeaderHung
            | Self::AllKilled
            | Self::QuorumLost
            | Self::Blackholed
            | Self::SlowAnswers
            | Self::WatchSilent
            | Self::SessionEnded
            | Self::LockDeleted
            | Self::LockOverwritten
            | Self::AnswersLost
            | Self::LeaderResumed
            | Self::PutBack
            | Self::ClockStepped => true,
        }
    }

    /// Whether it lasts, whatever is asked for, until the holder's lease is over.
    const fn ends_the_lease(self) -> bool {
        matches!(
            self,
            Self::FollowerCutAlone | Self::ShortGrant | Self::LeaderResumed
        )
    }

    /// The least that the holder must keep.
    const fn promise(self, store: Store) -> Promise {
        match self {
            Self::SlowAnswers | Self::WatchSilent | Self::Compaction => Promise::Claim,
            Self::MemberKilled
            | Self::MemberHung
            | Self::Blackholed
            | Self::AnswersLost
            | Self::FollowerCut
            | Self::ClockStepped => Promise::ClaimAndPace,
            Self::LeaderHung => match store {
                Store::Etcd => Promise::Claim,
                Store::ZooKeeper => Promise::Lock,
            },
            Self::AllKilled | Self::QuorumLost => Promise::Lock,
            Self::SessionEnded
            | Self::LockDeleted
            | Self::LockOverwritten
            | Self::FollowerCutAlone
            | Self::ShortGrant
            | Self::LeaderResumed
            | Self::PutBack => Promise::Nothing,
        }
    }
}

/// What a fault must leave to the holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    /// The lock may go; that it goes to one owner at a time is always asked for.
    Nothing,
    /// The lock stays in the store.
    Lock,
    /// The holder can rely on the lock at every instant.
    Claim,
    /// And each renewal takes no longer than a third of the time to live.
    ClaimAndPace,
}

/// How long a fault lasts and what the holder asks for.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// The fault.
    pub fault: Fault,
    /// How long it lasts; some need longer to show.
    pub lasts: Duration,
    /// The time to live that the holder asks for.
    pub ttl: Duration,
    /// Whether the holder must keep what it can; without it that is only printed.
    pub is_strict: bool,
}

impl Course {
    /// A few seconds, for a machine with other work: the time to live is longer than the shortest
    /// at which the holder keeps its lock.
    #[must_use]
    pub const fn short(fault: Fault) -> Self {
        let ttl = Duration::from_secs(match fault.ends_the_lease() {
            // The rival waits for its end.
            true => 4,
            false => 6,
        });
        Self::strict(fault, Duration::from_secs(3), ttl)
    }

    /// As long as is asked for, at the shortest time to live at which the holder must keep its
    /// lock, and, where the store's own election comes on top, also below it.
    #[must_use]
    pub fn long(store: Store, fault: Fault, lasts: Duration) -> Vec<Self> {
        let shortest = Duration::from_secs(match store {
            Store::Etcd => 3,
            Store::ZooKeeper => 4,
        });
        let with_election = Duration::from_secs(5);
        match fault {
            Fault::LeaderHung => vec![
                Self::strict(fault, lasts, with_election),
                Self {
                    is_strict: false,
                    ..Self::strict(fault, lasts, shortest)
                },
            ],
            Fault::AllKilled | Fault::QuorumLost => vec![Self::strict(fault, lasts, with_election)],
            Fault::MemberKilled
            | Fault::MemberHung
            | Fault::Blackholed
            | Fault::SlowAnswers
            | Fault::WatchSilent
            | Fault::Compaction
            | Fault::SessionEnded
            | Fault::LockDeleted
            | Fault::LockOverwritten
            | Fault::AnswersLost
            | Fault::FollowerCut
            | Fault::FollowerCutAlone
            | Fault::ShortGrant
            | Fault::LeaderResumed
            | Fault::PutBack
            | Fault::ClockStepped => vec![Self::strict(fault, lasts, shortest)],
        }
    }

    const fn strict(fault: Fault, lasts: Duration, ttl: Duration) -> Self {
        // More than the servers grant.
        let asked = Duration::from_secs(30);
        let ttl = if matches!(fault, Fault::ShortGrant) {
            asked
        } else {
            ttl
        };
        Self {
            fault,
            lasts,
            ttl,
            is_strict: true,
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Etcd => "etcd",
            Self::ZooKeeper => "zookeeper",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MemberKilled => "connected member killed",
            Self::MemberHung => "connected member stopped",
            Self::LeaderHung => "leader of the store stopped",
            Self::AllKilled => "all killed and returned",
            Self::QuorumLost => "quorum lost and returned",
            Self::Blackholed => "connection blackholed",
            Self::SlowAnswers => "slow answers",
            Self::WatchSilent => "watch broken in silence",
            Self::Compaction => "compaction behind a silent watch",
            Self::SessionEnded => "session ended behind our back",
            Self::LockDeleted => "leader key deleted by another tool",
            Self::LockOverwritten => "leader key overwritten by another tool",
            Self::AnswersLost => "answers lost after their writes",
            Self::FollowerCut => "our follower cut from its leader",
            Self::FollowerCutAlone => "our only follower cut from its leader",
            Self::ShortGrant => "shorter time to live granted than asked",
            Self::LeaderResumed => "leader of the store resumed, our only one",
            Self::PutBack => "store restored from a backup",
            Self::ClockStepped => "wall clock set forwards and backwards",
        })
    }
}
