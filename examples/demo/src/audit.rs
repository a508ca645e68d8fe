//! What became of the acknowledged rows: the ledger against the table, the lost ones against the
//! fork of the timelines.

use std::collections::BTreeSet;
use std::time::Duration;

use herdsman_ha_core::{Bytes, Lsn};
use tokio::time::timeout;

use crate::AnyError;
use crate::client::Servers;
use crate::ledger::{Ledger, Row};

const ANSWER: Duration = Duration::from_secs(10);

/// The ids that the primary has.
pub(crate) async fn present(servers: &Servers) -> Result<BTreeSet<i64>, AnyError> {
    let session = servers.connect_within(ANSWER).await?;
    let query = session.client.query("SELECT id FROM traffic", &[]);
    let rows = timeout(ANSWER, query).await??;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Audit {
    pub(crate) acknowledged: usize,
    pub(crate) lost: Vec<Row>,
    /// Where the new timeline left the old one: the end of what the new primary had received.
    pub(crate) fork: Lsn,
}

impl Audit {
    /// Compares; `ledger` must not be younger than `present`.
    pub(crate) fn new(ledger: &Ledger, present: &BTreeSet<i64>, fork: Lsn) -> Self {
        Self {
            acknowledged: ledger.count(),
            lost: ledger.lost(present),
            fork,
        }
    }

    /// Lost rows that the new primary had received: there must never be one.
    pub(crate) fn unexplained(&self) -> Option<&Row> {
        self.lost.iter().find(|row| row.wal_end <= self.fork)
    }

    /// How far behind the fork a lost row's commit lay at most.
    pub(crate) fn beyond(&self, row: &Row) -> Bytes {
        Bytes(row.wal_end.0.saturating_sub(self.fork.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Index;
    use herdsman_ha_core::Mono;

    fn audit(wal_end: u64, fork: u64) -> Audit {
        let mut ledger = Ledger::default();
        ledger.add(Row {
            id: 1,
            at: Mono(1),
            by: Index(0),
            wal_end: Lsn(wal_end),
        });
        Audit::new(&ledger, &BTreeSet::new(), Lsn(fork))
    }

    #[test]
    fn a_lost_row_behind_the_fork_is_explained_by_asynchronous_replication() {
        let audit = audit(101, 100);
        assert_eq!(audit.unexplained(), None);
        assert_eq!(audit.beyond(&audit.lost[0]), Bytes(1));
    }

    #[test]
    fn a_lost_row_that_ends_at_the_fork_is_not_explained() {
        assert!(audit(100, 100).unexplained().is_some());
    }
}
