//! What reaches the store, and what is promised about that.

use std::sync::Arc;

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{Outcome, Purpose};

use super::super::kept::{Called, Doing};
use super::super::minds::{Ask, Told};
use super::super::promise;
use super::super::small::Small;
use super::Scene;
use crate::ids::Node;
use crate::pg::Process;
use crate::store::{Change, Writer};

impl Small {
    /// A call reaches the store: what it will answer.
    pub(super) fn call(&mut self, node: Node, ask: &Arc<Ask>, scene: &mut Scene<'_>) -> Arc<Told> {
        let wal = self.disks.server(node).wal();
        let own = wal
            .map(|wal| self.disks.tree.history(wal.branch))
            .unwrap_or_default();
        let doing = Doing::Call {
            by: node,
            ask,
            own: &own,
        };
        let called = scene.stores.act(&self.kept, doing, self.now);
        self.changed(&called, scene);
        let told = called.told.clone();
        told.unwrap_or_else(|| Told::new(Outcome::Unknown))
    }

    pub(super) fn expire(&mut self, scene: &mut Scene<'_>) {
        let called = scene.stores.act(&self.kept, Doing::Expire, self.now);
        self.changed(&called, scene);
    }

    fn changed(&mut self, called: &Called, scene: &mut Scene<'_>) {
        self.kept = Arc::clone(&called.kept);
        for change in called
            .changes
            .iter()
            .filter(|change| &*change.key == key::LEADER)
        {
            scene.note(|| match &change.after {
                Some(entry) => format!("the leader key names {}", entry.value),
                None => "the leader key is gone".to_owned(),
            });
            self.check_release(change, scene);
            self.check_takeover(change, scene);
        }
    }

    /// A leader that gives its key up has no process left.
    fn check_release(&self, change: &Change, scene: &mut Scene<'_>) {
        let is_given_up = match &change.by {
            Writer::Commit { purpose, .. } => *purpose == Some(Purpose::Release),
            Writer::Close => true,
            Writer::Expiry | Writer::Tool => false,
        };
        let former = change
            .before
            .as_ref()
            .and_then(|entry| self.named(&entry.value));
        let (true, None, Some(node)) = (is_given_up, &change.after, former) else {
            return;
        };
        let process = self.disks.server(node).process;
        if process != (Process::Down { orphans: false }) {
            scene.breaks(promise::RELEASE, || {
                format!("{node} gave the leader key up while its server was {process:?}")
            });
        }
    }

    /// Who takes the leadership does not lack a row that it was told somebody has.
    fn check_takeover(&self, change: &Change, scene: &mut Scene<'_>) {
        let is_taken = matches!(
            &change.by,
            Writer::Commit {
                purpose: Some(Purpose::Acquire),
                ..
            }
        );
        let by = change
            .after
            .as_ref()
            .and_then(|entry| self.named(&entry.value));
        let (true, Some(node), Some(row)) = (is_taken, by, self.row) else {
            return;
        };
        let lacks = !row.is_forsaken && !self.disks.holds(node, row.place);
        if lacks && self.member(node).has_heard_of_row {
            scene.breaks(promise::ROW, || {
                format!("{node} took the leadership without a row that a peer said to have")
            });
        }
    }
}
