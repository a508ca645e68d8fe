//! What keeps a member from leading, and who does not hold back for a leader, one by one.

use alloc::string::String;
use core::fmt;

use serde::Serialize;

use crate::value::{Bytes, MemberName, Position, Timeline};

/// A member that does not hold back for a leader without the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unpromised {
    /// Who.
    pub name: MemberName,
    /// Why, in its words.
    pub why: String,
}

/// Members and why they do not hold back, as one text.
pub(super) struct Unpromiseds<'a>(pub(super) &'a [Unpromised]);

impl fmt::Display for Unpromiseds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, one) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} ({})", one.name, one.why)?;
        }
        Ok(())
    }
}

/// One thing that keeps a member from leading. All of them are listed, not only the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "veto", rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "the fields are what the sentence beside them says"
)]
pub enum Veto {
    /// Its operator said never.
    TaggedNoFailover,
    /// It takes no WAL by streaming.
    TaggedNoStream,
    /// A watchdog is required and none is served.
    WatchdogRequired,
    /// Quorum commit is configured, or in force.
    QuorumMode,
    /// Synchronous replication is in force, and this member may lack commits.
    NotSynchronous { leader: MemberName },
    /// A failsafe topology exists and does not name this member.
    NotInFailsafe,
    /// It has promised a leader without the store to hold back.
    Promised { to: MemberName },
    /// Its agent has just started, and may have promised before.
    MayHavePromised,
    /// Too far behind the last known position of the leader.
    Lagging { by: Bytes, limit: Bytes },
    /// On an older timeline than the cluster.
    TimelineBehind { mine: Timeline, cluster: Timeline },
    /// Compared with the last leader, which ran on an earlier timeline: its rows are not here.
    NewerThanLeader { mine: Timeline, leader: Timeline },
    /// It is on a timeline that the store has never heard of, as far as it remembers.
    NewerThanCluster { mine: Timeline, cluster: Timeline },
    /// The end of the local WAL is not reached: the position is not known.
    WalEndNotReached,
    /// Our server was started with smaller settings than the primary had.
    ReplayBlocked,
    /// Another member is ahead.
    PeerAhead { name: MemberName, at: Position },
    /// Another member answers as a primary.
    PeerIsPrimary { name: MemberName },
    /// Another member is equal and goes first by its priority.
    PeerPreferred { name: MemberName },
    /// None of the others answered yet: they are asked once more.
    PeersSilent,
    /// A switchover names another candidate.
    DeferringTo { candidate: MemberName },
    /// This member has just stepped down by request.
    SteppedDown,
    /// A recent promotion failed.
    PromotionFailed,
    /// Another member led after this one.
    LedSince { name: MemberName },
    /// No `bootstrap` section in the configuration.
    NoBootstrapSection,
    /// The cluster is paused.
    Paused,
}

impl fmt::Display for Veto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TaggedNoFailover => f.write_str("tagged nofailover"),
            Self::TaggedNoStream => f.write_str("tagged nostream"),
            Self::WatchdogRequired => f.write_str("a watchdog is required and not served yet"),
            Self::QuorumMode => f.write_str("synchronous_mode quorum is not served yet"),
            Self::NotSynchronous { leader } => {
                write!(
                    f,
                    "not named in the sync key of {leader}: commits may be missing here"
                )
            }
            Self::NotInFailsafe => f.write_str("not named in the failsafe topology"),
            Self::Promised { to } => write!(f, "has promised {to} to hold back"),
            Self::MayHavePromised => f.write_str(
                "has just started and may have promised before to hold back in failsafe mode",
            ),
            Self::Lagging { by, limit } => write!(f, "lagging by {by}, limit {limit}"),
            Self::TimelineBehind { mine, cluster } => {
                write!(f, "on timeline {mine}, the cluster is on {cluster}")
            }
            Self::NewerThanLeader { mine, leader } => {
                write!(
                    f,
                    "apart from the last leader: on timeline {mine}, it was on {leader}"
                )
            }
            Self::NewerThanCluster { mine, cluster } => {
                write!(
                    f,
                    "on timeline {mine}, the store knows none after {cluster}: it was put back"
                )
            }
            Self::ReplayBlocked => f.write_str("our replay stands still until a restart"),
            Self::WalEndNotReached => f.write_str("the end of our own WAL is not reached yet"),
            Self::PeerAhead { name, at } => write!(f, "{name} is ahead at {at}"),
            Self::PeerIsPrimary { name } => write!(f, "{name} still answers as primary"),
            Self::PeerPreferred { name } => write!(f, "{name} is equal and has a higher priority"),
            Self::PeersSilent => f.write_str("no other member answered yet"),
            Self::DeferringTo { candidate } => write!(f, "a switchover names {candidate}"),
            Self::SteppedDown => f.write_str("has just stepped down by request"),
            Self::PromotionFailed => f.write_str("a recent promotion failed"),
            Self::LedSince { name } => write!(f, "{name} has led since"),
            Self::NoBootstrapSection => f.write_str("no bootstrap section in its configuration"),
            Self::Paused => f.write_str("the cluster is paused"),
        }
    }
}

/// Vetoes as one text.
pub(crate) struct Vetoes<'a>(pub(crate) &'a [Veto]);

impl fmt::Display for Vetoes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, veto) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{veto}")?;
        }
        Ok(())
    }
}
