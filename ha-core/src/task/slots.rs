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
}
