//! The status of a peer, as a peer of either program tells it.
//!
//! Read leniently field by field: what is missing or odd is unknown, and only a text that is no
//! member's status at all is an error.

use herdsman_ha_core::{InstanceId, Lsn, PeerAnswer, PeerServer, Position, Tags, Timeline, truth};
use serde_json::{Map, Value};

/// A peer's status.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PeerStatus(Map<String, Value>);

/// A body that is no member's status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAStatus {
    /// It is no JSON object.
    #[error("the body is not a JSON object")]
    NotAnObject(#[source] serde_json::Error),
    /// It is an object about something else.
    #[error("the JSON object has no state")]
    NoState,
}

impl PeerStatus {
    pub(crate) fn read(body: &[u8]) -> Result<Self, NotAStatus> {
        let map: Map<String, Value> =
            serde_json::from_slice(body).map_err(NotAStatus::NotAnObject)?;
        // Something else may answer on that port. A member always tells its state.
        match map.get("state") {
            Some(Value::String(_)) => Ok(Self(map)),
            _ => Err(NotAStatus::NoState),
        }
    }

    pub(crate) fn into_answer(self) -> PeerAnswer {
        let instance = self
            .ours("instance")
            .and_then(Value::as_str)
            .map(InstanceId::from);
        let Some(xlog) = self.xlog() else {
            return PeerAnswer::NotRunning { instance };
        };
        let lsn = |key| xlog.get(key).and_then(Value::as_u64).unwrap_or(0);
        let location = lsn("location");
        let is_primary = location > 0 || self.is_primary_by_role();
        let lsn = if is_primary {
            location
        } else {
            lsn("received_location").max(lsn("replayed_location"))
        };
        let tags = match self.0.get("tags") {
            Some(Value::Object(tags)) => Tags::read(tags),
            _ => Tags::default(),
        };
        let priority = self.ours("failover_priority").and_then(Value::as_i64);
        PeerAnswer::Running(PeerServer {
            is_primary,
            position: Position {
                timeline: self.timeline(),
                lsn: Lsn(lsn),
            },
            wal_end_reached: self.ours("wal_end_reached").and_then(Value::as_bool),
            may_lead: self.may_lead(&tags),
            failover_priority: priority.unwrap_or_else(|| tags.failover_priority()),
            instance,
        })
    }

    /// A field that only this program tells.
    fn ours(&self, key: &str) -> Option<&Value> {
        self.0.get("herdsman")?.get(key)
    }

    /// The positions; `wal` is an old name of theirs.
    fn xlog(&self) -> Option<&Map<String, Value>> {
        ["xlog", "wal"]
            .iter()
            .find_map(|key| self.0.get(*key)?.as_object())
    }

    fn is_primary_by_role(&self) -> bool {
        matches!(
            self.0.get("role").and_then(Value::as_str),
            Some("primary" | "master")
        )
    }

    fn timeline(&self) -> Timeline {
        let number = self.0.get("timeline").and_then(Value::as_u64);
        Timeline(
            number
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(0),
        )
    }

    /// Nothing that is said against it may be outvoted.
    fn may_lead(&self, tags: &Tags) -> bool {
        let is_watchdog_broken = self.0.get("watchdog_failed").and_then(truth) == Some(true);
        let says_no = self.ours("may_lead") == Some(&Value::Bool(false));
        !tags.is_nofailover() && !is_watchdog_broken && !says_no
    }
}
