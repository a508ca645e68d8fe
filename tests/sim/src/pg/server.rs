//! One server: its disk, its processes, and whether it takes writes.
//!
//! What is on the disk survives every way in which processes end: a commit is flushed before it is
//! acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use herdsman_ha_core::{ControlState, Lsn, Position, SystemId, Timeline};

use super::refused::Refused;
use super::sync::SyncNames;
use super::tree::{BranchId, CHECKPOINT, Record, Tree, Wal};
use crate::fault::Quirk;
use crate::ids::Node;

/// One PostgreSQL server with its data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Whose.
    pub node: Node,
    /// Its disk.
    pub data: Data,
    /// Its processes.
    pub process: Process,
    /// Whether its processes stand still.
    pub is_frozen: bool,
    /// What it does wrong.
    pub quirks: BTreeSet<Quirk>,
    /// Whether the processes that its postmaster left behind serve clients.
    pub(super) orphans_write: bool,
    /// The number that the running promotion must take; none: the next.
    pub(super) promotes_to: Option<Timeline>,
}

/// The data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nothing is there.
    Empty,
    /// A copy or a bootstrap is on its way, or was broken off.
    Leftover,
    /// A rewind is on its way, or was broken off: what was there before, half changed.
    Wreck(Box<Files>),
    /// Something that is no database.
    Unusable,
    /// A database cluster.
    Cluster(Files),
}

/// What the files of a cluster say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Whose data it is.
    pub system: SystemId,
    /// The end of the WAL on this disk: for a standby what it received.
    pub wal: Wal,
    /// How far it is replayed; a primary's is its end.
    pub replayed: Lsn,
    /// How the server was left.
    pub control: ControlState,
    /// The checkpoint from which a start would replay; on a standby its restartpoint.
    pub checkpoint: Position,
    /// Whom the standby is told to stream from.
    pub upstream: Option<Node>,
    /// The slot that it is told to use there.
    pub upstream_slot: Option<String>,
    /// The server's own physical slots.
    pub slots: BTreeMap<String, Option<Lsn>>,
    /// Its logical slots, and what their consumers have confirmed.
    pub logical: BTreeMap<String, Lsn>,
    /// The oldest WAL that is still here.
    pub kept_from: Lsn,
    /// Whom commits wait for.
    pub sync: Option<SyncNames>,
    /// The branch whose history file it took from an upstream that refused it, because its own WAL
    /// goes beyond the fork: the next start takes that timeline for its own.
    pub heard: Option<BranchId>,
    /// It took WAL of another line than its own: no machine can see that.
    pub is_corrupt: bool,
    /// Up to where a standby replays before it answers; none: it was a primary last, and replays
    /// everything that it has.
    pub(super) consistent_at: Option<Lsn>,
}

/// The processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// No postmaster.
    Down {
        /// Whether other processes live on without it.
        orphans: bool,
    },
    /// A postmaster that does not accept connections yet.
    Starting {
        /// What as.
        as_primary: bool,
    },
    /// A primary.
    Primary,
    /// A standby.
    Standby(Receiver),
    /// A standby that was told to become a primary and has not.
    Promoting(Receiver),
    /// A postmaster that is going down.
    Stopping {
        /// Whether in order.
        is_fast: bool,
        /// What it was.
        ending: Ending,
    },
}

/// What comes to its end when a server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A start.
    Start,
    /// A primary.
    Primary {
        /// Whether its shutdown checkpoint is written.
        is_recorded: bool,
    },
    /// A standby.
    Standby,
}

/// How a standby gets its WAL since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receiver {
    /// Whom it streams from.
    pub connected: Option<Node>,
    /// Whether it has replayed what was on its disk when it started.
    pub wal_end_reached: bool,
    /// Whether it has streamed: before that it tells no received position.
    pub has_received: bool,
}

impl Server {
    /// A server without data.
    #[must_use]
    pub fn new(node: Node) -> Self {
        Self {
            node,
            data: Data::Empty,
            process: Process::Down { orphans: false },
            is_frozen: false,
            quirks: BTreeSet::new(),
            orphans_write: false,
            promotes_to: None,
        }
    }

    /// Its files, when there is a cluster.
    #[must_use]
    pub fn files(&self) -> Option<&Files> {
        match &self.data {
            Data::Cluster(files) => Some(files),
            Data::Empty | Data::Leftover | Data::Wreck(_) | Data::Unusable => None,
        }
    }

    /// Its files, to change them.
    pub fn files_mut(&mut self) -> Option<&mut Files> {
        match &mut self.data {
            Data::Cluster(files) => Some(files),
            Data::Empty | Data::Leftover | Data::Wreck(_) | Data::Unusable => None,
        }
    }

    /// The end of the WAL on its disk.
    #[must_use]
    pub fn wal(&self) -> Option<Wal> {
        self.files().map(|files| files.wal)
    }

    /// Whether it does this wrong.
    #[must_use]
    pub fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    /// Whether it could acknowledge a client's commit in this instant.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.write_refusal().is_none()
    }

    fn write_refusal(&self) -> Option<Refused> {
        if !self.serves_writers() {
            return Some(Refused::NotPrimary);
        }
        if self.is_frozen {
            return Some(Refused::Frozen);
        }
        self.has(Quirk::DiskFull).then_some(Refused::DiskFull)
    }

    /// Whether there are processes that take writes, or would if they could.
    pub(super) fn serves_writers(&self) -> bool {
        match self.process {
            Process::Primary => true,
            Process::Down { orphans } => orphans && self.orphans_write,
            Process::Starting { .. }
            | Process::Standby(_)
            | Process::Promoting(_)
            | Process::Stopping { .. } => false,
        }
    }

    /// Whether it answers connections.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        let is_open = match self.process {
            Process::Primary | Process::Standby(_) | Process::Promoting(_) => true,
            Process::Down { .. } | Process::Starting { .. } | Process::Stopping { .. } => false,
        };
        is_open && !self.is_frozen
    }

    /// Writes one row; it is identified by the place behind its commit.
    ///
    /// # Errors
    ///
    /// When the server is not writable.
    pub fn write(&mut self, tree: &mut Tree) -> Result<Wal, Refused> {
        if let Some(refused) = self.write_refusal() {
            return Err(refused);
        }
        let files = self.files_mut().ok_or(Refused::NoCluster)?;
        files.extend(tree, Record::Row);
        Ok(files.wal)
    }

    /// A checkpoint; on a standby a restartpoint at the last checkpoint that it replayed.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or cannot write.
    pub fn checkpoint(&mut self, tree: &mut Tree) -> Result<(), Refused> {
        if self.is_frozen {
            return Err(Refused::Frozen);
        }
        if self.has(Quirk::DiskFull) {
            return Err(Refused::DiskFull);
        }
        let process = self.process;
        let files = self.files_mut().ok_or(Refused::NoCluster)?;
        match process {
            Process::Primary => {
                files.write_checkpoint(tree);
                files.consume();
            }
            Process::Standby(_) | Process::Promoting(_) => files.restartpoint(tree),
            Process::Down { .. } | Process::Starting { .. } | Process::Stopping { .. } => {
                return Err(Refused::NotRunning);
            }
        }
        Ok(())
    }
}

impl Files {
    /// The files of a cluster whose WAL ends here, as a new cluster has them.
    pub(super) fn new(system: SystemId, wal: Wal, checkpoint: Position) -> Self {
        Self {
            system,
            wal,
            replayed: behind(checkpoint),
            control: ControlState::InProduction,
            checkpoint,
            upstream: None,
            upstream_slot: None,
            slots: BTreeMap::new(),
            logical: BTreeMap::new(),
            kept_from: checkpoint.lsn,
            sync: None,
            heard: None,
            is_corrupt: false,
            consistent_at: None,
        }
    }

    /// Replay has begun anew at the checkpoint, and has come so far that connections are let in.
    pub(super) fn replay_anew(&mut self) {
        let consistent_at = self.consistent_at.unwrap_or(self.wal.end);
        let first = behind(self.checkpoint).max(consistent_at);
        self.replayed = first.min(self.wal.end);
        self.consistent_at = Some(consistent_at);
    }

    /// Up to where a standby must replay before it is consistent.
    #[must_use]
    pub fn min_recovery(&self, tree: &Tree) -> Option<Position> {
        let is_standby = matches!(
            self.control,
            ControlState::ShutDownInRecovery | ControlState::InArchiveRecovery
        );
        let lsn = self.consistent_at.filter(|_| is_standby)?;
        Some(Position {
            timeline: tree.timeline(tree.at(self.wal, lsn)),
            lsn,
        })
    }

    /// Writes a record as a primary.
    pub(super) fn extend(&mut self, tree: &mut Tree, record: Record) {
        self.wal = tree.append(self.wal, record);
        self.replayed = self.wal.end;
    }

    pub(super) fn write_checkpoint(&mut self, tree: &mut Tree) {
        self.checkpoint = Position {
            timeline: tree.timeline(self.wal),
            lsn: self.wal.end,
        };
        self.extend(tree, Record::Checkpoint);
    }

    pub(super) fn restartpoint(&mut self, tree: &Tree) {
        let replayed = tree.at(self.wal, self.replayed);
        if let Some(checkpoint) = tree.last_checkpoint(replayed)
            && checkpoint.lsn > self.checkpoint.lsn
        {
            self.checkpoint = checkpoint;
        }
        self.consistent_at = Some(self.replayed);
    }
}

/// The end of a checkpoint's record.
fn behind(checkpoint: Position) -> Lsn {
    Lsn(checkpoint.lsn.0 + CHECKPOINT)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::super::tree::ROW;
    use super::*;

    #[test]
    fn a_row_is_there_on_every_server_whose_line_has_its_place() {
        let mut pair = Pair::new();
        let row = pair.a.write(&mut pair.tree).expect("a primary");
        assert!(!pair.has(&pair.b, row));
        assert!(pair.b.receive(&pair.a, &pair.tree));
        assert!(pair.has(&pair.b, row));
    }

    #[test]
    fn a_frozen_primary_is_not_writable_and_is_again_after_the_thaw() {
        let mut pair = Pair::new();
        pair.a.is_frozen = true;
        assert!(!pair.a.is_writable());
        assert!(!pair.a.is_reachable());
        assert_eq!(pair.a.write(&mut pair.tree), Err(Refused::Frozen));
        pair.a.is_frozen = false;
        assert!(pair.a.is_writable());
    }

    #[test]
    fn a_full_disk_takes_no_row_and_no_checkpoint() {
        let mut pair = Pair::new();
        pair.a.quirks.insert(Quirk::DiskFull);
        assert!(!pair.a.is_writable());
        assert!(pair.a.is_reachable());
        assert_eq!(pair.a.write(&mut pair.tree), Err(Refused::DiskFull));
        assert_eq!(pair.a.checkpoint(&mut pair.tree), Err(Refused::DiskFull));
    }

    #[test]
    fn a_standby_takes_no_writes() {
        let mut pair = Pair::new();
        assert!(pair.b.is_reachable());
        assert_eq!(pair.b.write(&mut pair.tree), Err(Refused::NotPrimary));
    }

    #[test]
    fn a_checkpoint_begins_where_the_wal_ended() {
        let mut pair = Pair::new();
        let row = pair.a.write(&mut pair.tree).expect("a primary");
        pair.a.checkpoint(&mut pair.tree).expect("a primary");
        let files = pair.a.files().expect("a cluster");
        assert_eq!(files.checkpoint.lsn, row.end);
        assert_eq!(files.wal.end, Lsn(row.end.0 + CHECKPOINT));
    }

    #[test]
    fn a_restartpoint_stops_at_the_last_checkpoint_that_was_replayed() {
        let mut pair = Pair::new();
        let row = pair.a.write(&mut pair.tree).expect("a primary");
        pair.a.checkpoint(&mut pair.tree).expect("a primary");
        pair.b.quirks.insert(Quirk::ReplaysSlowly);
        pair.b.receive(&pair.a, &pair.tree);
        let before = pair.b.files().expect("a cluster").checkpoint;
        pair.b.checkpoint(&mut pair.tree).expect("a standby");
        assert_eq!(pair.b.files().expect("a cluster").checkpoint, before);
        pair.b.replay_to_end();
        pair.b.checkpoint(&mut pair.tree).expect("a standby");
        assert_eq!(pair.b.files().expect("a cluster").checkpoint.lsn, row.end);
        assert!(row.end.0 - before.lsn.0 > ROW);
    }
}
