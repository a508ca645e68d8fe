//! What the store holds: the keys of one cluster and the JSON in them.
//!
//! Reading is lenient, because other programs write here too; writing gives exactly what those
//! programs expect. What only this program knows lives in one field `herdsman` of a member's
//! value and under `herdsman/`, which the others ignore.

mod doubt;
pub(crate) mod read;
pub(crate) mod write;

use alloc::borrow::Cow;
use alloc::string::String;

pub(crate) use read::failsafe_list;
pub use read::{RawEntry, read_cluster};
pub use write::{
    INTERFACE_VERSION, MemberValue, OurField, history_text, merge_history, with_skipped,
};

/// The key names, relative to `/<namespace>/<scope>/`.
pub mod key {
    /// The system identifier of the cluster, or an empty text while one is being made.
    pub const INITIALIZE: &str = "initialize";
    /// The dynamic configuration.
    pub const CONFIG: &str = "config";
    /// The name of the leader; bound to its session.
    pub const LEADER: &str = "leader";
    /// What stands before a member's name.
    pub const MEMBERS: &str = "members/";
    /// The leader's position and slots.
    pub const STATUS: &str = "status";
    /// A wanted move.
    pub const FAILOVER: &str = "failover";
    /// The synchronous members.
    pub const SYNC: &str = "sync";
    /// The timelines.
    pub const HISTORY: &str = "history";
    /// The members that promise to hold back during an outage of the store.
    pub const FAILSAFE: &str = "failsafe";
    /// Our own record of who took the leadership last.
    pub const LEADERSHIP: &str = "herdsman/leadership";
}

/// What PostgreSQL keeps of a name.
const LONGEST_SLOT_NAME: usize = 63;

/// The replication slot name of a member: lower case, `-` and `.` become `_`, other characters
/// outside `[a-z0-9_]` become `u` and their code point, cut at 63 characters.
#[must_use]
pub fn slot_name(member: &str) -> Cow<'_, str> {
    use core::fmt::Write as _;
    let is_kept = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    if member.len() <= LONGEST_SLOT_NAME && member.bytes().all(is_kept) {
        return Cow::Borrowed(member);
    }
    let mut name = String::new();
    for letter in member.chars().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' | '0'..='9' | '_' => name.push(letter),
            '-' | '.' => name.push('_'),
            other => {
                // Writing to a string cannot fail.
                let _ = write!(name, "u{:04}", u32::from(other));
            }
        }
    }
    name.truncate(LONGEST_SLOT_NAME);
    Cow::Owned(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_names_hold_only_what_postgresql_allows() {
        assert_eq!(slot_name("PG-Node.1"), "pg_node_1");
        assert_eq!(slot_name("a b"), "au0032b");
        assert_eq!(slot_name("pg_1"), "pg_1");
        assert_eq!(slot_name(&"x".repeat(80)).len(), 63);
    }
}
