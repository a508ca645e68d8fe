//! A commit: guards that must hold and writes that are then applied, all in one step.
//!
//! Invariant: either every guard held and every write was applied at one revision, or nothing
//! was. No other call is seen in between.

use std::collections::BTreeSet;

use crate::{Entry, Error, Key, Revision, Session};

/// Guards and the writes that depend on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// What must be true; nothing is applied unless all of it is.
    pub guards: Vec<Guard>,
    /// What is then written, all at one revision.
    pub writes: Vec<Write>,
}

/// A statement about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The key it is about.
    pub key: Key,
    /// What must be true of it.
    pub condition: Condition,
}

/// What a guard demands of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The key does not exist.
    Absent,
    /// The key exists, with any value.
    Present,
    /// The key exists and was last put at this revision.
    AtRevision(Revision),
    /// The key exists and is bound to the session that is given to the call.
    HeldBySession,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets the value, creating the key if needed.
    Put {
        /// The key.
        key: Key,
        /// Its new value.
        value: Vec<u8>,
        /// How long it stays. This replaces what a former put said.
        lifetime: Lifetime,
    },
    /// Removes the key. A key that does not exist is no error.
    Delete {
        /// The key.
        key: Key,
    },
}

/// How long a key stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until the session that is given to the call ends.
    Session,
    /// Until somebody deletes it.
    Permanent,
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum CommitOutcome {
    /// Every guard held and every write was applied.
    Applied {
        /// The revision that the written keys have; without an effective write, the revision at
        /// which the guards were found to hold.
        revision: Revision,
    },
    /// A guard did not hold; nothing was applied.
    NotApplied {
        /// The keys of all guards that did not hold.
        failed: Vec<Key>,
    },
}

impl Commit {
    /// A commit that demands and does nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            guards: Vec::new(),
            writes: Vec::new(),
        }
    }

    /// Adds a guard.
    #[must_use]
    pub fn guard(mut self, key: Key, condition: Condition) -> Self {
        self.guards.push(Guard::new(key, condition));
        self
    }

    /// Adds a put.
    #[must_use]
    pub fn put(mut self, key: Key, value: impl Into<Vec<u8>>, lifetime: Lifetime) -> Self {
        self.writes.push(Write::Put {
            key,
            value: value.into(),
            lifetime,
        });
        self
    }

    /// Adds a delete.
    #[must_use]
    pub fn delete(mut self, key: Key) -> Self {
        self.writes.push(Write::Delete { key });
        self
    }

    /// Checks what every backend refuses alike; a backend calls it before anything else.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the commit is empty, when one key is written twice (the order would
    /// matter, and stores differ) or when something needs a session and none is given.
    pub fn check(&self, session: Option<&Session>) -> Result<(), Error> {
        if self.guards.is_empty() && self.writes.is_empty() {
            return Err(Error::invalid("the commit is empty"));
        }
        if session.is_none() && self.needs_session() {
            return Err(Error::invalid(
                "the commit needs a session and none is given",
            ));
        }
        let mut written = BTreeSet::new();
        for write in &self.writes {
            if !written.insert(write.key()) {
                let key = write.key();
                return Err(Error::invalid(format!("the key {key} is written twice")));
            }
        }
        Ok(())
    }

    fn needs_session(&self) -> bool {
        let guards = self.guards.iter().map(|g| g.condition);
        let mut lifetimes = self.writes.iter().filter_map(Write::lifetime);
        guards.into_iter().any(|c| c == Condition::HeldBySession)
            || lifetimes.any(|l| l == Lifetime::Session)
    }
}

impl Guard {
    /// A guard on one key.
    #[must_use]
    pub const fn new(key: Key, condition: Condition) -> Self {
        Self { key, condition }
    }

    /// Whether the guard holds for what its key contains, seen by a caller with this session.
    #[must_use]
    pub fn holds(&self, entry: Option<&Entry>, session: Option<&Session>) -> bool {
        match self.condition {
            Condition::Absent => entry.is_none(),
            Condition::Present => entry.is_some(),
            Condition::AtRevision(revision) => entry.is_some_and(|e| e.modified == revision),
            Condition::HeldBySession => match (entry.and_then(|e| e.session.as_ref()), session) {
                (Some(holder), Some(session)) => *holder == session.id,
                (None, _) | (_, None) => false,
            },
        }
    }
}

impl Write {
    /// The key that is written.
    #[must_use]
    pub const fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }

    /// The lifetime that a put asks for.
    pub(crate) const fn lifetime(&self) -> Option<Lifetime> {
        match self {
            Self::Put { lifetime, .. } => Some(*lifetime),
            Self::Delete { .. } => None,
        }
    }
}

impl CommitOutcome {
    /// Whether the writes were applied.
    #[must_use]
    pub const fn is_applied(&self) -> bool {
        matches!(self, Self::Applied { .. })
    }

    /// The revision of the writes, if they were applied.
    #[must_use]
    pub const fn revision(&self) -> Option<Revision> {
        match self {
            Self::Applied { revision } => Some(*revision),
            Self::NotApplied { .. } => None,
        }
    }
}
