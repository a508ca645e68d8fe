//! What a server says of itself over a replication connection.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::value::{Lsn, Position, SystemId, Timeline};

/// Who a server is, asked over a replication connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerIdentity {
    /// The identity of its data.
    pub system_id: SystemId,
    /// Whether it accepts writes.
    pub is_primary: bool,
    /// The end of its WAL.
    pub position: Position,
    /// Where each earlier timeline of its history ended.
    pub history: Vec<(Timeline, Lsn)>,
    /// The WAL segment that the asking standby needs next and this server does not have any more.
    #[serde(default)]
    pub missing_wal: Option<String>,
    /// Where the asking standby's own history and this server's come to differ although both know
    /// the timeline by the same number: two clusters each began one of that number.
    #[serde(default)]
    pub contradicts: Option<Lsn>,
}
