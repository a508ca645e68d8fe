//! What the handlers read: one value, made by the agent's loop, shared without waiting.
//!
//! The agent publishes a whole [`Snapshot`] after each step of its machine; a handler takes one and
//! answers from it alone. No request asks the store or PostgreSQL, and a loop that hangs is visible
//! by [`Snapshot::taken_at`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use herdsman_ha_core::{ClusterView, Code, Lsn, Mono, Now, Status, Wall};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// Everything that the API tells, as of one round of the agent's loop.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The machine's own account.
    pub status: Arc<Status>,
    /// What the running server says of itself beyond what decisions need; absent while it does
    /// not answer.
    pub server: Option<ServerFacts>,
    /// The cluster's name.
    pub scope: String,
    /// Settings that PostgreSQL refuses and that are therefore kept out, with its words.
    pub refused: BTreeMap<String, String>,
    /// Whether the settings demand a watchdog. None is served, so such a member never leads and
    /// says that its watchdog failed.
    pub is_watchdog_required: bool,
    /// When the store last answered, on both clocks; absent before it ever did.
    pub store_seen: Option<Now>,
    /// When the agent's loop last came round.
    pub taken_at: Mono,
    /// What was counted since the agent started.
    pub counters: Counters,
}

/// What a running server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its version as one number, such as 160004.
    pub server_version: u32,
    /// When its postmaster started.
    pub postmaster_start_time: Wall,
    /// When the last replayed transaction was committed.
    pub replayed_timestamp: Option<Wall>,
    /// Whether replay is paused.
    pub is_replay_paused: bool,
    /// Whether it may fetch WAL from an archive.
    pub has_restore_command: bool,
    /// The upstream's position as its walreceiver last heard of it.
    pub latest_end: Option<Lsn>,
    /// Who streams from it.
    pub replication: Vec<SenderFacts>,
}

/// A connection that streams from the server, as `pg_stat_replication` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SenderFacts {
    /// The role it connected as.
    pub usename: Option<String>,
    /// The name that the receiver gave: the member's, for ours.
    pub application_name: String,
    /// Its address; absent for a unix socket.
    pub client_addr: Option<String>,
    /// `streaming`, `catchup`, ...
    pub state: String,
    /// `async`, `potential`, `sync` or `quorum`.
    pub sync_state: String,
    /// Its place in the list of synchronous standbys; 0: it is not in it.
    pub sync_priority: i32,
}

/// Counts since the agent started; they only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Decisions, repeats included, by their code.
    pub decisions: BTreeMap<Code, u64>,
    /// Tasks that were started, by their name.
    pub tasks_started: BTreeMap<&'static str, u64>,
    /// Tasks that ended without success, by their name.
    pub tasks_failed: BTreeMap<&'static str, u64>,
}

impl Snapshot {
    /// The view of the store while it may be taken as current: the store answered within the last
    /// `ttl`, and the agent's loop has come round since.
    pub(crate) fn view(&self, now: Mono) -> Option<&ClusterView> {
        let ttl = self.status.rules.ttl;
        let seen_at = if self.status.is_store_reachable {
            // A watched store is silent while nothing changes: the loop vouches for it.
            self.taken_at.plus(self.status.rules.loop_wait)
        } else {
            self.store_seen?.mono
        };
        let view = self.status.cluster.as_ref()?;
        (now < seen_at.plus(ttl)).then_some(view)
    }

    /// Whether the agent's loop comes round as it should: a loop that leads has one lease of
    /// patience, another one two.
    pub(crate) fn is_live(&self, now: Mono, is_primary: bool) -> bool {
        let leases = if is_primary { 1 } else { 2 };
        let patience: Duration = self.status.rules.loop_wait + self.status.rules.ttl * leases;
        now < self.taken_at.plus(patience)
    }

    /// When the look at the server began that this is made of.
    fn looked_at(&self) -> Option<Mono> {
        self.status.local.as_ref().map(|local| local.seen_at)
    }

    /// Whether the leadership is held at `now`, whatever was true when the snapshot was taken.
    pub(crate) fn is_leader(&self, now: Mono) -> bool {
        self.status.lease.is_some_and(|lease| now < lease.fence_at)
    }
}

/// Makes the two ends through which snapshots pass, with a first one.
#[must_use]
pub fn snapshots(first: Snapshot) -> (SnapshotWriter, SnapshotReader) {
    let (writer, reader) = watch::channel(Arc::new(first));
    let looks = Arc::new(Looks::default());
    let writer = SnapshotWriter {
        snapshots: writer,
        looks: Arc::clone(&looks),
    };
    let reader = SnapshotReader {
        snapshots: reader,
        looks,
    };
    (writer, reader)
}

/// Questions for a look at the server that is newer than the latest snapshot.
#[derive(Debug, Default)]
struct Looks {
    /// Whether somebody takes such questions.
    are_served: AtomicBool,
    wanted: Notify,
}

/// The agent's end: publishes snapshots.
#[derive(Debug)]
pub struct SnapshotWriter {
    snapshots: watch::Sender<Arc<Snapshot>>,
    looks: Arc<Looks>,
}

impl SnapshotWriter {
    /// Replaces what readers see. Never waits, and does not mind when nobody reads.
    pub fn publish(&self, snapshot: Snapshot) {
        self.snapshots.send_replace(Arc::new(snapshot));
    }

    /// Waits until somebody wants a newer look at the server than the latest snapshot holds: the
    /// agent then looks at once and publishes. Safe to cancel.
    ///
    /// A peer that compares positions must not compare its own of this moment with ours of some
    /// seconds ago: we would seem to have less than we have, and the wrong one would lead. From
    /// the first call on, answers to `/patroni` therefore wait for such a look, for as long as
    /// [`Options::look_limit`](crate::Options::look_limit) says. An agent that never calls this
    /// answers from what it has.
    pub async fn look_wanted(&self) {
        self.looks.are_served.store(true, Ordering::Relaxed);
        self.looks.wanted.notified().await;
    }
}

/// The handlers' end: always has a latest snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotReader {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    looks: Arc<Looks>,
}

impl SnapshotReader {
    /// The snapshot that was published last. Never waits.
    #[must_use]
    pub fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Waits for a snapshot that this reader has not shown yet; nothing when the agent has ended.
    /// Snapshots in between may be passed over. Safe to cancel.
    pub async fn next(&mut self) -> Option<Arc<Snapshot>> {
        self.snapshots.changed().await.ok()?;
        Some(Arc::clone(&self.snapshots.borrow_and_update()))
    }

    /// A snapshot whose look at the server began at or after `instant`; the latest when none comes
    /// within `limit` or none can be had on demand.
    pub(crate) async fn looked_since(&self, instant: Mono, limit: Duration) -> Arc<Snapshot> {
        let is_new = |snapshot: &Arc<Snapshot>| snapshot.looked_at() >= Some(instant);
        if !self.looks.are_served.load(Ordering::Relaxed) || is_new(&self.latest()) {
            return self.latest();
        }
        self.looks.wanted.notify_one();
        let mut snapshots = self.snapshots.clone();
        // Out of time, or the agent has ended: the latest is the best there is.
        drop(timeout(limit, snapshots.wait_for(is_new)).await);
        self.latest()
    }
}
