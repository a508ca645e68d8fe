//! The model of the store: keys with revisions, sessions that end on the store's own clock, and
//! what a follower that lags behind still shows.
//!
//! It knows no network: the world says when a call arrives, and this says what is true then. The
//! invariant to remember: a commit, the end of a session, a tool's deed each change everything
//! they change in one step, at one revision.

mod changes;
mod content;
mod lists;
mod sessions;
mod sight;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use herdsman_ha_core::schema::{history_text, key, merge_history};
use herdsman_ha_core::{
    ClusterView, Commit, HistoryLine, KeyState, Lsn, MemberName, Revision, SessionName, StoreGuard,
    StoreWrite, Timeline,
};
use serde_json::Value;

pub use changes::{Change, Entry, Expired, Writer};
use content::Content;
use sessions::Sessions;
use sight::Sight;

use crate::ids::{At, Node};
pub use crate::options::Flavour;

/// The answer to a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The session has its whole time to live from now, and what was to be proved holds.
    Held,
    /// The session has its whole time to live from now, but the leader key is not bound to it.
    Refused,
    /// There is no such session.
    Gone,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitEnd {
    /// All of it was done; the revision of what it wrote.
    Applied(Revision),
    /// A guard did not hold: nothing was done.
    NotApplied,
    /// It would bind a key to a session that is gone: nothing was done.
    SessionLost,
}

/// The store of one cluster.
#[derive(Clone, Debug)]
pub struct Store {
    /// The longest time to live that is granted; none: what the flavour grants by itself.
    pub max_ttl: Option<Duration>,
    content: Content,
    sessions: Sessions,
    sight: Sight,
}

impl Store {
    /// An empty store that looks for sessions to end once in an `expiry_tick`; zero: at once.
    #[must_use]
    pub fn new(flavour: Flavour, expiry_tick: Duration) -> Self {
        Self {
            max_ttl: None,
            content: Content::new(),
            sessions: Sessions::new(flavour, expiry_tick),
            sight: Sight::default(),
        }
    }

    /// Opens a session: its name, and the time to live that it was granted.
    pub fn open(&mut self, owner: Node, ttl: Duration, now: At) -> (SessionName, Duration) {
        self.sessions.open(owner, ttl, self.max_ttl, now)
    }

    /// Gives a session its whole time to live again, and says whether the leader key is bound to
    /// it where that is to be proved.
    ///
    /// A session that is due but not yet removed is renewed like any other.
    pub fn renew(&mut self, session: &SessionName, proves_leader: bool, now: At) -> Renewal {
        if !self.sessions.renew(session, now) {
            return Renewal::Gone;
        }
        // The proof is asked for after the renewal, so a refused one has renewed nonetheless.
        if proves_leader && self.holder(key::LEADER) != Some(session) {
            return Renewal::Refused;
        }
        Renewal::Held
    }

    /// Ends a session, with everything bound to it; one that has ended is no error.
    pub fn close(&mut self, session: &SessionName, now: At) {
        if self.sessions.close(session, now).is_some() {
            let keys = self.content.bound_to(session);
            self.remove(&keys, &Writer::Close, now);
        }
    }

    /// When [`Store::expire`] must be called next: when the first session is removed if nobody
    /// renews it.
    #[must_use]
    pub fn next_expiry(&self) -> Option<At> {
        self.sessions.next_removal()
    }

    /// Removes the sessions whose time has passed, with everything bound to them: each in one step
    /// of its own, the one that was due first first.
    pub fn expire(&mut self, now: At) -> Vec<Expired> {
        let mut ended = Vec::new();
        while let Some((session, owner)) = self.sessions.take_due(now) {
            let keys = self.content.bound_to(&session);
            self.remove(&keys, &Writer::Expiry, now);
            ended.push(Expired {
                session: (*session).clone(),
                owner,
                keys,
            });
        }
        ended
    }

    /// The store has a new leader of its own: every session gets its whole time to live again.
    pub fn extend_all(&mut self, now: At) {
        self.sessions.extend_all(now);
    }

    /// When a session may be revoked; it is really removed at the next look for such sessions.
    #[must_use]
    pub fn expires_at(&self, session: &SessionName) -> Option<At> {
        self.sessions.expires_at(session)
    }

    /// Whose session it is, while it lives.
    #[must_use]
    pub fn owner(&self, session: &SessionName) -> Option<Node> {
        self.sessions.owner(session)
    }

    /// Whether a member has a session that lives.
    #[must_use]
    pub fn has_session(&self, node: Node) -> bool {
        self.sessions.is_owner(node)
    }

    /// Applies a commit as a whole or not at all. Guards are looked at before the session.
    ///
    /// # Panics
    ///
    /// When the commit is one that no store takes: it is empty, writes a key twice, or refers to a
    /// session and names none. No machine may ever ask for that.
    pub fn commit(&mut self, commit: &Commit, now: At) -> CommitEnd {
        check(commit);
        let session = commit.session.as_ref();
        if !self.hold(&commit.guards, session) {
            return CommitEnd::NotApplied;
        }
        let bind = |write: &StoreWrite| matches!(write, StoreWrite::PutBound { .. });
        let bound_to = session.and_then(|session| self.sessions.name(session));
        if bound_to.is_none() && commit.writes.iter().any(bind) {
            return CommitEnd::SessionLost;
        }
        if commit.writes.is_empty() {
            return CommitEnd::Applied(self.revision());
        }
        let by = Writer::Commit {
            purpose: Some(commit.purpose),
            session: bound_to.clone(),
            guards: commit.guards.as_slice().into(),
        };
        let mut step = self.content.begin(&by, now);
        for write in &commit.writes {
            match write {
                StoreWrite::PutBound { key, value } => step.put(key, value, bound_to.clone()),
                StoreWrite::Put { key, value } => step.put(key, value, None),
                StoreWrite::Delete { key } => step.delete(key),
            }
        }
        CommitEnd::Applied(Revision(step.finish()))
    }

    /// Writes the timeline history of a leader's server, with what was `published` before, while
    /// the session holds the leader key. New lines are marked with true time.
    pub fn publish_history(
        &mut self,
        session: &SessionName,
        (published, seen): (&[HistoryLine], KeyState),
        own: &[(Timeline, Lsn, String)],
        leader: &MemberName,
        keep: usize,
        now: At,
    ) -> CommitEnd {
        let guards = [(key::LEADER, KeyState::HeldBySession), (key::HISTORY, seen)];
        let guards = guards.map(|(key, is)| StoreGuard {
            key: key.to_owned(),
            is,
        });
        if !self.hold(&guards, Some(session)) {
            return CommitEnd::NotApplied;
        }
        let lines = merge_history(published, own, leader, &now.to_string(), keep);
        let by = Writer::Commit {
            purpose: None,
            session: self.sessions.name(session),
            guards: guards.into(),
        };
        let mut step = self.content.begin(&by, now);
        step.put(key::HISTORY, &history_text(&lines), None);
        CommitEnd::Applied(Revision(step.finish()))
    }

    /// A tool writes a key whatever it contains; bound to a session that lives, or to none.
    pub fn put_unguarded(
        &mut self,
        key: &str,
        value: &str,
        session: Option<&SessionName>,
        now: At,
    ) {
        let session = session.and_then(|session| self.sessions.name(session));
        let mut step = self.content.begin(&Writer::Tool, now);
        step.put(key, value, session);
        step.finish();
    }

    /// A tool removes a key, if it is there.
    pub fn delete_unguarded(&mut self, key: &str, now: At) {
        let mut step = self.content.begin(&Writer::Tool, now);
        step.delete(key);
        step.finish();
    }

    /// A tool removes every key in one step; sessions live on.
    pub fn wipe(&mut self, now: At) {
        let keys: Vec<_> = self.content.entries().keys().cloned().collect();
        self.remove(&keys, &Writer::Tool, now);
    }

    /// The store is put back to what it was at an earlier instant, its revision with it, and
    /// begins anew from there. The instant that it was put back to: the earliest that is
    /// remembered, when the wanted one is not.
    ///
    /// As etcd's snapshots contain the leases (seen with 3.4.23), the sessions of that time live
    /// again, also those that had ended, each for its whole time to live from now on; whoever
    /// knows their name can renew them. Sessions that were opened later are gone.
    pub fn restore(&mut self, back_to: At, now: At) -> At {
        let back_to = back_to.max(self.content.remembered_since());
        self.sessions.restore(back_to, now);
        self.content.restore(back_to, now);
        back_to
    }

    /// What changed since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.content.take_changes()
    }

    /// The revision of the last change.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision(self.content.revision())
    }

    /// The whole content as a machine sees it. It is read once for each revision and shared.
    pub fn view(&mut self) -> Arc<ClusterView> {
        self.sight.look(&mut self.content)
    }

    /// The whole content as it was at an earlier instant, all changes of that instant made; none
    /// when that is not remembered.
    #[must_use]
    pub fn old_view(&self, before: At) -> Option<Arc<ClusterView>> {
        let (revision, entries) = self.content.at(before)?;
        Some(Arc::new(sight::read_all(revision, &entries)))
    }

    /// Who the leader key names, and the session that it is bound to.
    #[must_use]
    pub fn leader(&self) -> Option<(&str, Option<&SessionName>)> {
        let entry = self.entry(key::LEADER)?;
        Some((&entry.value, entry.session.as_deref()))
    }

    /// What a key says; null: nothing, or nothing that can be read.
    #[must_use]
    pub fn json(&self, key: &str) -> Value {
        let text = self.value(key).unwrap_or_default();
        serde_json::from_str(text).unwrap_or_default()
    }

    /// What a key contains.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.entry(key).map(|entry| &*entry.value)
    }

    /// The session that a key is bound to.
    #[must_use]
    pub fn holder(&self, key: &str) -> Option<&SessionName> {
        self.entry(key)?.session.as_deref()
    }

    /// A key with all that the store knows of it.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.content.entry(key)
    }

    /// The key of a member.
    #[must_use]
    pub fn member(&self, name: &MemberName) -> Option<&Entry> {
        self.entry(&format!("{}{name}", key::MEMBERS))
    }

    /// Whether every guard holds; a session is named where one demands to be held by it.
    fn hold(&self, guards: &[StoreGuard], session: Option<&SessionName>) -> bool {
        guards.iter().all(|guard| {
            let entry = self.content.entry(&guard.key);
            match guard.is {
                KeyState::Absent => entry.is_none(),
                KeyState::At(revision) => entry.is_some_and(|entry| entry.modified == revision.0),
                KeyState::HeldBySession => {
                    entry.is_some_and(|entry| entry.session.as_deref() == session)
                }
            }
        })
    }

    fn remove(&mut self, keys: &[Arc<str>], by: &Writer, now: At) {
        let mut step = self.content.begin(by, now);
        for key in keys {
            step.delete(key);
        }
        step.finish();
    }
}

/// What every store refuses alike.
fn check(commit: &Commit) {
    let purpose = commit.purpose.name();
    let is_empty = commit.guards.is_empty() && commit.writes.is_empty();
    assert!(!is_empty, "{purpose}: the commit is empty");
    let needs_session = commit
        .guards
        .iter()
        .any(|guard| guard.is == KeyState::HeldBySession)
        || commit
            .writes
            .iter()
            .any(|write| matches!(write, StoreWrite::PutBound { .. }));
    assert!(
        !needs_session || commit.session.is_some(),
        "{purpose}: the commit needs a session and none is given"
    );
    for (index, write) in commit.writes.iter().enumerate() {
        let mut later = commit.writes[index + 1..].iter();
        let is_twice = later.any(|other| written(other) == written(write));
        assert!(!is_twice, "{purpose}: {} is written twice", written(write));
    }
}

fn written(write: &StoreWrite) -> &str {
    match write {
        StoreWrite::PutBound { key, .. }
        | StoreWrite::Put { key, .. }
        | StoreWrite::Delete { key } => key,
    }
}
