//! The content of a store as plain data, with the rules that every store keeps: what a backend of
//! one's own needs when it keeps everything in one place, such as a file or a row.
//!
//! No lock, no waiting, no clock: whoever keeps the table brings them. Time is an argument, counted
//! from any fixed point. Invariant: every key that is bound to a session is bound to one that is
//! running, and a step that changed something has a revision of its own.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use crate::{
    Change, Commit, CommitOutcome, Entry, Error, Guard, Key, Lifetime, Prefix, Renewal, Revision,
    Session, SessionId, Snapshot, WatchEvent, Write,
};

/// How many steps are remembered for watches; a reader that is further behind gets a new list.
const LONGEST_LOG: usize = 256;

/// Keys, sessions, and the last steps.
///
/// ```
/// use std::time::Duration;
/// use herdsman_dcs::{Commit, Lifetime, Prefix, Table};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = Prefix::new("/service/demo")?;
/// let mut table = Table::new();
/// let session = table.open(Duration::from_secs(10), Duration::ZERO);
/// let lock = Commit::new().put(folder.key("leader")?, "n1", Lifetime::Session);
/// assert!(table.commit(Some(&session), lock)?.is_applied());
///
/// table.end_overdue(Duration::from_secs(10));
/// assert!(table.snapshot(&folder).entries.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Table {
    revision: Revision,
    entries: BTreeMap<Key, Entry>,
    sessions: BTreeMap<SessionId, Lease>,
    sessions_opened: i64,
    log: VecDeque<(Revision, Vec<Change>)>,
}

/// A running session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Lease {
    ttl: Duration,
    deadline: Duration,
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl Table {
    /// An empty store.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            // As in etcd an empty store is at 1, so that no answer ever says 0.
            revision: Revision::new(1),
            entries: BTreeMap::new(),
            sessions: BTreeMap::new(),
            sessions_opened: 0,
            log: VecDeque::new(),
        }
    }

    /// An empty store that never names a session as this one did.
    pub(crate) fn emptied(&self) -> Self {
        Self {
            sessions_opened: self.sessions_opened,
            ..Self::new()
        }
    }

    /// The revision of the last step.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// What a prefix contains.
    #[must_use]
    pub fn snapshot(&self, prefix: &Prefix) -> Snapshot {
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let below = |(key, _): &(&Key, &Entry)| prefix.contains(key);
        let entries = self.entries.range::<str, _>(from).take_while(below);
        Snapshot {
            revision: self.revision,
            entries: entries.map(|(k, e)| (k.clone(), e.clone())).collect(),
        }
    }

    /// Opens a session.
    pub fn open(&mut self, ttl: Duration, now: Duration) -> Session {
        self.sessions_opened += 1;
        let id = SessionId::from(self.sessions_opened);
        let deadline = now + ttl;
        self.sessions.insert(id.clone(), Lease { ttl, deadline });
        Session { id, ttl }
    }

    /// Restarts the time to live of a session.
    ///
    /// # Errors
    /// [`Error::SessionLost`].
    pub fn touch(&mut self, id: &SessionId, now: Duration) -> Result<Session, Error> {
        let Some(lease) = self.sessions.get_mut(id) else {
            return Err(Error::SessionLost { id: id.clone() });
        };
        lease.deadline = now + lease.ttl;
        Ok(Session {
            id: id.clone(),
            ttl: lease.ttl,
        })
    }

    /// Restarts the time to live of a session and says whether the guards hold.
    ///
    /// # Errors
    /// [`Error::SessionLost`].
    pub fn renew(
        &mut self,
        session: &Session,
        proof: &[Guard],
        now: Duration,
    ) -> Result<Renewal, Error> {
        self.touch(&session.id, now)?;
        let failed = self.failed(proof, Some(session));
        Ok(if failed.is_empty() {
            Renewal::Held
        } else {
            Renewal::Refused { failed }
        })
    }

    /// Ends a session and deletes its keys in one step.
    pub fn end(&mut self, id: &SessionId) {
        if self.sessions.remove(id).is_none() {
            return;
        }
        let bound = |(_, e): &(&Key, &Entry)| e.session.as_ref() == Some(id);
        let keys = self.entries.iter().filter(bound).map(|(k, _)| k.clone());
        let deletes = keys.map(|key| Write::Delete { key }).collect();
        self.apply(None, deletes);
    }

    /// Ends every session whose time has come, the earliest first. To be called before anything
    /// else is asked of the table, so that nobody sees a session that has outlived its time.
    pub fn end_overdue(&mut self, now: Duration) {
        while self.end_one_overdue(now) {}
    }

    /// Ends the session that is overdue the longest; returns whether there was one.
    pub(crate) fn end_one_overdue(&mut self, now: Duration) -> bool {
        let overdue = self.next_overdue(now);
        overdue.inspect(|id| self.end(id)).is_some()
    }

    fn next_overdue(&self, now: Duration) -> Option<SessionId> {
        let overdue = self.sessions.iter().filter(|(_, l)| l.deadline <= now);
        overdue
            .min_by_key(|(_, l)| l.deadline)
            .map(|(id, _)| id.clone())
    }

    /// When the next session ends unless it is renewed.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.sessions.values().map(|l| l.deadline).min()
    }

    /// The keys of the guards that do not hold, each once.
    fn failed(&self, guards: &[Guard], session: Option<&Session>) -> Vec<Key> {
        let mut failed: Vec<Key> = Vec::new();
        for guard in guards {
            let holds = guard.holds(self.entries.get(&guard.key), session);
            if !holds && !failed.contains(&guard.key) {
                failed.push(guard.key.clone());
            }
        }
        failed
    }

    /// Applies a commit wholly or not at all.
    ///
    /// # Errors
    /// [`Error::Invalid`] as of [`Commit::check`], [`Error::SessionLost`] when a put is bound to a
    /// session that has ended.
    pub fn commit(
        &mut self,
        session: Option<&Session>,
        commit: Commit,
    ) -> Result<CommitOutcome, Error> {
        commit.check(session)?;
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

    /// What a watch tells its reader next, who has seen everything up to a revision, or nothing
    /// yet. Nothing: there is nothing new below the prefix.
    #[must_use]
    pub fn next_event(&self, prefix: &Prefix, seen: Option<Revision>) -> Option<WatchEvent> {
        let listed = || Some(WatchEvent::Listed(self.snapshot(prefix)));
        let Some(seen) = seen else { return listed() };
        let first = self.log.front().map_or(self.revision, |(first, _)| *first);
        // From a revision that is not ours, or from before the log begins, only a list helps.
        if seen > self.revision || (seen < self.revision && seen.next() < first) {
            return listed();
        }
        self.steps_after(seen).find_map(|(revision, changes)| {
            let below = |change: &&Change| prefix.contains(&change.key);
            let changes: Vec<Change> = changes.iter().filter(below).cloned().collect();
            (!changes.is_empty()).then_some(WatchEvent::Changed { revision, changes })
        })
    }

    /// The steps after a revision that are remembered.
    pub(crate) fn steps_after(
        &self,
        seen: Revision,
    ) -> impl Iterator<Item = (Revision, &[Change])> {
        let steps = self.log.iter().filter(move |(at, _)| *at > seen);
        steps.map(|(at, changes)| (*at, changes.as_slice()))
    }

    /// Applies writes at one new revision. Writes without effect make none.
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
        if self.log.len() == LONGEST_LOG {
            self.log.pop_front();
        }
        self.log.push_back((revision, changes));
    }
}

/// Values as text where they are text, so that a person can read what was written down.
#[cfg(feature = "serde")]
pub(crate) mod bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(crate) fn serialize<S: Serializer>(value: &[u8], to: S) -> Result<S::Ok, S::Error> {
        let text = String::from_utf8(value.to_vec());
        let written = text.map_or_else(|no| Written::Bytes(no.into_bytes()), Written::Text);
        written.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        Ok(match Written::deserialize(from)? {
            Written::Text(text) => text.into_bytes(),
            Written::Bytes(bytes) => bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(table: &mut Table, key: &Key) {
        let commit = Commit::new().put(key.clone(), "x", Lifetime::Permanent);
        assert!(table.commit(None, commit).unwrap().is_applied());
    }

    #[test]
    fn reader_is_told_every_step_or_a_new_list() {
        let prefix = Prefix::new("/a").unwrap();
        let (inside, beside) = (prefix.key("x").unwrap(), Key::new("/b").unwrap());
        let mut table = Table::new();
        let listed = Some(WatchEvent::Listed(table.snapshot(&prefix)));
        assert_eq!(table.next_event(&prefix, None), listed);
        let seen = table.revision();
        assert_eq!(table.next_event(&prefix, Some(seen)), None);

        put(&mut table, &beside);
        assert_eq!(table.next_event(&prefix, Some(seen)), None);
        put(&mut table, &inside);
        put(&mut table, &inside);
        for number in [3, 4] {
            let before = Some(Revision::new(number - 1));
            let event = table.next_event(&prefix, before);
            let Some(WatchEvent::Changed { revision, changes }) = event else {
                panic!("{event:?}")
            };
            assert_eq!((revision, changes.len()), (Revision::new(number), 1));
        }

        for _ in 0..LONGEST_LOG {
            put(&mut table, &inside);
        }
        let listed = Some(WatchEvent::Listed(table.snapshot(&prefix)));
        assert_eq!(table.next_event(&prefix, Some(seen)), listed);
        assert_eq!(table.next_event(&prefix, Some(Revision::new(9999))), listed);
        assert_eq!(table.next_event(&prefix, Some(table.revision())), None);
    }
}
