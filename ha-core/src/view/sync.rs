//! What the store and a primary show of synchronous replication. Facts and never wishes.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::value::{Lsn, MemberName};

/// The `sync` key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncKey {
    /// The leader that wrote it; none: no synchronous replication is in force.
    pub leader: Option<MemberName>,
    /// The members that may hold every acknowledged commit.
    pub standbys: BTreeSet<MemberName>,
    /// How many votes besides its own a candidate needs.
    pub quorum: u64,
}

impl SyncKey {
    /// Whether commits may have been acknowledged on the word of standbys.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        self.leader.is_some()
    }

    /// Whether a member has every acknowledged commit: the leader that wrote the key, and the
    /// standbys that it lists.
    #[must_use]
    pub fn names(&self, member: &MemberName) -> bool {
        self.leader.as_ref() == Some(member) || self.standbys.contains(member)
    }
}

/// What a primary shows of synchronous replication.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncView {
    /// Whom commits wait for, by the setting in force.
    pub waits_for: WaitsFor,
    /// Whether that setting was written over the one that the configuration asks for.
    pub is_overruled: bool,
    /// Who streams from it.
    pub senders: Vec<SenderView>,
}

/// Whom commits wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitsFor {
    /// All of these, in the order of the setting; none: commits wait for nobody.
    All(Vec<MemberName>),
    /// A standby that does not exist: no commit is acknowledged.
    Unmatched,
    /// Something that is not ours: some of several, or everybody.
    Other(String),
}

impl Default for WaitsFor {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

/// A standby that is connected to a primary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderView {
    /// The name that the standby gave.
    pub name: String,
    /// Whether it has caught up and streams.
    pub is_streaming: bool,
    /// What its word counts for.
    pub state: SyncState,
    /// What it has confirmed, in the sense of `synchronous_commit`.
    pub confirmed: Option<Lsn>,
}

/// What the word of a connected standby counts for: the later, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncState {
    /// Nothing.
    Async,
    /// Nothing, until another one goes away.
    Potential,
    /// One of several is waited for.
    Quorum,
    /// It is waited for.
    Sync,
}
