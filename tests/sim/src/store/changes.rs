//! What a key is, and what became of it: the log that invariants and timelines read.

use std::sync::Arc;

use herdsman_ha_core::{Purpose, SessionName, StoreGuard};

use crate::ids::{At, Node};

/// A key's content and what the store knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The text.
    pub value: Arc<str>,
    /// The revision at which this life of the key began.
    pub created: u64,
    /// The revision of its last write.
    pub modified: u64,
    /// The session that it is bound to.
    pub session: Option<Arc<SessionName>>,
}

/// One key that changed; the changes of one step follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: At,
    /// The key.
    pub key: Arc<str>,
    /// What it was; none: there was no such key.
    pub before: Option<Entry>,
    /// What it is; none: it was removed.
    pub after: Option<Entry>,
    /// By whom.
    pub by: Writer,
}

/// Who changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writer {
    /// A member's commit.
    Commit {
        /// What it was for; none: the publication of the history.
        purpose: Option<Purpose>,
        /// The session that it referred to, if that lives.
        session: Option<Arc<SessionName>>,
        /// What it demanded.
        guards: Arc<[StoreGuard]>,
    },
    /// The store: the session that the key was bound to has expired.
    Expiry,
    /// A member: it closed the session that the key was bound to.
    Close,
    /// Somebody with a tool, behind everybody's back.
    Tool,
}

/// A session that the store ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Its name.
    pub session: SessionName,
    /// Whose it was.
    pub owner: Node,
    /// What was bound to it and went with it.
    pub keys: Vec<Arc<str>>,
}
