//! Changes of the store: what for, under which conditions, and what is written.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use crate::value::{Revision, SessionName};

/// Why the store is changed; names the change in logs and decides its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Take the leadership.
    Acquire,
    /// Bind a leadership of an earlier run to this session.
    Resume,
    /// Give the leadership up.
    Release,
    /// Record a new cluster and take its leadership.
    RecordCluster,
    /// Record the identifier of a running primary.
    AdoptCluster,
    /// Claim to make the cluster.
    ClaimInitialize,
    /// Write the member's own key.
    PublishMember,
    /// Write the leader's position.
    PublishStatus,
    /// Write the configuration where it is missing.
    RestoreConfig,
    /// Ask for a move of the leadership.
    RequestMove,
    /// Remove a move that cannot be done.
    ClearMove,
    /// Begin a scheduled move at its time.
    BeginMove,
    /// Remove a scheduled move on demand.
    FlushMove,
    /// Change the configuration on demand.
    ChangeConfig,
    /// Say who has every acknowledged commit.
    PublishSync,
    /// Say who may lead at all.
    PublishFailsafe,
}

/// A change of the store, applied as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// What it is for.
    pub purpose: Purpose,
    /// The session that guards and writes refer to.
    pub session: Option<SessionName>,
    /// What must hold.
    pub guards: Vec<StoreGuard>,
    /// What is written.
    pub writes: Vec<StoreWrite>,
}

/// A condition of a commit; keys are relative to the cluster's prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoreGuard {
    /// The key.
    pub key: String,
    /// What must hold of it.
    pub is: KeyState,
}

/// What a guard demands of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// It does not exist.
    Absent,
    /// It was last written at this revision.
    At(Revision),
    /// It is bound to the commit's session.
    HeldBySession,
}

impl KeyState {
    /// The state in which a view saw a key.
    #[must_use]
    pub fn seen(revision: Option<Revision>) -> Self {
        revision.map_or(Self::Absent, Self::At)
    }
}

/// A write of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreWrite {
    /// A value that lives and dies with the session.
    PutBound {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// A value that stays.
    Put {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// The key goes.
    Delete {
        /// The key.
        key: String,
    },
}

impl Purpose {
    /// The purpose's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Acquire => "acquire",
            Self::Resume => "resume",
            Self::Release => "release",
            Self::RecordCluster => "record-cluster",
            Self::AdoptCluster => "adopt-cluster",
            Self::ClaimInitialize => "claim-initialize",
            Self::PublishMember => "publish-member",
            Self::PublishStatus => "publish-status",
            Self::RestoreConfig => "restore-config",
            Self::RequestMove => "request-move",
            Self::ClearMove => "clear-move",
            Self::BeginMove => "begin-move",
            Self::FlushMove => "flush-move",
            Self::ChangeConfig => "change-config",
            Self::PublishSync => "publish-sync",
            Self::PublishFailsafe => "publish-failsafe",
        }
    }
}
