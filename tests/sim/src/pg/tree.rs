//! The WAL of the whole world as a tree of branches: nothing is ever copied.
//!
//! A branch is one life of one timeline: what one server wrote on it. A place on a branch stands
//! for all WAL up to there, the branch's ancestry included. Two servers that both write on the
//! timeline with the same number make two branches: PostgreSQL cannot tell them apart, we can.

use std::iter::successors;
use std::sync::Arc;

use herdsman_ha_core::{Lsn, Position, SystemId, Timeline};

use crate::ids::Node;

/// The bytes of a row with its commit.
pub const ROW: u64 = 0x100;
/// The bytes of a checkpoint record, at a shutdown or in between.
pub const CHECKPOINT: u64 = 0x78;
/// The bytes of the record with which a promotion ends.
pub const END_OF_RECOVERY: u64 = 0x58;

/// Where the first segment of a new cluster begins.
const FIRST: Lsn = Lsn(0x0100_0000);
/// Where the WAL of a new cluster ends.
const FRESH: Lsn = Lsn(0x0300_0000);

/// One branch of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchId(pub u32);

/// One life of one timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its number, as PostgreSQL counts.
    pub timeline: Timeline,
    /// Where it left its parent; none: it began with its cluster.
    pub parent: Option<Wal>,
    /// Who writes it.
    pub writer: Node,
    /// The cluster.
    pub system: SystemId,
    /// Where it begins.
    pub begin: Lsn,
    /// How far it was ever written.
    pub tip: Lsn,
}

/// A place: everything up to `end` on this branch and its ancestry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wal {
    /// The branch.
    pub branch: BranchId,
    /// The end of the last record.
    pub end: Lsn,
}

/// What is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Row,
    Checkpoint,
    EndOfRecovery,
}

/// Every branch that was ever made in a world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    branches: Vec<Branch>,
    /// The history of each.
    histories: Vec<Arc<[(Timeline, Lsn)]>>,
    /// Where each checkpoint record begins, in the order of their writing.
    checkpoints: Vec<Wal>,
}

impl Tree {
    /// One branch.
    ///
    /// # Panics
    ///
    /// When the branch is of another tree.
    #[must_use]
    pub fn branch(&self, id: BranchId) -> &Branch {
        let index = usize::try_from(id.0).expect("an index is 32 bits at least");
        &self.branches[index]
    }

    /// All branches in the order of their making: parents come before children.
    pub fn branches(&self) -> impl Iterator<Item = (BranchId, &Branch)> {
        (0..).map(BranchId).zip(&self.branches)
    }

    /// The timeline of a place.
    #[must_use]
    pub fn timeline(&self, wal: Wal) -> Timeline {
        self.branch(wal.branch).timeline
    }

    /// The WAL of a new cluster.
    pub fn new_cluster(&mut self, system: SystemId, writer: Node) -> Wal {
        let wal = self.add(Branch {
            timeline: Timeline(1),
            parent: None,
            writer,
            system,
            begin: FIRST,
            tip: FRESH,
        });
        self.checkpoints.push(Wal {
            end: Lsn(FRESH.0 - CHECKPOINT),
            ..wal
        });
        wal
    }

    /// A new branch from here, also one with an equal timeline number.
    pub fn fork(&mut self, from: Wal, timeline: Timeline, writer: Node) -> Wal {
        self.add(Branch {
            timeline,
            parent: Some(from),
            writer,
            system: self.branch(from.branch).system,
            begin: from.end,
            tip: from.end,
        })
    }

    fn add(&mut self, branch: Branch) -> Wal {
        let number = u32::try_from(self.branches.len()).expect("nobody makes so many branches");
        self.branches.push(branch);
        let history = self.history_of(BranchId(number));
        self.histories.push(history.into());
        Wal {
            branch: BranchId(number),
            end: branch.tip,
        }
    }

    /// Writes a record behind the end of a branch.
    pub(super) fn append(&mut self, wal: Wal, record: Record) -> Wal {
        let size = match record {
            Record::Row => ROW,
            Record::Checkpoint => CHECKPOINT,
            Record::EndOfRecovery => END_OF_RECOVERY,
        };
        let index = usize::try_from(wal.branch.0).expect("an index is 32 bits at least");
        let tip = &mut self.branches[index].tip;
        assert_eq!(*tip, wal.end, "whoever is not at the tip forks first");
        *tip = Lsn(wal.end.0 + size);
        let end = *tip;
        if record == Record::Checkpoint {
            self.checkpoints.push(wal);
        }
        Wal { end, ..wal }
    }

    /// Whether this server may go on writing here: it wrote all that is on the branch.
    pub(super) fn is_continued_by(&self, writer: Node, wal: Wal) -> bool {
        let branch = self.branch(wal.branch);
        branch.writer == writer && branch.tip == wal.end
    }

    /// The branches below a place, newest first, each with the end of its part.
    fn line(&self, wal: Wal) -> impl Iterator<Item = Wal> {
        successors(Some(wal), |wal| self.branch(wal.branch).parent)
    }

    /// The place at `lsn` on the line of `wal`: a branch begins behind its first byte.
    #[must_use]
    pub fn at(&self, wal: Wal, lsn: Lsn) -> Wal {
        let mut branch = wal.branch;
        while lsn <= self.branch(branch).begin
            && let Some(parent) = self.branch(branch).parent
        {
            branch = parent.branch;
        }
        Wal { branch, end: lsn }
    }

    /// Whether everything up to `point` is part of the holder's line.
    #[must_use]
    pub fn contains(&self, holder: Wal, point: Wal) -> bool {
        let point = self.at(point, point.end);
        let mut line = self.line(holder);
        line.find(|part| part.branch == point.branch)
            .is_some_and(|part| point.end <= part.end)
    }

    /// The last place that both lines have; none: they are of different clusters.
    #[must_use]
    pub fn common(&self, a: Wal, b: Wal) -> Option<Wal> {
        self.line(a).find_map(|mine| {
            let theirs = self.line(b).find(|part| part.branch == mine.branch)?;
            Some(self.at(mine, mine.end.min(theirs.end)))
        })
    }

    /// What a `.history` file tells: each earlier timeline and where it ended, oldest first.
    ///
    /// A branch with the number of its parent leaves no trace in it.
    ///
    /// # Panics
    ///
    /// When the branch is of another tree.
    #[must_use]
    pub fn history(&self, branch: BranchId) -> Arc<[(Timeline, Lsn)]> {
        let index = usize::try_from(branch.0).expect("an index is 32 bits at least");
        Arc::clone(&self.histories[index])
    }

    fn history_of(&self, branch: BranchId) -> Vec<(Timeline, Lsn)> {
        let branch = self.branch(branch);
        let mut newer = branch.timeline;
        let mut lines = Vec::new();
        for part in branch.parent.into_iter().flat_map(|wal| self.line(wal)) {
            let timeline = self.timeline(part);
            if timeline != newer {
                lines.push((timeline, part.end));
                newer = timeline;
            }
        }
        lines.reverse();
        lines
    }

    /// Where the timeline with this number ends on the line of `wal`, going by numbers alone.
    pub(super) fn end_of(&self, wal: Wal, timeline: Timeline) -> Option<Lsn> {
        let mut line = self.line(wal);
        let part = line.find(|part| self.timeline(*part) == timeline)?;
        Some(part.end)
    }

    /// The last checkpoint record that is wholly there.
    pub(super) fn last_checkpoint(&self, wal: Wal) -> Option<Position> {
        let begin = self.checkpoints.iter().rev().find(|begin| {
            let end = Lsn(begin.end.0 + CHECKPOINT);
            self.contains(wal, Wal { end, ..**begin })
        })?;
        Some(Position {
            timeline: self.timeline(*begin),
            lsn: begin.end,
        })
    }
}

#[cfg(test)]
mod tests;
