//! The keys, their revision, and the way back to what they were.
//!
//! The past is kept as what each change replaced: a step costs a few shared pointers, and only
//! whoever asks for an old state pays for it. The invariant: undoing every change after an
//! instant gives the whole content of that instant.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use herdsman_ha_core::SessionName;

use super::changes::{Change, Entry, Writer};
use crate::ids::At;

/// How many changed keys are remembered: 64 states of a busy cluster, in which a step changes two.
const PAST_KEPT: usize = 128;

/// All keys by name.
pub(super) type Entries = BTreeMap<Arc<str>, Entry>;

/// The keys of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Content {
    revision: u64,
    entries: Entries,
    past: VecDeque<Past>,
    /// The earliest instant whose state can be told.
    remembered_since: At,
    changes: Vec<Change>,
    /// The keys that changed since the last view, each once.
    unseen: Vec<Arc<str>>,
}

/// What a change replaced.
#[derive(Clone, Debug)]
struct Past {
    at: At,
    revision: u64,
    key: Arc<str>,
    entry: Option<Entry>,
}

impl Content {
    pub(super) fn new() -> Self {
        Self {
            // As in etcd an empty store is at 1.
            revision: 1,
            entries: Entries::new(),
            past: VecDeque::new(),
            remembered_since: At(0),
            changes: Vec::new(),
            unseen: Vec::new(),
        }
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn entries(&self) -> &Entries {
        &self.entries
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn bound_to(&self, session: &SessionName) -> Vec<Arc<str>> {
        let is_bound = |(_, entry): &(_, &Entry)| entry.session.as_deref() == Some(session);
        let bound = self.entries.iter().filter(is_bound);
        bound.map(|(key, _)| Arc::clone(key)).collect()
    }

    /// Begins a step: all that it changes gets the next revision.
    pub(super) fn begin<'a>(&'a mut self, by: &'a Writer, now: At) -> Step<'a> {
        Step {
            now,
            by,
            revision: self.revision + 1,
            is_effective: false,
            content: self,
        }
    }

    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// The keys that changed since the last call.
    pub(super) fn take_unseen(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.unseen)
    }

    pub(super) fn remembered_since(&self) -> At {
        self.remembered_since
    }

    /// The state of an instant, every change of that instant made.
    pub(super) fn at(&self, instant: At) -> Option<(u64, Entries)> {
        if instant < self.remembered_since {
            return None;
        }
        let mut revision = self.revision;
        let mut entries = self.entries.clone();
        let undone = self.past.iter().rev();
        for past in undone.take_while(|past| past.at > instant) {
            revision = past.revision;
            match &past.entry {
                Some(entry) => entries.insert(Arc::clone(&past.key), entry.clone()),
                None => entries.remove(&past.key),
            };
        }
        Some((revision, entries))
    }

    /// Makes the state of a remembered instant the present one, revisions and all.
    pub(super) fn restore(&mut self, back_to: At, now: At) {
        let Some((revision, entries)) = self.at(back_to) else {
            return;
        };
        let mut keys: Vec<Arc<str>> = self.entries.keys().chain(entries.keys()).cloned().collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let entry = entries.get(&key);
            if self.entries.get(&key) != entry {
                self.replace(key, entry.cloned(), &Writer::Tool, now);
            }
        }
        self.revision = revision;
    }

    fn replace(&mut self, key: Arc<str>, after: Option<Entry>, by: &Writer, now: At) {
        let before = match &after {
            Some(entry) => self.entries.insert(Arc::clone(&key), entry.clone()),
            None => self.entries.remove(&key),
        };
        self.remember(Past {
            at: now,
            revision: self.revision,
            key: Arc::clone(&key),
            entry: before.clone(),
        });
        if !self.unseen.contains(&key) {
            self.unseen.push(Arc::clone(&key));
        }
        self.changes.push(Change {
            at: now,
            key,
            before,
            after,
            by: by.clone(),
        });
    }

    fn remember(&mut self, past: Past) {
        if self.past.len() == PAST_KEPT
            && let Some(forgotten) = self.past.pop_front()
        {
            // What its instant ended with can still be told, what it began with cannot.
            self.remembered_since = forgotten.at;
        }
        self.past.push_back(past);
    }
}

/// A step in progress.
#[derive(Debug)]
pub(super) struct Step<'a> {
    content: &'a mut Content,
    by: &'a Writer,
    now: At,
    revision: u64,
    is_effective: bool,
}

impl Step<'_> {
    /// Writes a key; a value that it has already is a change as well.
    pub(super) fn put(&mut self, key: &str, value: &str, session: Option<Arc<SessionName>>) {
        let former = self.content.entries.get_key_value(key);
        let (key, created) = former.map_or_else(
            || (Arc::from(key), self.revision),
            |(key, entry)| (Arc::clone(key), entry.created),
        );
        let entry = Entry {
            value: value.into(),
            created,
            modified: self.revision,
            session,
        };
        self.content.replace(key, Some(entry), self.by, self.now);
        self.is_effective = true;
    }

    /// Removes a key; one that is not there is no change.
    pub(super) fn delete(&mut self, key: &str) {
        if let Some((key, _)) = self.content.entries.get_key_value(key) {
            let key = Arc::clone(key);
            self.content.replace(key, None, self.by, self.now);
            self.is_effective = true;
        }
    }

    /// Ends the step: the store's revision, which is a new one if anything changed.
    pub(super) fn finish(self) -> u64 {
        if self.is_effective {
            self.content.revision = self.revision;
        }
        self.content.revision
    }
}
