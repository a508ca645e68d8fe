//! What shall become of a server's replication slots.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use serde::Serialize;

use crate::value::Lsn;
use crate::view::LogicalSlot;

/// Changes of replication slots, carried out in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SlotWork {
    /// Slots that must go, when they are not in use.
    pub dropped: BTreeSet<String>,
    /// Physical slots that must exist; they keep WAL from their first moment.
    pub wanted: BTreeSet<String>,
    /// Logical slots that must exist.
    pub logical: BTreeMap<String, LogicalSlot>,
    /// Physical slots that nobody uses here, and up to where their WAL is needed no more.
    pub advanced: BTreeMap<String, Lsn>,
    /// Logical slots of a standby, which follow those of the primary.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub followed: BTreeMap<String, FollowedSlot>,
}

/// Where a logical slot of a standby is to be moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FollowedSlot {
    /// Its database: it can only be moved from there.
    pub database: String,
    /// What the consumer of the primary's slot has confirmed, as far as the standby has replayed.
    pub confirmed: Lsn,
}
