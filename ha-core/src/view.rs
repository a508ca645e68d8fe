//! What the outside looks like: whole snapshots of the store, of the local server, of peers.
//!
//! A view is a fact and never a wish. Views are complete: a lost, repeated or late one may delay
//! a decision, it cannot corrupt it.

mod identity;
mod member;
mod slot;
mod sync;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Rules;
use crate::time::{Mono, Wall};
use crate::value::{
    Generation, InstanceId, Lsn, MemberName, Position, Revision, SessionName, SystemId, Timeline,
};

pub use identity::ServerIdentity;
pub use member::MemberView;
pub use slot::{LogicalSlot, SlotKind, SlotView};
pub use sync::{SenderView, SyncKey, SyncState, SyncView, WaitsFor};

/// Why there is no view of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The store did not answer in time.
    Unreachable(String),
    /// The store's history went backwards: it was replaced or restored from a backup.
    StoreReplaced,
    /// The store refuses this member: a password, a certificate, a permission.
    Denied(String),
}

/// One complete read of a cluster's keys. What is large in it is shared: a view is copied when
/// one key of it changes, and most keys stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// The store's revision of this view.
    pub revision: Revision,
    /// The `initialize` key.
    pub initialize: Keyed<Initialize>,
    /// The `leader` key.
    pub leader: Option<LeaderKey>,
    /// The members that are registered now.
    pub members: BTreeMap<MemberName, Arc<MemberView>>,
    /// The rules, when the `config` key holds an object.
    pub rules: Option<Arc<Rules>>,
    /// What of the `config` key could not be used as written.
    pub config_warnings: Vec<String>,
    /// The `config` key as it stands.
    pub config: Keyed<Option<Arc<Value>>>,
    /// The leader's last published position and its slots.
    pub status: Keyed<Arc<StatusKey>>,
    /// The synchronous members.
    pub sync: Keyed<SyncKey>,
    /// A wanted switchover or failover.
    pub failover: Keyed<Option<MoveRequest>>,
    /// The timelines so far, oldest first.
    pub history: Keyed<Arc<[HistoryLine]>>,
    /// Who may lead at all while this key is there, and where each answers: all of them must promise
    /// to hold back before a leader goes on without the store.
    pub failsafe: Keyed<Option<BTreeMap<MemberName, String>>>,
    /// Who last took the leadership, if a member of this kind did.
    pub leadership: Keyed<Option<LeadershipRecord>>,
    /// Keys that do not say what they should, and why, in one line each. Nothing is decided by this.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<String, String>,
}

/// A value together with the revision of its last change; no revision: the key is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyed<T> {
    /// When the key last changed.
    pub revision: Option<Revision>,
    /// What it says.
    pub value: T,
}

/// What the `initialize` key says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initialize {
    /// Nobody made a cluster yet.
    #[default]
    Absent,
    /// Somebody is making one now.
    Claimed {
        /// The session that holds the claim, if one does.
        session: Option<SessionName>,
    },
    /// The cluster exists and has this identifier.
    Known(SystemId),
}

/// The `leader` key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderKey {
    /// Who holds it.
    pub name: MemberName,
    /// Which leadership this is.
    pub generation: Generation,
    /// When the key was last written.
    pub revision: Revision,
    /// The session that it lives with.
    pub session: Option<SessionName>,
}

/// The `status` key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusKey {
    /// The leader's last published position.
    pub optime: Lsn,
    /// Positions of replication slots by name.
    pub slots: BTreeMap<String, Lsn>,
    /// Slots that are kept although nobody uses them now.
    pub retain_slots: BTreeSet<String>,
}

/// The `failover` key: a planned move.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveRequest {
    /// Who should step down; none: a failover by hand.
    pub leader: Option<MemberName>,
    /// Who should take over; none: the best.
    pub candidate: Option<MemberName>,
    /// When, as written; none: now.
    pub scheduled_at: Option<String>,
}

impl MoveRequest {
    /// Whether an operator named who shall lead and nobody who hands over: the loss is taken.
    #[must_use]
    pub fn is_by_hand(&self) -> bool {
        self.leader.is_none() && self.candidate.is_some()
    }
}

/// One line of the timeline history: `timeline` ended at `switch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLine {
    /// The timeline that ended.
    pub timeline: Timeline,
    /// Where it ended.
    pub switch: Lsn,
    /// Why, in PostgreSQL's words.
    pub reason: String,
    /// When, as ISO 8601 text, where known.
    pub at: Option<String>,
    /// Who led the next timeline, where known.
    pub new_leader: Option<MemberName>,
}

/// Our own record, written in the same commit as the leader key: who took over, and from where.
///
/// It survives the leader key, so a former primary that wakes up can tell whether the last
/// leadership was its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadershipRecord {
    /// Who took the leadership.
    pub owner: MemberName,
    /// The timeline on which it was taken; a promotion begins a later one.
    pub from_timeline: Timeline,
    /// The highest timeline number that any leadership has reserved. A standby that takes the
    /// leadership reserves the next one and is promoted to it: two members that are promoted one
    /// after the other, the first unheard of, would otherwise begin the same timeline, and
    /// PostgreSQL streams between such servers without noticing.
    pub timeline: Timeline,
    /// Whether this leadership was taken by a standby, which reserved `timeline`.
    pub is_promotion: bool,
}

impl ClusterView {
    /// Where writes go: the leader, once its own key says that its server runs as a primary. A
    /// leader that is still being promoted is none yet.
    #[must_use]
    pub fn primary(&self) -> Option<(&MemberName, &MemberView)> {
        let leader = self.leader.as_ref()?;
        let (name, member) = self.members.get_key_value(&leader.name)?;
        (member.is_primary() && member.state == "running").then_some((name, member))
    }

    /// The timeline the cluster is on according to its history; none when nothing tells.
    #[must_use]
    pub fn timeline(&self) -> Option<Timeline> {
        self.history
            .value
            .last()
            .map(|line| Timeline(line.timeline.0 + 1))
    }
}

/// One look at the local server and its data directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalView {
    /// When the look began.
    pub seen_at: Mono,
    /// What is on disk.
    pub data: DataView,
    /// What runs.
    pub server: ServerView,
    /// What a server that answers says of itself. No rule of safety rests on it.
    #[serde(default)]
    pub about: Option<About>,
}

/// What a running server says of itself: operators ask by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its version as one number, such as 160004.
    pub version: u32,
    /// When its postmaster started.
    pub started_at: Wall,
    /// Settings that a restart would change, by their names.
    pub pending_restart: BTreeMap<String, ValueChange>,
}

impl About {
    /// Whether a setting waits for a restart.
    #[must_use]
    pub fn is_restart_pending(&self) -> bool {
        !self.pending_restart.is_empty()
    }
}

/// What a restart would make of a setting; empty where there is no value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueChange {
    /// The value in force, as PostgreSQL shows it.
    pub old_value: String,
    /// The value after a restart, written in the same way.
    pub new_value: String,
}

/// The data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataView {
    /// Nothing is there.
    Empty,
    /// A copy or an initialisation did not finish: its remains may be removed.
    Leftover,
    /// A rewind was begun and did not come to its end: never started, and no copy of anything.
    Wreck(WreckView),
    /// It cannot be read, or holds something that is no database: never touched.
    Unusable(String),
    /// A database cluster.
    Cluster(ControlView),
}

/// What is known of data that a rewind left unfinished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WreckView {
    /// The identity of what it was a copy of.
    pub system_id: SystemId,
    /// Why the rewind did not come to its end; none: it was interrupted.
    pub why: Option<String>,
}

/// What the control file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlView {
    /// The identity of the data.
    pub system_id: SystemId,
    /// How the server was left.
    pub state: ControlState,
    /// The latest checkpoint and its timeline.
    pub checkpoint: Position,
    /// Up to where a standby must replay before it is consistent; none: not a standby's.
    #[serde(default)]
    pub min_recovery: Option<Position>,
    /// Whether the data can be rewound: it has checksums, or hint bits are logged.
    #[serde(default)]
    pub is_rewindable: bool,
}

impl ControlView {
    /// The newest timeline that the data is known to be on.
    #[must_use]
    pub fn newest_timeline(&self) -> Timeline {
        let recovered = self.min_recovery.map(|position| position.timeline);
        recovered.unwrap_or_default().max(self.checkpoint.timeline)
    }
}

/// How a server was left, according to its control file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlState {
    /// Stopped in order as a primary.
    ShutDown,
    /// Stopped in order as a standby.
    ShutDownInRecovery,
    /// Running as a primary, or killed while it did.
    InProduction,
    /// Running as a standby, or killed while it did.
    InArchiveRecovery,
    /// Something between these.
    Other,
}

/// The server process and what it answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerView {
    /// No postmaster.
    Down {
        /// Whether processes of the server live on without it.
        orphans: bool,
    },
    /// A postmaster that does not accept connections yet.
    Starting,
    /// A postmaster that is going down.
    Stopping,
    /// A postmaster that does not answer in time.
    Unresponsive,
    /// A primary.
    Primary(PrimaryView),
    /// A standby.
    Standby(StandbyView),
}

/// A running primary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaryView {
    /// The end of its flushed WAL.
    pub position: Position,
    /// Its replication slots.
    pub slots: BTreeMap<String, SlotView>,
    /// Whom its commits wait for, and who streams from it.
    pub sync: SyncView,
}

/// A running standby.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandbyView {
    /// The timeline it replays.
    pub timeline: Timeline,
    /// The end of what it received.
    pub received: Lsn,
    /// The end of what it replayed.
    pub replayed: Lsn,
    /// Whether it has reached the end of its own WAL since it started. Before that its positions
    /// say less than its disk holds.
    pub wal_end_reached: bool,
    /// Whether its replay stands still because the primary has larger settings than it was started
    /// with: it goes on, and can be promoted, only after a restart.
    #[serde(default)]
    pub is_blocked: bool,
    /// Whether it was told to become a primary since it started, by whatever run of the agent: it
    /// does so at any moment, and nothing but its end takes that back.
    #[serde(default)]
    pub is_being_promoted: bool,
    /// Whether WAL is streaming in.
    pub is_streaming: bool,
    /// Where it is told to stream from: `host` and `port`.
    pub upstream: Option<(String, u16)>,
    /// Its replication slots.
    pub slots: BTreeMap<String, SlotView>,
    /// Where each earlier timeline of its own history ended, oldest first; empty on the first one, or
    /// when its history file cannot be read.
    #[serde(default)]
    pub history: Arc<[(Timeline, Lsn)]>,
}

impl StandbyView {
    /// The end of the WAL that would survive a promotion.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            timeline: self.timeline,
            lsn: self.received.max(self.replayed),
        }
    }

    /// Where it is told to stream from.
    pub(crate) fn upstream(&self) -> Option<(&str, u16)> {
        self.upstream
            .as_ref()
            .map(|(host, port)| (host.as_str(), *port))
    }
}

impl ServerView {
    /// The end of the running server's WAL.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Primary(primary) => Some(primary.position),
            Self::Standby(standby) => Some(standby.position()),
            Self::Down { .. } | Self::Starting | Self::Stopping | Self::Unresponsive => None,
        }
    }
}

/// What a peer answered when it was asked for its position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerReport {
    /// Who was asked.
    pub name: MemberName,
    /// What came back.
    pub answer: PeerAnswer,
}

/// The possible answers of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerAnswer {
    /// No answer in time.
    Unreachable,
    /// Its agent answers, its server does not run.
    NotRunning {
        /// Which run of an agent answered, when it is one of ours.
        instance: Option<InstanceId>,
    },
    /// A running server.
    Running(PeerServer),
}

/// A peer's running server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerServer {
    /// Which run of an agent answered, when it is one of ours.
    pub instance: Option<InstanceId>,
    /// Whether it accepts writes.
    pub is_primary: bool,
    /// The end of its WAL; the timeline is 0 when it did not tell.
    pub position: Position,
    /// Whether the position says all that its disk holds; `None` when the peer cannot tell.
    pub wal_end_reached: Option<bool>,
    /// Whether it may become leader by its tags and its watchdog.
    pub may_lead: bool,
    /// Which of two equal candidates goes first: the higher.
    pub failover_priority: i64,
}

impl PeerAnswer {
    /// The timeline that its server is on, when it told one.
    #[must_use]
    pub fn timeline(&self) -> Option<Timeline> {
        match self {
            Self::Running(server) => Some(server.position.timeline),
            Self::Unreachable | Self::NotRunning { .. } => None,
        }
    }

    /// Which run of an agent answered.
    #[must_use]
    pub fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::Unreachable => None,
            Self::NotRunning { instance } => instance.as_ref(),
            Self::Running(server) => server.instance.as_ref(),
        }
    }
}
