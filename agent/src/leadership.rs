//! Who leads, as a stream of changes: for services that work only beside the primary.
//!
//! Invariant: `Ours` is told only while the lease is held and the server takes writes; both ended
//! no later than the next change is told.

use herdsman_ha_core::{MemberName, ServerView, Status};
use herdsman_rest_api::SnapshotReader;

/// Who leads the cluster, as one member sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// This member: it holds the lease and its server takes writes.
    Ours,
    /// The named member, which may be this one while its server takes no writes yet.
    Of(MemberName),
    /// Nobody.
    Nobody,
    /// The store is out of reach, so somebody else may lead.
    Unknown,
}

impl Leadership {
    pub(crate) fn of(status: &Status) -> Self {
        let server = status.local.as_ref().map(|local| &local.server);
        let is_primary = matches!(server, Some(ServerView::Primary(_)));
        if status.lease.is_some() && is_primary {
            return Self::Ours;
        }
        let view = status.cluster.as_ref();
        match view.filter(|_| status.is_store_reachable) {
            None => Self::Unknown,
            Some(view) => match &view.leader {
                None => Self::Nobody,
                Some(leader) => Self::Of(leader.name.clone()),
            },
        }
    }
}

/// The changes of the [`Leadership`], from [`Handle::leadership`](crate::Handle::leadership).
#[derive(Debug)]
pub struct LeadershipChanges {
    snapshots: SnapshotReader,
    told: Option<Leadership>,
}

impl LeadershipChanges {
    pub(crate) const fn new(snapshots: SnapshotReader) -> Self {
        Self {
            snapshots,
            told: None,
        }
    }

    /// Waits until the leadership is another one than was told last; the first call tells what is.
    /// Nothing when the agent has ended.
    ///
    /// Cancel safe. A change and its return that happen while nobody waits are not told.
    pub async fn next(&mut self) -> Option<Leadership> {
        let mut snapshot = Some(self.snapshots.latest());
        loop {
            let leadership = Leadership::of(&snapshot?.status);
            if self.told.as_ref() != Some(&leadership) {
                self.told = Some(leadership.clone());
                return Some(leadership);
            }
            snapshot = self.snapshots.next().await;
        }
    }
}
