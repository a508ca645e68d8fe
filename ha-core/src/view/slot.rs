//! A replication slot, as its server shows it.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::value::Lsn;

/// A replication slot that does not end with a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotView {
    /// What it is for.
    pub kind: SlotKind,
    /// Up to where it was used: of a physical slot the oldest WAL that it keeps, of a logical one
    /// what its consumer has confirmed. None: it keeps none yet.
    pub position: Option<Lsn>,
    /// Whether somebody uses it right now.
    pub is_active: bool,
    /// Whether the WAL that it should keep is gone.
    pub is_lost: bool,
    /// Whether it holds back the removal of old rows.
    pub holds_rows: bool,
    /// Whether PostgreSQL itself carries it to the standbys (17 and later).
    pub is_failover: bool,
    /// Whether PostgreSQL itself has carried it here from the primary: it is not ours to change.
    #[serde(default)]
    pub is_carried: bool,
}

/// What a replication slot is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotKind {
    /// Standbys, and programs that receive WAL.
    #[default]
    Physical,
    /// Changes of one database, decoded.
    Logical(LogicalSlot),
}

/// What a logical slot decodes, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogicalSlot {
    /// The database.
    pub database: String,
    /// The output plugin.
    pub plugin: String,
}

impl SlotView {
    /// A physical slot that nobody uses.
    #[must_use]
    pub fn physical(position: Option<Lsn>) -> Self {
        Self {
            position,
            ..Self::default()
        }
    }
}
