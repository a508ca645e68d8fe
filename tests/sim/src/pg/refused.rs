//! Why a server does not do what it is told.

use std::fmt;

/// Why an order had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// There is no cluster on the disk.
    NoCluster,
    /// The data directory holds something already.
    Occupied,
    /// The data directory holds something that nobody may touch.
    Unusable,
    /// Its processes run.
    IsRunning,
    /// Its postmaster is gone, and its other processes are not.
    OrphansLive,
    /// It does not run.
    NotRunning,
    /// It is no primary that accepts writes.
    NotPrimary,
    /// It is no running standby.
    NotStandby,
    /// What should come to its end has not been begun.
    NotBegun,
    /// Its processes stand still: the same may work once they move again.
    Frozen,
    /// A stop in order is not heard.
    NotHeard,
    /// The start fails.
    RefusesToStart,
    /// The disk is full.
    DiskFull,
    /// The copy breaks off.
    CopyFails,
    /// The source does not answer.
    SourceSilent,
    /// The source is no primary.
    SourceNotPrimary,
    /// The number that it should take is not above its own.
    NumberTaken,
    /// The source is another cluster.
    OtherSystem,
    /// WAL that it takes has been removed.
    WalGone,
    /// The primary is on another timeline than the newest WAL here.
    OtherTimeline,
}

impl Refused {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCluster => "there is no cluster",
            Self::Occupied => "the data directory is not empty",
            Self::Unusable => "the data directory is no database",
            Self::IsRunning => "the server runs",
            Self::OrphansLive => "pre-existing shared memory block is still in use",
            Self::NotRunning => "the server does not run",
            Self::NotPrimary => "the server is no writable primary",
            Self::NotStandby => "the server is no running standby",
            Self::NumberTaken => "the timeline's number is taken",
            Self::NotBegun => "nothing of the kind was begun",
            Self::Frozen => "the server does not move",
            Self::NotHeard => "the server does not hear the order",
            Self::RefusesToStart => "the server does not start",
            Self::DiskFull => "no space left on device",
            Self::CopyFails => "the copy broke off",
            Self::SourceSilent => "the source does not answer",
            Self::SourceNotPrimary => "the source is no primary",
            Self::OtherTimeline => "the newest WAL is on another timeline than the primary",
            Self::OtherSystem => "the source has another system identifier",
            Self::WalGone => "requested WAL segment has already been removed",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Refused {}

/// Why a standby cannot stream from an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoStream {
    /// We are no running standby, or do not move.
    NotStandby,
    /// We still replay what is on our own disk.
    OwnWalFirst,
    /// The upstream answers nobody.
    UpstreamSilent,
    /// It is another cluster.
    OtherSystem,
    /// The slot that we are told to use is not there.
    NoSlot,
    /// The upstream is on an older timeline than we are.
    UpstreamOnOlderTimeline,
    /// We have what the upstream's history lacks.
    Diverged,
    /// The upstream has not come as far as we have.
    UpstreamBehind,
    /// The upstream has removed what we would need next.
    WalGone,
}

impl NoStream {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStandby => "no running standby",
            Self::OwnWalFirst => "replays its own WAL first",
            Self::UpstreamSilent => "the upstream does not answer",
            Self::OtherSystem => "the upstream has another system identifier",
            Self::NoSlot => "the replication slot does not exist",
            Self::UpstreamOnOlderTimeline => "the upstream is on an older timeline",
            Self::Diverged => "the upstream's history lacks what is here",
            Self::UpstreamBehind => "the upstream is behind",
            Self::WalGone => "requested WAL segment has already been removed",
        }
    }
}

impl fmt::Display for NoStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for NoStream {}
