//! A member as the store shows it.

use alloc::string::String;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::read::member_object;
use crate::tags::Tags;
use crate::value::{InstanceId, Lsn, Revision, SessionName, Timeline};

/// A member as it describes itself in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// When the key was last written.
    pub revision: Revision,
    /// The session that it lives with.
    pub session: Option<SessionName>,
    /// Where clients reach its PostgreSQL: `host` and `port`.
    pub endpoint: Option<(String, u16)>,
    /// Where its REST API answers.
    pub api_url: Option<String>,
    /// Its state word, such as `running`.
    pub state: String,
    /// Its role word, such as `replica`.
    pub role: String,
    /// The timeline it is on.
    pub timeline: Option<Timeline>,
    /// The end of its WAL: flushed by a primary, received by a standby.
    pub xlog_location: Option<Lsn>,
    /// What a standby has received.
    pub receive_lsn: Option<Lsn>,
    /// What a standby has replayed.
    pub replay_lsn: Option<Lsn>,
    /// Where a standby gets its WAL, such as `streaming`.
    pub replication_state: Option<String>,
    /// What its operator said about it.
    pub tags: Tags,
    /// Whether a setting waits for a restart.
    pub pending_restart: bool,
    /// Whether the checkpoint after its promotion is done, where it says so.
    pub checkpoint_after_promote: Option<bool>,
    /// Which run of an agent wrote this, when it is one of ours.
    pub instance: Option<InstanceId>,
    /// The whole value as stored.
    pub text: String,
}

impl MemberView {
    /// The whole value as an object, read anew; null where it is none.
    #[must_use]
    pub fn value(&self) -> Value {
        member_object(&self.text)
    }

    /// Whether the member says that it runs as a primary.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        matches!(self.role.as_str(), "primary" | "master")
    }

    /// Whether it says that it leads a standby cluster and follows the server outside of it.
    #[must_use]
    pub fn is_standby_leader(&self) -> bool {
        self.role == "standby_leader"
    }
}
