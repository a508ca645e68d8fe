//! Everything the outside can be asked to do, and what it may answer.
//!
//! A task carries all that its execution needs: the outside decides nothing. At most one task per
//! [`Lane`] runs at a time; the machine enforces it, and [`Task::Fence`] alone pre-empts its lane.

mod boot;
mod commit;
mod names;
mod promises;
mod slots;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lease::Grant;
use crate::rejoin::LeaderElsewhere;
use crate::value::{Generation, Lsn, MemberName, Position, Revision, SessionName, Timeline};
use crate::view::{HistoryLine, LogicalSlot, PeerReport, ServerIdentity};

pub use boot::Boot;
pub use commit::{Commit, KeyState, Purpose, StoreGuard, StoreWrite};
pub use names::SyncNames;
pub use promises::{PromiseAnswer, PromiseReport, PromiseRequest};
pub use slots::{FollowedSlot, SlotWork};

/// What may run beside what: tasks of different lanes do not disturb each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// The session with the store. Nothing slow ever runs here.
    Session,
    /// Taking and giving up the leadership.
    Leadership,
    /// Everything else that is written to the store.
    Store,
    /// Asking other members.
    Peers,
    /// Asking other members to hold back.
    Promises,
    /// Asking the leader's server who it is.
    Identity,
    /// The server process and its data directory.
    Server,
    /// Checkpoints.
    Checkpoint,
    /// Replication slots.
    Slots,
    /// Whom commits wait for, and what the store says of it: one after the other.
    Synchrony,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopMode {
    /// Clients are sent away, a checkpoint is written, WAL is shipped to the standbys.
    Fast,
    /// Everything is dropped; the next start recovers.
    Immediate,
}

/// Where a standby gets its WAL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upstream {
    /// The member.
    pub name: MemberName,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The replication slot to use there.
    pub slot: Option<String>,
    /// Whether it is what a standby cluster follows, and no member. Without a host it is an archive
    /// alone.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub is_source: bool,
}

/// What a server is started as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartAs {
    /// A primary on its present timeline; needs the lease.
    Primary(Grant),
    /// A standby, of nobody when there is no upstream.
    Standby(Option<Upstream>),
}

/// One thing to do outside.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "task", rename_all = "kebab-case")]
pub enum Task {
    /// Open a session with the store.
    OpenSession {
        /// The wanted time to live.
        ttl: Duration,
    },
    /// Keep the session alive, and prove the leadership when one is held.
    Renew {
        /// The session.
        session: SessionName,
        /// Whether the leader key must still be held by it.
        proves_leader: bool,
        /// How long all attempts may take.
        limit: Duration,
    },
    /// End the session: everything bound to it goes.
    CloseSession {
        /// The session.
        session: SessionName,
    },
    /// Change the store, all or nothing.
    Commit(Commit),
    /// Read the server's own timeline history and publish it, while the leader key is held.
    PublishHistory {
        /// The session that holds the leader key.
        session: SessionName,
        /// The timeline whose history to publish.
        timeline: Timeline,
        /// What was published before.
        published: Vec<HistoryLine>,
        /// The key as it was then. Whoever leads again in the same session may have published more
        /// since, by the time an old request arrives.
        seen: KeyState,
        /// How many lines to keep; zero: all.
        keep: usize,
    },
    /// Ask members for their positions; the local server is looked at again when they answered.
    AskPeers {
        /// The members and their APIs.
        peers: Vec<(MemberName, String)>,
        /// Of these, the ones that are registered now: worth waiting for.
        expected: BTreeSet<MemberName>,
        /// How long to wait for the expected.
        limit: Duration,
    },
    /// Ask members to hold back. What they promise counts from when this was started.
    AskPromises {
        /// What they are asked.
        request: PromiseRequest,
        /// The members and their APIs.
        peers: Vec<(MemberName, String)>,
        /// How long to wait for them.
        limit: Duration,
    },
    /// Ask a server over a replication connection who it is.
    Identify {
        /// The server.
        upstream: Upstream,
        /// Where the WAL begins that our standby needs next; none: it needs none.
        needs: Option<Position>,
    },
    /// Make a new database cluster in the empty data directory and start it.
    Bootstrap,
    /// Copy the data of a member into the empty data directory (remains of an unfinished copy are
    /// removed) and start it as a standby.
    Clone {
        /// Whom to copy; none: a backup, by a command that needs no running member.
        from: Option<Upstream>,
    },
    /// Remove the data and copy the leader's. The witness must still hold when it is executed.
    Replace {
        /// The proof that another member holds the good copy.
        witness: LeaderElsewhere,
        /// Whom to copy.
        from: Upstream,
    },
    /// Remove the data and make a new copy, because somebody asked for it. The witness must still
    /// hold when it is executed.
    Reinitialize {
        /// The proof that another member holds the good copy.
        witness: LeaderElsewhere,
        /// The leader's server, which must confirm the witness.
        leader: Upstream,
        /// Whom to copy.
        from: Upstream,
        /// Whether the server itself is to be copied, and nothing that was made from it before.
        is_direct: bool,
    },
    /// Stop the server and take its data back to where the leader's history left it, and on to
    /// what the leader has. The witness must still hold when it is executed.
    Rewind {
        /// The proof that another member holds the good copy.
        witness: LeaderElsewhere,
        /// Whom to be like.
        from: Upstream,
    },
    /// Start the server.
    Start {
        /// What as.
        role: StartAs,
        /// How long it may take.
        limit: Duration,
    },
    /// Stop the server.
    Stop {
        /// How.
        mode: StopMode,
    },
    /// Run the operator's script that must agree before our standby is promoted. Cancelled, with all
    /// that it started, when the leadership is lost meanwhile.
    PrePromote {
        /// The leadership that it is about.
        generation: Generation,
    },
    /// Make the standby a primary. The grant is checked again when it is executed.
    Promote {
        /// The right to do so.
        grant: Grant,
        /// The number of the timeline that it must begin: reserved with the leadership.
        timeline: Timeline,
        /// The replication slots that the other members need on it.
        slots: BTreeSet<String>,
        /// Whom commits wait for from the first one on: in force before the promotion begins.
        sync: SyncNames,
    },
    /// Make commits of the running primary wait for these. Done only when that is in force for
    /// every commit that begins from then on, whichever process of the server looks at it.
    WaitFor {
        /// Whom.
        names: SyncNames,
    },
    /// Point the standby at another upstream.
    Follow {
        /// The upstream; none: no streaming.
        upstream: Option<Upstream>,
    },
    /// Kill what may be left of a server that is down, and prove that nothing is.
    ProveGone,
    /// Kill every process of the server, at once, whatever else runs.
    Fence,
    /// Write a checkpoint.
    Checkpoint,
    /// Make, advance and drop replication slots.
    SyncSlots(SlotWork),
    /// Read the files of logical slots on the leader, stop our server when it runs, and put those
    /// into its data directory that it does not have. It is down at the end. A transient failure
    /// says that it was not touched.
    CopySlots {
        /// The leader.
        from: Upstream,
        /// The slots.
        slots: BTreeMap<String, LogicalSlot>,
    },
}

impl Task {
    /// Where the task runs.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match self {
            Self::OpenSession { .. } | Self::Renew { .. } | Self::CloseSession { .. } => {
                Lane::Session
            }
            Self::Commit(commit) => match commit.purpose {
                Purpose::Acquire | Purpose::Resume | Purpose::Release | Purpose::RecordCluster => {
                    Lane::Leadership
                }
                Purpose::AdoptCluster
                | Purpose::ClaimInitialize
                | Purpose::PublishMember
                | Purpose::PublishStatus
                | Purpose::RestoreConfig
                | Purpose::RequestMove
                | Purpose::ClearMove
                | Purpose::BeginMove
                | Purpose::FlushMove
                | Purpose::PublishFailsafe
                | Purpose::ChangeConfig => Lane::Store,
                Purpose::PublishSync => Lane::Synchrony,
            },
            Self::PublishHistory { .. } => Lane::Store,
            Self::AskPeers { .. } => Lane::Peers,
            Self::AskPromises { .. } => Lane::Promises,
            Self::Identify { .. } => Lane::Identity,
            Self::Bootstrap
            | Self::Clone { .. }
            | Self::Replace { .. }
            | Self::Reinitialize { .. }
            | Self::Rewind { .. }
            | Self::Start { .. }
            | Self::Stop { .. }
            | Self::PrePromote { .. }
            | Self::Promote { .. }
            | Self::Follow { .. }
            | Self::ProveGone
            | Self::CopySlots { .. }
            | Self::Fence => Lane::Server,
            Self::Checkpoint => Lane::Checkpoint,
            Self::SyncSlots(_) => Lane::Slots,
            Self::WaitFor { .. } => Lane::Synchrony,
        }
    }

    /// The task's name in logs, status and tests.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::OpenSession { .. } => "open-session",
            Self::Renew { .. } => "renew",
            Self::CloseSession { .. } => "close-session",
            Self::Commit(commit) => commit.purpose.name(),
            Self::PublishHistory { .. } => "publish-history",
            Self::AskPeers { .. } => "ask-peers",
            Self::AskPromises { .. } => "ask-promises",
            Self::Identify { .. } => "identify",
            Self::Bootstrap => "bootstrap",
            Self::Clone { .. } => "clone",
            Self::Replace { .. } => "replace",
            Self::Reinitialize { .. } => "reinitialize",
            Self::Rewind { .. } => "rewind",
            Self::Start {
                role: StartAs::Primary(_),
                ..
            } => "start-primary",
            Self::Start {
                role: StartAs::Standby(_),
                ..
            } => "start-standby",
            Self::Stop { .. } => "stop",
            Self::PrePromote { .. } => "pre-promote",
            Self::Promote { .. } => "promote",
            Self::Follow { .. } => "follow",
            Self::ProveGone => "prove-gone",
            Self::Fence => "fence",
            Self::Checkpoint => "checkpoint",
            Self::SyncSlots(_) => "sync-slots",
            Self::CopySlots { .. } => "copy-slots",
            Self::WaitFor { .. } => "wait-for",
        }
    }
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done, with what came of it.
    Done(Report),
    /// A guard did not hold: nothing was changed.
    NotApplied,
    /// The session is gone, and everything bound to it.
    SessionLost,
    /// It may or may not have happened: only a fresh read tells.
    Unknown,
    /// It was cancelled before it took effect.
    Cancelled,
    /// It did not work.
    Failed(Failure),
}

/// What came of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// Nothing to tell.
    Nothing,
    /// The revision of a commit.
    Committed(Revision),
    /// The opened session.
    Session {
        /// Its name.
        name: SessionName,
        /// Its time to live as granted.
        ttl: Duration,
    },
    /// The answers of peers.
    Peers(Vec<PeerReport>),
    /// What members said when they were asked to hold back.
    Promises(Vec<PromiseReport>),
    /// Who a server is.
    Identity(ServerIdentity),
    /// No process of the server is left.
    Gone,
    /// Commits wait for the wanted standbys; everything that was acknowledged before that is
    /// before this position.
    InForce(Lsn),
}

/// Why a task did not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whether trying again may help without anybody doing anything.
    pub is_transient: bool,
    /// One line.
    pub message: String,
}

/// How far a long task is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all, when known.
    pub total: Option<u64>,
}
