//! How a data directory is filled and emptied: new clusters, copies, rewinds, losses.
//!
//! Nothing here touches data while a process of the server lives, other than the loss of the disk.

use herdsman_ha_core::{ControlState, Lsn, Position, SystemId, Timeline};

use super::refused::Refused;
use super::server::{Data, Files, Process, Server};
use super::tree::{Tree, Wal};
use crate::fault::Quirk;

impl Server {
    /// The making of a new cluster begins; remains of an earlier attempt are removed.
    ///
    /// # Errors
    ///
    /// When the data directory holds anything else, or processes live.
    pub fn begin_bootstrap(&mut self) -> Result<(), Refused> {
        self.begin_filling()
    }

    /// The new cluster runs as a primary.
    ///
    /// # Errors
    ///
    /// When nothing was begun, or the disk is full.
    pub fn finish_bootstrap(&mut self, tree: &mut Tree, system: SystemId) -> Result<Wal, Refused> {
        self.check_filling()?;
        if self.has(Quirk::DiskFull) {
            return Err(Refused::DiskFull);
        }
        let wal = tree.new_cluster(system, self.node);
        let checkpoint = tree.last_checkpoint(wal).ok_or(Refused::WalGone)?;
        self.data = Data::Cluster(Files::new(system, wal, checkpoint));
        self.process = Process::Primary;
        Ok(wal)
    }

    /// A copy begins; remains of an earlier attempt are removed.
    ///
    /// # Errors
    ///
    /// When the data directory holds anything else, or processes live.
    pub fn begin_copy(&mut self) -> Result<(), Refused> {
        self.begin_filling()
    }

    /// The copy is complete, and not started yet.
    ///
    /// The control file is the source's, so that a copy of a primary says that it is one in
    /// production until it is started.
    ///
    /// # Errors
    ///
    /// When nothing was begun, the copy breaks off, or the source does not answer: the remains
    /// stay.
    pub fn finish_copy(&mut self, source: &Self, tree: &Tree) -> Result<(), Refused> {
        self.check_filling()?;
        if self.has(Quirk::CopyFails) {
            return Err(Refused::CopyFails);
        }
        if self.has(Quirk::DiskFull) {
            return Err(Refused::DiskFull);
        }
        if !source.is_reachable() {
            return Err(Refused::SourceSilent);
        }
        let (Some(wal), Some(theirs)) = (source.offered(tree), source.files()) else {
            return Err(Refused::SourceSilent);
        };
        self.data = Data::Cluster(Files {
            control: theirs.control,
            is_corrupt: theirs.is_corrupt,
            consistent_at: Some(wal.end),
            ..Files::new(theirs.system, wal, theirs.checkpoint)
        });
        Ok(())
    }

    /// Whatever is in the directory is removed: nothing is asked here.
    ///
    /// # Errors
    ///
    /// When processes live.
    pub fn wipe(&mut self) -> Result<(), Refused> {
        self.check_gone()?;
        self.data = Data::Empty;
        Ok(())
    }

    /// The disk is gone, and with it whatever ran on it.
    pub fn lose_disk(&mut self) {
        self.kill_all();
        self.data = Data::Empty;
    }

    /// A rewind is prepared: whatever can be found out without changing anything is found out.
    /// Tells whether there is something to undo.
    ///
    /// # Errors
    ///
    /// When processes live, the source is no running primary of the same cluster, or WAL is
    /// missing.
    pub fn can_rewind_to(&self, source: &Self, tree: &Tree) -> Result<bool, Refused> {
        self.check_gone()?;
        let own = self.files().ok_or(Refused::NoCluster)?;
        Ok(own.fork_from(source, tree)?.is_some())
    }

    /// The rewind begins: what was there is neither what it was nor what it shall be.
    ///
    /// # Errors
    ///
    /// When processes live, or there is no cluster.
    pub fn begin_rewind(&mut self) -> Result<(), Refused> {
        self.check_gone()?;
        let files = self.files().ok_or(Refused::NoCluster)?.clone();
        self.data = Data::Wreck(Box::new(files));
        Ok(())
    }

    /// The rewind comes to its end: the data is where the source's history left ours, and on from
    /// there the source's.
    ///
    /// It goes by timeline numbers: on equal ones it finds nothing to do, and where two branches
    /// share a number it takes the wrong place for the fork, which spoils the copy.
    ///
    /// # Errors
    ///
    /// When nothing was begun, it breaks off, or the source is not any more what it was: the wreck
    /// stays.
    pub fn finish_rewind(&mut self, source: &Self, tree: &Tree) -> Result<(), Refused> {
        self.check_gone()?;
        let Data::Wreck(own) = &self.data else {
            return Err(Refused::NotBegun);
        };
        if self.has(Quirk::CopyFails) {
            return Err(Refused::CopyFails);
        }
        if self.has(Quirk::DiskFull) {
            return Err(Refused::DiskFull);
        }
        let fork = own.fork_from(source, tree)?;
        let mut own = (**own).clone();
        if let Some((fork, checkpoint)) = fork {
            let theirs = source.files().ok_or(Refused::SourceSilent)?;
            let (mine, whole) = (tree.at(own.wal, fork), tree.at(theirs.wal, fork));
            own.is_corrupt |= theirs.is_corrupt || mine != whole;
            own.wal = theirs.wal;
            own.checkpoint = checkpoint;
            own.consistent_at = Some(theirs.wal.end);
            own.replay_anew();
            own.control = ControlState::InArchiveRecovery;
            own.heard = None;
            own.slots.clear();
            own.logical.clear();
        }
        self.data = Data::Cluster(own);
        Ok(())
    }

    /// The three of them at once.
    ///
    /// # Errors
    ///
    /// Those of the three.
    pub fn rewind_to(&mut self, source: &Self, tree: &Tree) -> Result<(), Refused> {
        if self.can_rewind_to(source, tree)? {
            self.begin_rewind()?;
            self.finish_rewind(source, tree)?;
        }
        Ok(())
    }

    fn begin_filling(&mut self) -> Result<(), Refused> {
        self.check_gone()?;
        match self.data {
            Data::Empty | Data::Leftover => {
                self.data = Data::Leftover;
                Ok(())
            }
            Data::Unusable => Err(Refused::Unusable),
            Data::Cluster(_) | Data::Wreck(_) => Err(Refused::Occupied),
        }
    }

    fn check_filling(&self) -> Result<(), Refused> {
        self.check_gone()?;
        if self.data == Data::Leftover {
            Ok(())
        } else {
            Err(Refused::NotBegun)
        }
    }
}

impl Files {
    /// Where the source's history left ours, and the last checkpoint before; none: nothing is to be
    /// undone.
    fn fork_from(&self, source: &Server, tree: &Tree) -> Result<Option<(Lsn, Position)>, Refused> {
        if !source.is_reachable() {
            return Err(Refused::SourceSilent);
        }
        let theirs = source.files().ok_or(Refused::SourceSilent)?;
        if source.process != Process::Primary {
            return Err(Refused::SourceNotPrimary);
        }
        if self.system != theirs.system {
            return Err(Refused::OtherSystem);
        }
        let Some(fork) = fork_by_numbers(self.wal, theirs.wal, tree) else {
            return Ok(None);
        };
        let mine = tree.at(self.wal, fork);
        let checkpoint = tree.last_checkpoint(mine).ok_or(Refused::WalGone)?;
        if self.kept_from > checkpoint.lsn || theirs.kept_from > fork {
            return Err(Refused::WalGone);
        }
        Ok(Some((fork, checkpoint)))
    }

    /// Whether a checkpoint was written on the timeline that the WAL is on: before that a rewind
    /// takes a new primary for what it was.
    #[must_use]
    pub fn is_settled(&self, tree: &Tree) -> bool {
        self.checkpoint.timeline == tree.timeline(self.wal)
    }
}

/// Where two histories part, by timeline numbers and switch positions; none: the target has
/// nothing that the source lacks.
fn fork_by_numbers(target: Wal, source: Wal, tree: &Tree) -> Option<Lsn> {
    if tree.timeline(target) == tree.timeline(source) {
        return None;
    }
    let lines = |wal: Wal| -> Vec<(Timeline, Lsn)> {
        let mut lines = tree.history(wal.branch).to_vec();
        lines.push((tree.timeline(wal), wal.end));
        lines
    };
    let mut fork = None;
    for (mine, theirs) in lines(target).into_iter().zip(lines(source)) {
        if mine.0 != theirs.0 {
            break;
        }
        fork = Some(mine.1.min(theirs.1));
        if mine.1 != theirs.1 {
            break;
        }
    }
    fork.filter(|fork| target.end > *fork)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    #[test]
    fn a_copy_holds_what_its_source_had_and_answers_once_that_is_replayed() {
        let mut pair = Pair::new();
        let row = pair.a.write(&mut pair.tree).expect("a primary");
        let mut c = Server::new(C);
        c.begin_copy().expect("it is empty");
        assert_eq!(c.data, Data::Leftover);
        c.finish_copy(&pair.a, &pair.tree).expect("a source");
        assert!(pair.has(&c, row));
        assert_eq!(c.process, Process::Down { orphans: false });
        start_standby(&mut c, A, &mut pair.tree);
        let view = standby_view(&c, &pair.tree);
        assert_eq!((view.replayed, view.wal_end_reached), (row.end, false));
    }

    #[test]
    fn a_copy_that_breaks_off_leaves_remains_that_the_next_one_removes() {
        let mut pair = Pair::new();
        let mut c = Server::new(C);
        c.begin_copy().expect("it is empty");
        c.quirks.insert(Quirk::CopyFails);
        let refused = c.finish_copy(&pair.a, &pair.tree);
        assert_eq!(refused, Err(Refused::CopyFails));
        assert_eq!(c.data, Data::Leftover);
        c.quirks.clear();
        pair.a.is_frozen = true;
        let refused = c.finish_copy(&pair.a, &pair.tree);
        assert_eq!(refused, Err(Refused::SourceSilent));
        pair.a.is_frozen = false;
        c.begin_copy().expect("remains");
        assert_eq!(c.finish_copy(&pair.a, &pair.tree), Ok(()));
    }

    #[test]
    fn data_is_neither_copied_over_nor_removed_beside_processes() {
        let mut pair = Pair::new();
        assert_eq!(pair.b.begin_copy(), Err(Refused::IsRunning));
        assert_eq!(pair.b.wipe(), Err(Refused::IsRunning));
        pair.b.crash(true);
        assert_eq!(pair.b.wipe(), Err(Refused::OrphansLive));
        pair.b.kill_all();
        assert_eq!(pair.b.begin_copy(), Err(Refused::Occupied));
        assert_eq!(pair.b.begin_bootstrap(), Err(Refused::Occupied));
        assert_eq!(pair.b.wipe(), Ok(()));
        assert_eq!(pair.b.begin_copy(), Ok(()));
    }

    #[test]
    fn what_is_no_database_is_not_written_over() {
        let mut server = Server::new(A);
        server.data = Data::Unusable;
        assert_eq!(server.begin_copy(), Err(Refused::Unusable));
        assert_eq!(server.begin_bootstrap(), Err(Refused::Unusable));
        assert_eq!(server.wipe(), Ok(()));
        assert_eq!(server.begin_copy(), Ok(()));
    }

    #[test]
    fn a_rewind_returns_to_the_fork_and_takes_the_sources_line() {
        let mut pair = Pair::new();
        let lost = pair.a.write(&mut pair.tree).expect("a primary");
        pair.fail_over();
        let kept = pair.b.write(&mut pair.tree).expect("a primary");
        assert_eq!(pair.a.rewind_to(&pair.b, &pair.tree), Ok(()));
        assert!(!pair.has(&pair.a, lost));
        assert!(pair.has(&pair.a, kept));
        join(&mut pair.a, &pair.b, &mut pair.tree);
        assert!(!pair.a.files().expect("a cluster").is_corrupt);
    }

    #[test]
    fn a_rewind_with_nothing_to_undo_changes_nothing() {
        let mut pair = Pair::new();
        pair.fail_over();
        let before = pair.a.clone();
        assert_eq!(pair.a.rewind_to(&pair.b, &pair.tree), Ok(()));
        assert_eq!(pair.a, before);
    }

    #[test]
    fn a_rewind_needs_a_running_primary_of_the_same_cluster() {
        let mut pair = Pair::new();
        pair.a.kill_all();
        let refused = pair.a.rewind_to(&pair.b, &pair.tree);
        assert_eq!(refused, Err(Refused::SourceNotPrimary));
        let mut c = Server::new(C);
        c.begin_bootstrap().expect("it is empty");
        c.finish_bootstrap(&mut pair.tree, SystemId(7_000_000_002))
            .expect("it was begun");
        let refused = pair.a.rewind_to(&c, &pair.tree);
        assert_eq!(refused, Err(Refused::OtherSystem));
        c.kill_all();
        let refused = pair.a.rewind_to(&c, &pair.tree);
        assert_eq!(refused, Err(Refused::SourceSilent));
    }

    #[test]
    fn a_rewind_that_breaks_off_leaves_a_wreck_that_is_not_started_or_rewound_again() {
        let mut pair = Pair::new();
        pair.a.write(&mut pair.tree).expect("a primary");
        pair.fail_over();
        assert_eq!(pair.a.can_rewind_to(&pair.b, &pair.tree), Ok(true));
        pair.a.begin_rewind().expect("a cluster");
        pair.a.quirks.insert(Quirk::CopyFails);
        let broken_off = pair.a.finish_rewind(&pair.b, &pair.tree);
        assert_eq!(broken_off, Err(Refused::CopyFails));
        assert!(matches!(pair.a.data, Data::Wreck(_)));
        assert_eq!(pair.a.wal(), None);
        let started = pair.a.begin_start(false, None, None);
        assert_eq!(started, Err(Refused::NoCluster));
        let again = pair.a.rewind_to(&pair.b, &pair.tree);
        assert_eq!(again, Err(Refused::NoCluster));
        assert_eq!(pair.a.begin_copy(), Err(Refused::Occupied));
        assert_eq!(pair.a.wipe(), Ok(()));
    }

    #[test]
    fn a_rewind_across_two_writers_of_one_timeline_spoils_the_copy() {
        let mut pair = Pair::new();
        stop(&mut pair.b, true, &mut pair.tree);
        start_primary(&mut pair.b, &mut pair.tree);
        for _ in 0..4 {
            pair.b.write(&mut pair.tree).expect("a primary");
            pair.a.write(&mut pair.tree).expect("a primary");
        }
        let mut c = standby_of(&pair.b, C, &mut pair.tree);
        c.begin_promote().expect("a standby");
        c.finish_promote(&mut pair.tree).expect("it was begun");
        while pair.a.wal().expect("a cluster").end <= c.wal().expect("a cluster").end {
            pair.a.write(&mut pair.tree).expect("a primary");
        }
        pair.a.kill_all();
        assert_eq!(pair.a.rewind_to(&c, &pair.tree), Ok(()));
        assert!(pair.a.files().expect("a cluster").is_corrupt);
    }
}
