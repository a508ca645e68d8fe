//! What one look at an instance shows.
//!
//! These are plain values without behaviour. A fact that could not be seen is
//! absent or says why; nothing here is a guess or a wish.

use std::time::Duration;

use crate::control_data::ControlData;
use crate::lsn::Lsn;
use crate::timeline::{HistoryLine, Timeline};
use crate::version::Version;

/// One round of facts about an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What is on disk.
    pub data: DataDirectory,
    /// What the postmaster does.
    pub process: Process,
    /// Whether processes of this server are left although it has no
    /// postmaster. They may still write: only `kill_all` is sure to end this
    /// state. A program that runs a server without one, as `initdb` does and
    /// `pg_rewind` may, shows in the same way while it works.
    pub orphans: bool,
    /// What the server said, if it answered.
    pub server: Option<Server>,
}

/// What the data directory holds.
#[derive(Clone, Debug, PartialEq)]
pub enum DataDirectory {
    /// There is none.
    Missing,
    /// It is there and holds nothing.
    Empty,
    /// A clone or a bootstrap was interrupted here: what is there is useless
    /// and may be wiped.
    Leftover(Leftover),
    /// A rewind was begun here and did not come to its end: what is there is
    /// neither the old data nor the new, and is never started.
    Wreck(Wreck),
    /// It holds something that is not a cluster; in words.
    NotACluster(String),
    /// It cannot be looked at; the reason in words.
    Unreadable(String),
    /// A cluster.
    Cluster(ControlData),
}

/// What a rewind left that did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wreck {
    /// The identifier of the cluster that it was a copy of.
    pub system_id: u64,
    /// Why it ended, in one line; none: it was interrupted, or still runs.
    pub why: Option<String>,
}

/// What left a useless directory behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// A copy of another server.
    Clone,
    /// The making of a new cluster.
    Bootstrap,
}

/// What the postmaster does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Process {
    /// There is no postmaster.
    Down,
    /// It takes no connections yet: it recovers.
    Starting {
        /// The postmaster.
        pid: u32,
    },
    /// It answers.
    Running {
        /// The postmaster.
        pid: u32,
        /// When it started, in seconds since 1970, as PostgreSQL noted it.
        start_time: i64,
    },
    /// It is ending.
    Stopping {
        /// The postmaster.
        pid: u32,
    },
    /// It is alive and should answer, but does not.
    Unresponsive {
        /// The postmaster.
        pid: u32,
        /// No answer in time, or the refusal, in words.
        why: String,
    },
}

/// What a running server says of itself, from one round trip.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Its version.
    pub version: Version,
    /// `pg_postmaster_start_time()` as text, for showing.
    pub postmaster_start_time: String,
    /// The same in milliseconds since 1970.
    pub postmaster_start_millis: i64,
    /// The cluster's identifier.
    pub system_id: u64,
    /// The timeline: of what is written on a primary; on a standby the newest
    /// it received, recovered to or started from.
    pub timeline: Timeline,
    /// Where each earlier timeline of a standby's history was left, oldest first; empty on the first
    /// one, or when its history file cannot be read. A primary is not asked for it.
    pub history: Vec<HistoryLine>,
    /// Primary or standby, with what only that one has.
    pub role: ServerRole,
    /// The parameters of which a standby was started with less than the primary has, while its replay
    /// stands still for that (version 14 and later): only a restart lets it go on, and there is no
    /// promotion before.
    pub too_small: Vec<&'static str>,
    /// Whether it is a standby that was told by [`promote`](crate::Instance::promote) to become a
    /// primary, by this program or by one that ran before: it does so at any moment.
    pub is_being_promoted: bool,
    /// Who streams from it.
    pub senders: Vec<Sender>,
    /// Its replication slots.
    pub slots: Vec<Slot>,
    /// Whom commits wait for.
    pub synchronous: Synchronous,
    /// Settings that a restart would change.
    pub pending_restart: Vec<PendingRestart>,
}

impl Server {
    /// Whether the server is in recovery: a standby.
    #[must_use]
    pub const fn is_in_recovery(&self) -> bool {
        matches!(self.role, ServerRole::Standby(_))
    }
}

/// What a server goes by in synchronous replication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synchronous {
    /// `synchronous_standby_names`, as a session sees it.
    pub names: String,
    /// `synchronous_commit`, as a session sees it.
    pub commit: String,
    /// Whether the configuration file has other names than the parameters.
    pub is_overruled: bool,
}

/// Primary or standby.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerRole {
    /// It takes writes.
    Primary {
        /// Everything before this position is on its disk.
        flushed: Lsn,
    },
    /// It is in recovery.
    Standby(Standby),
}

/// The state of recovery.
#[derive(Clone, Debug, PartialEq)]
pub struct Standby {
    /// The newest position it has received by streaming since it started,
    /// flushed or only written.
    pub received: Option<Lsn>,
    /// The newest position it has replayed.
    pub replayed: Option<Lsn>,
    /// When the last replayed transaction was committed, in milliseconds since 1970.
    pub replayed_at_millis: Option<i64>,
    /// Whether replay is paused.
    pub replay_paused: bool,
    /// Whether it has come to the end of its local log since it started.
    /// Before that, what it replayed says nothing about what it has.
    pub wal_end_reached: bool,
    /// Its walreceiver, while there is one.
    pub receiver: Option<Receiver>,
    /// Whom it is told to stream from, host and port, whether or not it does.
    pub upstream: Option<(String, u16)>,
}

/// A running walreceiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// `streaming`, `starting`, `waiting`, ...
    pub status: String,
    /// The timeline it receives.
    pub timeline: Option<Timeline>,
    /// The position the upstream last reported of itself.
    pub latest_end: Option<Lsn>,
    /// Whom it is connected to, by the name it was given.
    pub host: Option<String>,
    /// The port there.
    pub port: Option<u16>,
    /// The slot it uses there.
    pub slot: Option<String>,
    /// How long ago the last message came.
    pub last_message_age: Option<Duration>,
}

/// A connection that receives the log from this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The backend's process id.
    pub pid: u32,
    /// The name the receiver gave: the member's, for ours.
    pub application_name: String,
    /// The role it connected as.
    pub username: Option<String>,
    /// Its address, absent for a unix socket.
    pub client_address: Option<String>,
    /// `streaming`, `catchup`, `startup`, `backup`, `stopping`.
    pub state: String,
    /// Positions: sent, and as the receiver reported them.
    pub sent: Option<Lsn>,
    /// Written there.
    pub written: Option<Lsn>,
    /// Flushed there.
    pub flushed: Option<Lsn>,
    /// Replayed there.
    pub replayed: Option<Lsn>,
    /// `async`, `potential`, `sync`, `quorum`.
    pub sync_state: String,
    /// Its place in the list of synchronous standbys; 0: it is not in it.
    pub sync_priority: i32,
}

/// A replication slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Physical, or logical with its plugin and database.
    pub kind: SlotKind,
    /// Whether somebody uses it right now.
    pub is_active: bool,
    /// Whether it ends with its session.
    pub is_temporary: bool,
    /// The oldest log it keeps.
    pub restart_lsn: Option<Lsn>,
    /// For a logical slot: what its consumer has confirmed.
    pub confirmed_flush: Option<Lsn>,
    /// `reserved`, `extended`, `unreserved`, `lost`.
    pub wal_status: Option<String>,
    /// Whether it holds back the removal of old rows.
    pub holds_rows: bool,
    /// Whether the server carries it to its standbys itself (17 and later).
    pub is_failover: bool,
    /// Whether it was carried here from the primary (17 and later).
    pub is_synced: bool,
}

/// The kind of a replication slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// For standbys and log receivers.
    Physical,
    /// For logical decoding.
    Logical {
        /// The output plugin.
        plugin: String,
        /// The database it decodes.
        database: String,
    },
}

/// A setting whose wanted value waits for a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRestart {
    /// The parameter.
    pub name: String,
    /// The value in force, as `SHOW` writes it.
    pub old_value: String,
    /// The value after a restart, written in the same way; empty for none.
    pub new_value: String,
}
