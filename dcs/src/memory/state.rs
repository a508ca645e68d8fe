//! The content of a memory store: keys, sessions and the queues of its watches.
//!
//! Plain data with a clock as an argument: no lock, no waiting. Invariant: every key that is bound
//! to a session is bound to one in `sessions`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use super::link::Links;
use super::watch::Watchers;
use crate::{
    Change, Commit, CommitOutcome, Entry, Error, Guard, Key, Lifetime, Prefix, Revision, Session,
    SessionId, Snapshot, Write,
};

#[derive(Debug)]
pub(super) struct State {
    revision: Revision,
    entries: BTreeMap<Key, Entry>,
    sessions: BTreeMap<SessionId, Lease>,
    sessions_opened: i64,
    pub(super) watchers: Watchers,
}

/// A running session. Instants are times since the store was made.
#[derive(Debug)]
struct Lease {
    ttl: Duration,
    deadline: Duration,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            // As in etcd an empty store is at 1, so that no answer ever says 0.
            revision: Revision::new(1),
            entries: BTreeMap::new(),
            sessions: BTreeMap::new(),
            sessions_opened: 0,
            watchers: Watchers::default(),
        }
    }

    pub(super) const fn revision(&self) -> Revision {
        self.revision
    }

    pub(super) fn snapshot(&self, prefix: &Prefix) -> Snapshot {
        listed(self.revision, &self.entries, prefix)
    }

    pub(super) fn open(&mut self, ttl: Duration, now: Duration) -> Session {
        self.sessions_opened += 1;
        let id = SessionId::from(self.sessions_opened);
        let deadline = now + ttl;
        self.sessions.insert(id.clone(), Lease { ttl, deadline });
        Session { id, ttl }
    }

    /// Restarts the time to live of a session.
    pub(super) fn touch(&mut self, id: &SessionId, now: Duration) -> Result<Session, Error> {
        let Some(lease) = self.sessions.get_mut(id) else {
            return Err(Error::SessionLost { id: id.clone() });
        };
        lease.deadline = now + lease.ttl;
        Ok(Session {
            id: id.clone(),
            ttl: lease.ttl,
        })
    }

    /// Ends a session and deletes its keys in one step.
    pub(super) fn end(&mut self, id: &SessionId) {
        if self.sessions.remove(id).is_none() {
            return;
        }
        let bound = |(_, e): &(&Key, &Entry)| e.session.as_ref() == Some(id);
        let keys = self.entries.iter().filter(bound).map(|(k, _)| k.clone());
        let deletes = keys.map(|key| Write::Delete { key }).collect();
        self.apply(None, deletes);
    }

    /// Ends every session whose time has come, the earliest first.
    pub(super) fn end_overdue(&mut self, now: Duration) {
        while let Some(id) = self.next_overdue(now) {
            self.end(&id);
        }
    }

    fn next_overdue(&self, now: Duration) -> Option<SessionId> {
        let overdue = self.sessions.iter().filter(|(_, l)| l.deadline <= now);
        overdue
            .min_by_key(|(_, l)| l.deadline)
            .map(|(id, _)| id.clone())
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.sessions.values().map(|l| l.deadline).min()
    }

    /// The keys of the guards that do not hold, each once.
    pub(super) fn failed(&self, guards: &[Guard], session: Option<&Session>) -> Vec<Key> {
        let mut failed: Vec<Key> = Vec::new();
        for guard in guards {
            let holds = guard.holds(self.entries.get(&guard.key), session);
            if !holds && !failed.contains(&guard.key) {
                failed.push(guard.key.clone());
            }
        }
        failed
    }

    pub(super) fn commit(
        &mut self,
        session: Option<&Session>,
        commit: Commit,
    ) -> Result<CommitOutcome, Error> {
        let failed = self.failed(&commit.guards, session);
        if !failed.is_empty() {
            return Ok(CommitOutcome::NotApplied { failed });
        }
        let binds = commit
            .writes
            .iter()
            .any(|w| w.lifetime() == Some(Lifetime::Session));
        if let Some(session) = session.filter(|s| binds && !self.sessions.contains_key(&s.id)) {
            let id = session.id.clone();
            return Err(Error::SessionLost { id });
        }
        self.apply(session.map(|s| &s.id), commit.writes);
        Ok(CommitOutcome::Applied {
            revision: self.revision,
        })
    }

    /// Applies writes at one new revision and tells the watches. Writes without effect make none.
    fn apply(&mut self, session: Option<&SessionId>, writes: Vec<Write>) {
        let revision = self.revision.next();
        let mut changes = Vec::new();
        for write in writes {
            let key = write.key().clone();
            let entry = match write {
                Write::Put {
                    value, lifetime, ..
                } => {
                    let former = self.entries.get(&key);
                    let entry = Entry {
                        value,
                        created: former.map_or(revision, |e| e.created),
                        modified: revision,
                        session: match lifetime {
                            Lifetime::Session => session.cloned(),
                            Lifetime::Permanent => None,
                        },
                    };
                    self.entries.insert(key.clone(), entry.clone());
                    Some(entry)
                }
                Write::Delete { .. } if self.entries.remove(&key).is_none() => continue,
                Write::Delete { .. } => None,
            };
            changes.push(Change { key, entry });
        }
        if changes.is_empty() {
            return;
        }
        self.revision = revision;
        let (watchers, entries) = (&mut self.watchers, &self.entries);
        let snapshot = |prefix: &Prefix| listed(revision, entries, prefix);
        watchers.publish(revision, &changes, snapshot);
    }

    /// Interrupts the watches of members that lost their connection and lists anew for those that
    /// have it back.
    pub(super) fn follow_links(&mut self, links: &Links) {
        let (revision, entries) = (self.revision, &self.entries);
        self.watchers
            .follow_links(links, |prefix| listed(revision, entries, prefix));
    }

    pub(super) fn rebuild(&mut self) {
        let seen = self.revision;
        let watchers = std::mem::take(&mut self.watchers);
        let sessions_opened = self.sessions_opened;
        *self = Self::new();
        // Ids are not used again: a session of before must not be taken for one of after.
        self.sessions_opened = sessions_opened;
        self.watchers = watchers;
        let found = self.revision;
        self.watchers
            .store_replaced(Error::StoreReplaced { seen, found }, found);
    }
}

/// What a prefix contains.
fn listed(revision: Revision, entries: &BTreeMap<Key, Entry>, prefix: &Prefix) -> Snapshot {
    let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
    let below = |(key, _): &(&Key, &Entry)| prefix.contains(key);
    let entries = entries.range::<str, _>(from).take_while(below);
    Snapshot {
        revision,
        entries: entries.map(|(k, e)| (k.clone(), e.clone())).collect(),
    }
}
