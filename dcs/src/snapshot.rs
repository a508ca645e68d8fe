//! What a store contained at one revision, and how it changes.
//!
//! Invariant: a snapshot that every following change was applied to equals a fresh read.

use std::collections::BTreeMap;

use crate::{Key, Revision, SessionId};

/// All keys below a prefix as they were at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The revision of the whole store at which this was true.
    pub revision: Revision,
    /// The keys that existed, in order.
    pub entries: BTreeMap<Key, Entry>,
}

/// One key's content.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry {
    /// The bytes that were put.
    #[cfg_attr(feature = "serde", serde(with = "crate::table::bytes"))]
    pub value: Vec<u8>,
    /// When the key came to be. It stays when the value is put again, so it names one life of the
    /// key: after a delete and a new put it is another.
    pub created: Revision,
    /// When the value was last put. It changes even if the bytes are the same.
    pub modified: Revision,
    /// The session that the key is bound to, if any.
    pub session: Option<SessionId>,
}

/// What happened to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Change {
    /// The key.
    pub key: Key,
    /// Its new content, or nothing if it was deleted, by a call or with its session.
    pub entry: Option<Entry>,
}

impl Snapshot {
    /// Follows one step of the store, as [`WatchEvent::Changed`](crate::WatchEvent::Changed) tells
    /// it.
    ///
    /// A step that the snapshot already contains is ignored, so a caller may mix reads and a watch.
    pub fn apply(&mut self, revision: Revision, changes: Vec<Change>) {
        if revision <= self.revision {
            return;
        }
        self.revision = revision;
        for Change { key, entry } in changes {
            match entry {
                Some(entry) => self.entries.insert(key, entry),
                None => self.entries.remove(&key),
            };
        }
    }

    /// The entry of a key, if it existed.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }
}
