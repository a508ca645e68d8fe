//! What has happened in the world, as the invariants are told it.
//!
//! Facts come from the models. What a machine believes is told only where the fact is about the
//! machine itself: its decisions and its tasks.

use herdsman_ha_core::{ControlState, Lane, OpId, PeerServer, SystemId};

use crate::ids::Node;
use crate::pg::Wal;
use crate::store::Change;

/// Why data is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destruction {
    /// The machine asked for its replacement by a copy.
    Replaced,
    /// A copy was made anew because somebody asked for it.
    OnDemand,
    /// The machine asked for its rewind.
    Rewound,
    /// A copy was begun in a directory that was empty or held remains.
    CopiedOver,
    /// The disk was lost: nobody's decision.
    DiskLost,
}

/// One thing that has happened.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A client's write was acknowledged: its number in `World::rows`.
    Acknowledged(usize),
    /// A server left recovery by promotion.
    Promoted {
        /// Whose.
        node: Node,
        /// What it had when it was told to.
        from: Wal,
        /// Its new timeline.
        to: Wal,
    },
    /// A server came up as a primary without a promotion.
    StartedAsPrimary {
        /// Whose.
        node: Node,
        /// How its control file was left.
        was: ControlState,
        /// What it has.
        wal: Wal,
    },
    /// A server came up as the primary of a new cluster.
    Bootstrapped {
        /// Whose.
        node: Node,
        /// The new cluster.
        system: SystemId,
    },
    /// Data was removed from a member's disk.
    Destroyed {
        /// Whose.
        node: Node,
        /// What was there.
        was: Option<Wal>,
        /// Why.
        by: Destruction,
    },
    /// A copy was completed.
    Copied {
        /// Whose.
        node: Node,
        /// From whom.
        from: Node,
    },
    /// Logical slots of a primary were put into the data of a server that is down.
    SlotsCopied {
        /// Whose data.
        node: Node,
        /// Whose slots.
        from: Node,
    },
    /// A standby took WAL that does not belong to what it has.
    Corrupted {
        /// Whose.
        node: Node,
    },
    /// A standby was told whom to stream from.
    Pointed {
        /// Whose.
        node: Node,
        /// Whom.
        upstream: Node,
    },
    /// A key of the store changed.
    Changed(Change),
    /// A machine decided something else than before.
    Decided {
        /// Whose.
        node: Node,
        /// The code of its reason.
        code: &'static str,
        /// Whether its sentence says anything.
        is_explained: bool,
    },
    /// A machine started a task.
    TaskStarted {
        /// Whose.
        node: Node,
        /// Its number.
        op: OpId,
        /// Its name.
        name: &'static str,
        /// Its lane.
        lane: Lane,
        /// Whether it takes what runs on its lane away.
        pre_empts: bool,
    },
    /// A machine was told the end of a task.
    TaskEnded {
        /// Whose.
        node: Node,
        /// Its number.
        op: OpId,
    },
    /// An agent is gone, and with it all of its tasks.
    AgentGone {
        /// Whose.
        node: Node,
    },
    /// A machine asked its server to do something: what the pause forbids is among these.
    ServerTold {
        /// Whose.
        node: Node,
        /// The task.
        name: &'static str,
        /// Whether the cluster is paused as far as this machine could know.
        is_paused: bool,
    },
    /// A round of questions is over: who answered with a running server.
    PeersHeard {
        /// Who asked.
        node: Node,
        /// The answers.
        answers: Vec<(Node, PeerServer)>,
    },
    /// The leader's server has said who it is.
    Identified {
        /// Who asked.
        node: Node,
        /// Whether it said that it is a primary.
        is_primary: bool,
    },
    /// A server is told to become a primary, or started as one.
    ToldToWrite {
        /// Whose.
        node: Node,
    },
    /// The driver works on a server for a task.
    Touched {
        /// Whose.
        node: Node,
        /// The task's number.
        op: OpId,
    },
    /// A check of a machine's own outputs failed.
    Broken {
        /// Whose.
        node: Node,
        /// How.
        text: String,
    },
    /// A machine ended.
    Quit {
        /// Whose.
        node: Node,
        /// Whether it was asked to.
        is_orderly: bool,
        /// Its last sentence.
        sentence: String,
    },
}
