//! The store of a script: keys with revisions and sessions, changed by facts and by commits.
//!
//! Views are read from it by the same code that reads a real store, and a commit that a script
//! lets succeed must be one that a store would let succeed.

use std::collections::BTreeMap;

use herdsman_ha_core::schema::{RawEntry, read_cluster};
use herdsman_ha_core::{ClusterView, Commit, KeyState, Revision, StoreWrite};

#[derive(Clone, Debug)]
struct Entry {
    value: String,
    created: u64,
    modified: u64,
    session: Option<String>,
    /// What is there instead of the value, as another tool left it.
    garbage: Option<Vec<u8>>,
}

/// How many views can arrive again.
const VIEWS_KEPT: usize = 64;

/// The keys of one cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    revision: u64,
    entries: BTreeMap<String, Entry>,
    is_changing: bool,
    /// Every view that was handed out, so that one can arrive late.
    views: Vec<ClusterView>,
    held_back: Option<ClusterView>,
}

impl Store {
    /// The revision that a change made now gets.
    fn next(&mut self) -> u64 {
        self.is_changing = true;
        self.revision + 1
    }

    /// Everything changed since the last call was one change.
    pub(crate) fn settle(&mut self) {
        if std::mem::take(&mut self.is_changing) {
            self.revision += 1;
        }
    }

    /// The next change gets this revision.
    pub(crate) fn jump_to(&mut self, revision: u64) -> Result<(), String> {
        if revision <= self.revision {
            return Err(format!("revision {revision} has passed"));
        }
        self.revision = revision - 1;
        self.is_changing = true;
        Ok(())
    }

    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|entry| entry.value.as_str())
    }

    pub(crate) fn holder(&self, key: &str) -> Option<&str> {
        self.entries.get(key)?.session.as_deref()
    }

    pub(crate) fn names_under(&self, prefix: &str) -> Vec<String> {
        let keys = self.entries.keys();
        keys.filter_map(|key| key.strip_prefix(prefix).map(str::to_owned))
            .collect()
    }

    pub(crate) fn put(&mut self, key: &str, value: &str, session: Option<&str>) {
        let is_equal = self
            .entries
            .get(key)
            .is_some_and(|entry| entry.value == value && entry.session.as_deref() == session);
        if is_equal {
            return;
        }
        let modified = self.next();
        let created = self
            .entries
            .get(key)
            .map_or(modified, |entry| entry.created);
        let entry = Entry {
            value: value.to_owned(),
            created,
            modified,
            session: session.map(str::to_owned),
            garbage: None,
        };
        self.entries.insert(key.to_owned(), entry);
    }

    /// Another tool writes bytes, and leaves what binds the key as it is.
    pub(crate) fn spoil(&mut self, key: &str, bytes: &[u8]) {
        let session = self.holder(key).map(str::to_owned);
        let text = format!("garbage of {} bytes: {:?}", bytes.len(), bytes.get(..4));
        self.put(key, &text, session.as_deref());
        if let Some(entry) = self.entries.get_mut(key) {
            entry.garbage = Some(bytes.to_owned());
        }
    }

    pub(crate) fn delete(&mut self, key: &str) {
        if self.entries.remove(key).is_some() {
            self.next();
        }
    }

    /// The session ends: everything bound to it goes.
    pub(crate) fn expire(&mut self, session: &str) {
        let before = self.entries.len();
        self.entries
            .retain(|_, entry| entry.session.as_deref() != Some(session));
        if self.entries.len() != before {
            self.next();
        }
    }

    /// Makes all changes of a commit, or says which of its guards does not hold.
    pub(crate) fn commit(&mut self, commit: &Commit) -> Result<u64, String> {
        self.settle();
        let session = commit.session.as_ref().map(|name| name.as_str());
        for guard in &commit.guards {
            let entry = self.entries.get(&guard.key);
            let holds = match guard.is {
                KeyState::Absent => entry.is_none(),
                KeyState::At(revision) => entry.is_some_and(|entry| entry.modified == revision.0),
                KeyState::HeldBySession => {
                    entry.is_some_and(|entry| entry.session.as_deref() == session)
                }
            };
            if !holds {
                return Err(format!("{} is not {:?}", guard.key, guard.is));
            }
        }
        self.next();
        for write in &commit.writes {
            match write {
                StoreWrite::PutBound { key, value } => self.put(key, value, session),
                StoreWrite::Put { key, value } => self.put(key, value, None),
                StoreWrite::Delete { key } => self.delete(key),
            }
        }
        self.settle();
        Ok(self.revision)
    }

    /// The whole content as a view.
    pub(crate) fn view(&mut self) -> ClusterView {
        self.settle();
        let entries = self.entries.iter().map(|(key, entry)| RawEntry {
            key,
            value: (entry.garbage.as_deref()).unwrap_or(entry.value.as_bytes()),
            created: Revision(entry.created),
            modified: Revision(entry.modified),
            session: entry.session.as_deref(),
        });
        let view = read_cluster(Revision(self.revision), entries);
        self.views.push(view.clone());
        if self.views.len() > VIEWS_KEPT {
            self.views.remove(0);
        }
        view
    }

    /// Reads a view that arrives later.
    pub(crate) fn hold_back(&mut self) {
        self.held_back = Some(self.view());
    }

    /// The view that was read and has not arrived.
    pub(crate) fn held_back(&mut self) -> Option<ClusterView> {
        self.held_back.take()
    }

    /// A view as it was handed out before.
    pub(crate) fn old_view(&self, revision: u64) -> Option<&ClusterView> {
        let views = self.views.iter().rev();
        views.into_iter().find(|view| view.revision.0 == revision)
    }
}
