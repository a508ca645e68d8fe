//! How a data directory is filled and emptied: new clusters, copies, rewinds, losses.
//!
//! Nothing here touches data while a process of the server lives, other than the loss of the disk.

use herdsman_ha_core::{ControlState, Lsn, SystemId, Timeline};

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

    /// The data is removed.
    ///
    /// # Errors
    ///
    /// When processes live, or what is there is no database.
    pub fn wipe(&mut self) -> Result<(), Refused> {
        self.check_gone()?;
        if self.data == Data::Unusable {
            return Err(Refused::Unusable);
        }
        self.data = Data::Empty;
        Ok(())
    }

    /// The disk is gone, and with it whatever ran on it.
    pub fn lose_disk(&mut self) {
        self.kill_all();
        self.data = Data::Empty;
    }

    /// Returns to where the source's history left ours and takes the source's from there.
    ///
    /// It goes by timeline numbers: on equal ones it finds nothing to do, and where two branches
    /// share a number it takes the wrong place for the fork, which spoils the copy.
    ///
    /// # Errors
    ///
    /// When processes live, the source is no running primary of the same cluster, or WAL is
    /// missing.
    pub fn rewind_to(&mut self, source: &Self, tree: &Tree) -> Result<(), Refused> {
        self.check_gone()?;
        let own = self.files_mut().ok_or(Refused::NoCluster)?;
        if !source.is_reachable() {
            return Err(Refused::SourceSilent);
        }
        let theirs = source.files().ok_or(Refused::SourceSilent)?;
        if source.process != Process::Primary {
            return Err(Refused::SourceNotPrimary);
        }
        if own.system != theirs.system {
            return Err(Refused::OtherSystem);
        }
        let Some(fork) = fork_by_numbers(own.wal, theirs.wal, tree) else {
            return Ok(());
        };
        let (mine, whole) = (tree.at(own.wal, fork), tree.at(theirs.wal, fork));
        let checkpoint = tree.last_checkpoint(mine).ok_or(Refused::WalGone)?;
        if own.kept_from > checkpoint.lsn || theirs.kept_from > fork {
            return Err(Refused::WalGone);
        }
        own.is_corrupt |= theirs.is_corrupt || mine != whole;
        own.wal = theirs.wal;
        own.checkpoint = checkpoint;
        own.consistent_at = Some(theirs.wal.end);
        own.replay_anew();
        own.control = ControlState::InArchiveRecovery;
        own.slots.clear();
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
            Data::Cluster(_) => Err(Refused::Occupied),
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

/// Where two histories part, by timeline numbers and switch positions; none: the target has
/// nothing that the source lacks.
fn fork_by_numbers(target: Wal, source: Wal, tree: &Tree) -> Option<Lsn> {
    if tree.timeline(target) == tree.timeline(source) {
        return None;
    }
    let lines = |wal: Wal| -> Vec<(Timeline, Lsn)> {
        let mut lines = tree.history(wal.branch);
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
    fn what_is_no_database_is_never_touched() {
        let mut server = Server::new(A);
        server.data = Data::Unusable;
        assert_eq!(server.wipe(), Err(Refused::Unusable));
        assert_eq!(server.begin_copy(), Err(Refused::Unusable));
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
