//! The decision tables: words in, one choice out.
//!
//! Each table is a total `match`; no arm catches "everything else", so a new word makes the
//! compiler ask what it means everywhere. The tables cannot look at anything but their words, and
//! cannot do anything. `tests/golden/decisions.md` shows all their rows.

use crate::reason::Code;

pub mod blind;
pub mod busy;
pub mod carry;
pub mod empty;
pub mod errands;
pub mod failsafe;
pub mod fence;
pub mod follower;
pub mod leader;
pub mod leaderless;
pub mod leaving;
pub mod paused;
pub mod standby_leader;
pub mod stopped;
pub mod synchrony;

/// What a row of a table chooses, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What to do.
    pub act: Act,
    /// Why.
    pub code: Code,
}

/// Everything a table can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Hold,
    /// End the machine; the server is left as it is.
    Quit,
    /// Ask who runs under our name.
    AskName,
    /// Ask the other members for their positions.
    AskPeers,
    /// Take the free leadership.
    Acquire,
    /// Bind the leadership of an earlier run to our session.
    Resume,
    /// Say in the store whom commits wait for once the standby is a primary.
    PrepareSync,
    /// Ask the operator's script whether the standby may be promoted.
    PrePromote,
    /// Make the standby a primary.
    Promote,
    /// Keep the cluster's records as its leader.
    Lead,
    /// Give the leadership up.
    Release,
    /// Prove that no process of the server is left.
    ProveGone,
    /// Ask the others and prove that no process is left, at once.
    AskAndProve,
    /// Start the server as a primary on its timeline.
    StartPrimary,
    /// Start the server as a standby of the leader.
    StartStandby,
    /// Start the server as a standby of nobody.
    StartAlone,
    /// Stop the server in order.
    StopFast,
    /// Kill every process of the server.
    Fence,
    /// Point the standby at the leader.
    Follow,
    /// Point the standby at nobody.
    Detach,
    /// Ask the leader's server who it is.
    Identify,
    /// Replace the data by a copy of the leader's.
    Replace,
    /// Ask the leader's server who it is, before data is removed on demand.
    ProveLeader,
    /// Replace the data by a new copy, on demand.
    Reinitialize,
    /// The time of a scheduled restart has come.
    BeginRestart,
    /// The time of a scheduled restart has come, and it is not carried out.
    DropRestart,
    /// Take the data back to where the leader's history left it.
    Rewind,
    /// Copy the leader's data into the empty directory.
    Clone,
    /// Fill the empty directory from a backup.
    Restore,
    /// Make the first copy of the server that a standby cluster follows.
    CopySource,
    /// Start that copy as a standby of the server it was made from.
    StartFromSource,
    /// Claim to make the cluster.
    Claim,
    /// Make the cluster.
    Bootstrap,
    /// Record the new cluster and take its leadership.
    Record,
    /// Copy the files of the leader's logical slots into the data directory of a server that is down
    /// or is stopped for it.
    CopySlots,
    /// Record the identifier of a running primary.
    Adopt,
    /// Write a checkpoint.
    Checkpoint,
    /// Remove a move that cannot be done, or is done.
    ClearMove,
    /// Begin a scheduled move.
    BeginMove,
    /// Cancel what runs on the server's lane.
    Cancel,
    /// End the session with the store.
    CloseSession,
}

impl Act {
    /// Whether the act changes nothing.
    #[must_use]
    pub fn is_hold(self) -> bool {
        matches!(self, Self::Hold | Self::Lead)
    }
}

/// A choice that does nothing.
pub(crate) const fn hold(code: Code) -> Choice {
    Choice {
        act: Act::Hold,
        code,
    }
}

/// A choice that does something.
pub(crate) const fn act(act: Act, code: Code) -> Choice {
    Choice { act, code }
}
