//! What the client was promised: every acknowledged row, when, by whom, and where the WAL ended.
//!
//! Pure: the writer fills it, the story asks it.

use std::collections::BTreeSet;

use herdsman_ha_core::{Lsn, Mono};

use crate::cluster::Index;

/// An acknowledged row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: i64,
    /// When the acknowledgement arrived.
    pub(crate) at: Mono,
    /// Whose server gave it.
    pub(crate) by: Index,
    /// Where that server's WAL ended right after the commit: not before the end of the commit.
    pub(crate) wal_end: Lsn,
}

/// The acknowledged rows, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    rows: Vec<Row>,
    forgotten: usize,
}

/// A stretch without an acknowledgement that ended at another server than it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The last row of the old primary.
    pub(crate) last: Row,
    /// The first row of the new one.
    pub(crate) first: Row,
}

impl Gap {
    /// How long no row was acknowledged, in milliseconds.
    pub(crate) fn millis(&self) -> u128 {
        self.first.at.since(self.last.at).as_millis()
    }
}

impl Ledger {
    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn last(&self) -> Option<&Row> {
        self.rows.last()
    }

    /// How many rows were acknowledged in all.
    pub(crate) fn count(&self) -> usize {
        self.rows.len() + self.forgotten
    }

    /// Keeps only the newest rows.
    pub(crate) fn forget_all_but(&mut self, count: usize) {
        let surplus = self.rows.len().saturating_sub(count);
        self.rows.drain(..surplus);
        self.forgotten += surplus;
    }

    /// Takes rows out whose loss was told: what is lost once is not lost again.
    pub(crate) fn strike(&mut self, lost: &[Row]) {
        self.rows.retain(|row| !lost.contains(row));
        self.forgotten += lost.len();
    }

    /// The first change of the acknowledging server after `since`.
    pub(crate) fn gap(&self, since: Mono) -> Option<Gap> {
        self.rows
            .windows(2)
            .map(|pair| Gap {
                last: pair[0],
                first: pair[1],
            })
            .find(|gap| gap.first.at > since && gap.first.by != gap.last.by)
    }

    /// The acknowledged rows that are not among the `present` ones.
    pub(crate) fn lost(&self, present: &BTreeSet<i64>) -> Vec<Row> {
        self.rows
            .iter()
            .filter(|row| !present.contains(&row.id))
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(rows: &[(i64, u64, usize)]) -> Ledger {
        let mut ledger = Ledger::default();
        for (id, millis, by) in rows {
            let at = Mono(millis * 1_000_000);
            ledger.add(Row {
                id: *id,
                at,
                by: Index(*by),
                wal_end: Lsn(0),
            });
        }
        ledger
    }

    #[test]
    fn a_gap_lies_between_the_last_row_of_one_server_and_the_first_of_another() {
        let ledger = ledger(&[(1, 10, 0), (2, 20, 0), (4, 120, 2), (5, 130, 2)]);
        let gap = ledger.gap(Mono(15_000_000)).unwrap();
        assert_eq!((gap.last.id, gap.first.id, gap.millis()), (2, 4, 100));
    }

    #[test]
    fn a_row_that_the_dying_server_still_acknowledged_shortens_the_gap() {
        let ledger = ledger(&[(1, 10, 0), (2, 20, 0), (3, 100, 1)]);
        assert_eq!(ledger.gap(Mono(15_000_000)).unwrap().millis(), 80);
    }

    #[test]
    fn a_pause_of_one_server_is_no_gap_between_two() {
        let ledger = ledger(&[(1, 10, 0), (2, 500, 0)]);
        assert_eq!(ledger.gap(Mono(0)), None);
    }

    #[test]
    fn a_row_is_lost_when_it_was_acknowledged_and_is_not_there() {
        let ledger = ledger(&[(1, 10, 0), (2, 20, 0), (4, 120, 2)]);
        let lost = ledger.lost(&BTreeSet::from([1, 3, 4]));
        assert_eq!(lost.iter().map(|row| row.id).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_row_whose_loss_was_told_is_not_lost_again() {
        let mut ledger = ledger(&[(1, 10, 0), (2, 20, 0), (4, 120, 2)]);
        let present = BTreeSet::from([1, 4]);
        let lost = ledger.lost(&present);
        ledger.strike(&lost);
        assert_eq!((ledger.lost(&present), ledger.count()), (Vec::new(), 3));
    }

    #[test]
    fn forgotten_rows_are_still_counted() {
        let mut ledger = ledger(&[(1, 10, 0), (2, 20, 0), (4, 120, 2)]);
        ledger.forget_all_but(1);
        assert_eq!((ledger.count(), ledger.rows().len()), (3, 1));
    }
}
