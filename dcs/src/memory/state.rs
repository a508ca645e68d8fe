//! The content of a memory store and the queues of its watches.
//!
//! Invariant: whatever a call changed is told to the watches before the call returns.

use std::time::Duration;

use super::link::Links;
use super::watch::Watchers;
use crate::{
    Commit, CommitOutcome, Error, Guard, Prefix, Renewal, Revision, Session, SessionId, Snapshot,
    Table,
};

#[derive(Debug, Default)]
pub(super) struct State {
    table: Table,
    pub(super) watchers: Watchers,
}

impl State {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) const fn revision(&self) -> Revision {
        self.table.revision()
    }

    pub(super) fn snapshot(&self, prefix: &Prefix) -> Snapshot {
        self.table.snapshot(prefix)
    }

    pub(super) fn open(&mut self, ttl: Duration, now: Duration) -> Session {
        self.table.open(ttl, now)
    }

    /// Restarts the time to live of a session.
    pub(super) fn touch(&mut self, id: &SessionId, now: Duration) -> Result<Session, Error> {
        self.table.touch(id, now)
    }

    pub(super) fn renew(
        &mut self,
        session: &Session,
        proof: &[Guard],
        now: Duration,
    ) -> Result<Renewal, Error> {
        self.table.renew(session, proof, now)
    }

    /// Ends a session and deletes its keys in one step.
    pub(super) fn end(&mut self, id: &SessionId) {
        self.told(|table| table.end(id));
    }

    /// Ends every session whose time has come, the earliest first.
    pub(super) fn end_overdue(&mut self, now: Duration) {
        // One at a time: the table remembers only so many steps.
        while self.told(|table| table.end_one_overdue(now)) {}
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.table.next_deadline()
    }

    pub(super) fn commit(
        &mut self,
        session: Option<&Session>,
        commit: Commit,
    ) -> Result<CommitOutcome, Error> {
        self.told(|table| table.commit(session, commit))
    }

    /// Changes the table and tells the watches.
    fn told<T>(&mut self, change: impl FnOnce(&mut Table) -> T) -> T {
        let before = self.table.revision();
        let answer = change(&mut self.table);
        let (watchers, table) = (&mut self.watchers, &self.table);
        for (revision, changes) in table.steps_after(before) {
            watchers.publish(revision, changes, |prefix| table.snapshot(prefix));
        }
        answer
    }

    /// Interrupts the watches of members that lost their connection and lists anew for those that
    /// have it back.
    pub(super) fn follow_links(&mut self, links: &Links) {
        let table = &self.table;
        self.watchers
            .follow_links(links, |prefix| table.snapshot(prefix));
    }

    pub(super) fn rebuild(&mut self) {
        let seen = self.table.revision();
        // Ids are not used again: a session of before must not be taken for one of after.
        self.table = self.table.emptied();
        let found = self.table.revision();
        self.watchers
            .store_replaced(Error::StoreReplaced { seen, found }, found);
    }
}
