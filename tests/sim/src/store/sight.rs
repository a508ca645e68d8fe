//! The content as a machine sees it, read by the product's own code.
//!
//! Reading all keys costs many times what one costs, and most steps change one: so only the keys
//! that changed are read again. The invariant: the view is what reading all keys would give.

use std::sync::Arc;

use herdsman_ha_core::schema::{RawEntry, key, read_cluster};
use herdsman_ha_core::{ClusterView, MemberName, Revision};

use super::changes::Entry;
use super::content::{Content, Entries};

/// The last view that was taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight {
    view: Arc<ClusterView>,
}

impl Sight {
    /// The view of the present content.
    pub(super) fn look(&mut self, content: &mut Content) -> Arc<ClusterView> {
        let revision = Revision(content.revision());
        let unseen = content.take_unseen();
        if !unseen.is_empty() || self.view.revision != revision {
            // Copied only while somebody still looks at the last one.
            let view = Arc::make_mut(&mut self.view);
            view.revision = revision;
            for key in unseen {
                refresh(view, &key, content.entry(&key));
            }
        }
        Arc::clone(&self.view)
    }
}

/// Reads everything.
pub(super) fn read_all(revision: u64, entries: &Entries) -> ClusterView {
    let entries = entries.iter().map(|(key, entry)| raw(key, entry));
    read_cluster(Revision(revision), entries)
}

fn raw<'a>(key: &'a str, entry: &'a Entry) -> RawEntry<'a> {
    RawEntry {
        key,
        value: entry.value.as_bytes(),
        created: Revision(entry.created),
        modified: Revision(entry.modified),
        session: entry.session.as_ref().map(|session| session.as_str()),
    }
}

/// Reads one key again: what it says replaces what it said.
fn refresh(view: &mut ClusterView, key: &str, entry: Option<&Entry>) {
    let entry = entry.map(|entry| raw(key, entry));
    // Taken apart by name: a part that is added to the view must be given its key here.
    let ClusterView {
        revision,
        initialize,
        leader,
        mut members,
        rules,
        config_warnings,
        config,
        status,
        sync,
        failover,
        history,
        failsafe,
        leadership,
        unread,
    } = read_cluster(view.revision, entry);
    view.revision = revision;
    view.unread.remove(key);
    view.unread.extend(unread);
    match key {
        key::INITIALIZE => view.initialize = initialize,
        key::CONFIG => {
            view.rules = rules;
            view.config_warnings = config_warnings;
            view.config = config;
        }
        key::LEADER => view.leader = leader,
        key::STATUS => view.status = status,
        key::SYNC => view.sync = sync,
        key::FAILOVER => view.failover = failover,
        key::HISTORY => view.history = history,
        key::FAILSAFE => view.failsafe = failsafe,
        key::LEADERSHIP => view.leadership = leadership,
        other => {
            if let Some(name) = other.strip_prefix(key::MEMBERS) {
                view.members.remove(&MemberName::from(name));
                view.members.append(&mut members);
            }
        }
    }
}
