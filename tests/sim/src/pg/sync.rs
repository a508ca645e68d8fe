//! Synchronous replication: whose word a commit waits for.
//!
//! A commit that waits is on the primary's disk, and is not acknowledged: it may be lost.

use std::collections::BTreeSet;

use herdsman_ha_core::Lsn;

use super::server::{Process, Server};
use super::tree::Wal;
use crate::ids::Node;

/// Whom commits wait for, and for how many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncNames {
    /// Whose word counts.
    pub names: Names,
    /// How many of them must have flushed a commit.
    pub need: usize,
}

/// The standbys whose word counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Every standby's.
    Any,
    /// These standbys'.
    Of(BTreeSet<Node>),
}

/// Nodes are letters.
const NODES: u8 = 26;

impl Server {
    /// Whether the client of this row's commit hears that it is done, by what standbys have
    /// confirmed to this server.
    ///
    /// Whoever waits while the server stops or stands still, or has lost its postmaster and with
    /// it the senders, hears nothing.
    pub fn is_acknowledged(&self, row: Wal, confirmed: impl Fn(Node) -> Option<Lsn>) -> bool {
        if !self.serves_writers() || self.is_frozen {
            return false;
        }
        let Some(files) = self.files() else {
            return false;
        };
        let Some(sync) = files.sync.as_ref().filter(|sync| sync.need > 0) else {
            return true;
        };
        if self.process != Process::Primary {
            return false;
        }
        let has = |node: &Node| confirmed(*node).is_some_and(|lsn| lsn >= row.end);
        let count = match &sync.names {
            Names::Of(names) => names.iter().filter(|node| has(node)).count(),
            Names::Any => {
                let others = (0..NODES).map(Node).filter(|node| *node != self.node);
                others.filter(has).count()
            }
        };
        count >= sync.need
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    fn wait_for(server: &mut Server, names: Names, need: usize) {
        let files = server.files_mut().expect("a cluster");
        files.sync = Some(SyncNames { names, need });
    }

    #[test]
    fn without_synchronous_replication_the_own_disk_is_enough() {
        let mut pair = Pair::new();
        let row = pair.a.write(&mut pair.tree).expect("a primary");
        assert!(pair.a.is_acknowledged(row, |_| None));
    }

    #[test]
    fn a_commit_waits_for_the_named_standbys_and_for_no_other() {
        let mut pair = Pair::new();
        wait_for(&mut pair.a, Names::Of([B].into()), 1);
        let row = pair.a.write(&mut pair.tree).expect("a primary");
        let from = |who: Node, lsn| move |node| (node == who).then_some(lsn);
        assert!(!pair.a.is_acknowledged(row, from(C, row.end)));
        assert!(!pair.a.is_acknowledged(row, from(B, Lsn(row.end.0 - 1))));
        assert!(pair.a.is_acknowledged(row, from(B, row.end)));
    }

    #[test]
    fn any_standbys_count_up_to_the_number_that_is_needed() {
        let mut pair = Pair::new();
        wait_for(&mut pair.a, Names::Any, 2);
        let row = pair.a.write(&mut pair.tree).expect("a primary");
        assert!(
            !pair
                .a
                .is_acknowledged(row, |node| (node <= B).then_some(row.end)),
            "its own word does not count"
        );
        assert!(
            pair.a
                .is_acknowledged(row, |node| (node <= C).then_some(row.end))
        );
    }

    #[test]
    fn a_stop_in_order_acknowledges_no_commit_that_waits() {
        let mut pair = Pair::new();
        wait_for(&mut pair.a, Names::Any, 1);
        let row = pair.a.write(&mut pair.tree).expect("a primary");
        pair.a.begin_stop(true).expect("it runs");
        assert!(!pair.a.is_acknowledged(row, |_| Some(row.end)));
    }

    #[test]
    fn orphans_acknowledge_only_what_waits_for_nobody() {
        let mut pair = Pair::new();
        let row = pair.a.write(&mut pair.tree).expect("a primary");
        pair.a.crash(true);
        assert!(pair.a.is_acknowledged(row, |_| None));
        wait_for(&mut pair.a, Names::Any, 1);
        assert!(!pair.a.is_acknowledged(row, |_| Some(row.end)));
    }
}
