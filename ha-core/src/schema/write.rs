//! From what a member knows to the JSON that all readers of the store understand.
//!
//! The shapes are fixed by other programs; a test pins each.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::{Value, json};

use crate::tags::Tags;
use crate::value::{InstanceId, Lsn, MemberName, SystemId, Timeline};
use crate::view::{HistoryLine, LeadershipRecord, MoveRequest, StatusKey, SyncKey, ValueChange};

/// The version that we tell other members: of the interface that we speak, so that they neither
/// fall back to old key layouts nor expect newer ones.
pub const INTERFACE_VERSION: &str = "4.1.4";

/// A member's own key; its fields are written in the order of their names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemberValue {
    /// Where the REST API answers.
    pub api_url: String,
    /// `Some(false)` while the checkpoint after a promotion is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_after_promote: Option<bool>,
    /// Where clients reach PostgreSQL.
    pub conn_url: String,
    /// What only we know.
    pub herdsman: OurField,
    /// Whether pause was noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<bool>,
    /// Whether a setting waits for a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_restart: Option<bool>,
    /// Which setting, with its value before and after.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pending_restart_reason: BTreeMap<String, ValueChange>,
    /// Where clients reach a pooler in front of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<String>,
    /// What a standby received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_lsn: Option<u64>,
    /// What a standby replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay_lsn: Option<u64>,
    /// Where a standby gets WAL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_state: Option<&'static str>,
    /// The role word.
    pub role: &'static str,
    /// The restart that is scheduled, with its conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_restart: Option<Value>,
    /// The state word.
    pub state: &'static str,
    /// What the operator said.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Value>,
    /// The timeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<u32>,
    /// The interface version spoken.
    pub version: &'static str,
    /// The end of the WAL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xlog_location: Option<u64>,
}

/// Our own field of a member's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OurField {
    /// Which run of the agent wrote it.
    pub instance: InstanceId,
}

impl MemberValue {
    /// A member of which only the addresses are known.
    #[must_use]
    pub fn new(conn_url: String, api_url: String, instance: InstanceId, tags: &Tags) -> Self {
        Self {
            conn_url,
            api_url,
            state: "stopped",
            role: "uninitialized",
            version: INTERFACE_VERSION,
            proxy_url: None,
            checkpoint_after_promote: None,
            tags: tags.published.clone(),
            xlog_location: None,
            replay_lsn: None,
            receive_lsn: None,
            replication_state: None,
            timeline: None,
            scheduled_restart: None,
            pause: None,
            pending_restart: None,
            pending_restart_reason: BTreeMap::new(),
            herdsman: OurField { instance },
        }
    }

    /// The JSON as stored.
    #[must_use]
    pub fn render(&self) -> String {
        serde_json::to_string(self).expect("a struct of texts and numbers always renders")
    }
}

/// The `status` key.
pub(crate) fn status(status: &StatusKey) -> String {
    let mut value = json!({ "optime": status.optime.0 });
    if !status.slots.is_empty() {
        let slots: BTreeMap<&str, u64> = status
            .slots
            .iter()
            .map(|(name, lsn)| (name.as_str(), lsn.0))
            .collect();
        value["slots"] = json!(slots);
    }
    if !status.retain_slots.is_empty() {
        value["retain_slots"] = json!(status.retain_slots);
    }
    value.to_string()
}

/// The `failover` key; no request is an empty object, never an absent key.
pub(crate) fn failover(request: Option<&MoveRequest>) -> String {
    let mut value = json!({});
    if let Some(request) = request {
        let parts = [
            ("leader", request.leader.as_ref().map(MemberName::as_str)),
            ("member", request.candidate.as_ref().map(MemberName::as_str)),
            ("scheduled_at", request.scheduled_at.as_deref()),
        ];
        for (key, part) in parts {
            if let Some(part) = part {
                value[key] = json!(part);
            }
        }
    }
    value.to_string()
}

/// The `sync` key.
pub(crate) fn sync(sync: &SyncKey) -> String {
    let names: Vec<&str> = sync.standbys.iter().map(MemberName::as_str).collect();
    json!({
        "leader": sync.leader.as_ref().map(MemberName::as_str),
        "quorum": sync.quorum,
        "sync_standby": if names.is_empty() { None } else { Some(names.join(",")) },
    })
    .to_string()
}

/// The `failsafe` key: who may lead, and where each answers.
pub(crate) fn failsafe(members: &BTreeMap<MemberName, String>) -> String {
    let entries = members
        .iter()
        .map(|(name, url)| (name.to_string(), Value::from(url.as_str())));
    Value::Object(entries.collect()).to_string()
}

/// The `initialize` key.
pub(crate) fn initialize(system_id: SystemId) -> String {
    system_id.to_string()
}

/// Our own leadership record.
pub(crate) fn leadership(record: &LeadershipRecord) -> String {
    json!({
        "owner": record.owner.as_str(),
        "from_timeline": record.from_timeline.0,
        "timeline": record.timeline.0,
        "promotion": record.is_promotion,
    })
    .to_string()
}

/// The text of the `history` key.
#[must_use]
pub fn history_text(lines: &[HistoryLine]) -> String {
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| {
            let mut parts = alloc::vec![
                json!(line.timeline.0),
                json!(line.switch.0),
                json!(line.reason),
            ];
            if let Some(at) = &line.at {
                parts.push(json!(at));
                if let Some(leader) = &line.new_leader {
                    parts.push(json!(leader.as_str()));
                }
            }
            Value::Array(parts)
        })
        .collect();
    Value::Array(lines).to_string()
}

/// What the history says of a number that is not part of it.
const UNUSED: &str = "no leadership used this number";

/// Whether a line of a published history only fills a gap between numbers: whoever is on a
/// timeline of that number shares nothing beyond the line before.
pub(crate) fn is_filler(line: &HistoryLine) -> bool {
    line.reason == UNUSED
}

/// A server's own history with a line for every number below its timeline: readers take the last
/// line's number and one as the present timeline. A number that no leadership used ends where the
/// one before it does.
#[must_use]
pub fn with_skipped(
    own: Vec<(Timeline, Lsn, String)>,
    timeline: Timeline,
) -> Vec<(Timeline, Lsn, String)> {
    let mut lines: Vec<(Timeline, Lsn, String)> = Vec::new();
    let fill = |lines: &mut Vec<(Timeline, Lsn, String)>, up_to: Timeline| {
        while let Some((last, switch)) = lines.last().map(|(last, switch, _)| (*last, *switch))
            && last.next() < up_to
        {
            lines.push((last.next(), switch, UNUSED.to_owned()));
        }
    };
    for line in own {
        fill(&mut lines, line.0);
        lines.push(line);
    }
    fill(&mut lines, timeline);
    lines
}

/// The history to publish: what the server's own history file says, with the times and leaders
/// that were published before, and the newest line marked with this leader.
#[must_use]
pub fn merge_history(
    published: &[HistoryLine],
    own: &[(Timeline, Lsn, String)],
    leader: &MemberName,
    at: &str,
    keep: usize,
) -> Vec<HistoryLine> {
    let skip = if keep == 0 {
        0
    } else {
        own.len().saturating_sub(keep)
    };
    let newest = own.len().saturating_sub(1);
    own.iter()
        .enumerate()
        .skip(skip)
        .map(|(index, (timeline, switch, reason))| {
            let before = published
                .iter()
                .find(|line| line.timeline == *timeline && line.switch == *switch)
                .filter(|line| line.new_leader.is_some());
            let is_new = index == newest && before.is_none();
            HistoryLine {
                timeline: *timeline,
                switch: *switch,
                reason: reason.clone(),
                at: if is_new {
                    Some(at.to_owned())
                } else {
                    before.and_then(|line| line.at.clone())
                },
                new_leader: if is_new {
                    Some(leader.clone())
                } else {
                    before.and_then(|line| line.new_leader.clone())
                },
            }
        })
        .collect()
}

/// The key of a member.
pub(crate) fn member_key(name: &MemberName) -> String {
    format!("{}{name}", super::key::MEMBERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_were_not_used_are_filled_in() {
        let own = |lines: &[u32]| -> Vec<(Timeline, Lsn, String)> {
            let line = |number: &u32| (Timeline(*number), Lsn(u64::from(*number)), String::new());
            lines.iter().map(line).collect()
        };
        let filled = with_skipped(own(&[1, 4]), Timeline(7));
        let ends: Vec<(u32, u64)> = filled.iter().map(|line| (line.0.0, line.1.0)).collect();
        assert_eq!(ends, [(1, 1), (2, 1), (3, 1), (4, 4), (5, 4), (6, 4)]);
        assert!(with_skipped(own(&[]), Timeline(1)).is_empty());
    }

    #[test]
    fn keys_are_written_as_other_readers_expect_them() {
        let request = MoveRequest {
            leader: Some(MemberName::from("n1")),
            candidate: Some(MemberName::from("n2")),
            scheduled_at: None,
        };
        assert_eq!(failover(Some(&request)), r#"{"leader":"n1","member":"n2"}"#);
        assert_eq!(failover(None), "{}");
        let mut synchronous = SyncKey {
            leader: Some(MemberName::from("n1")),
            ..SyncKey::default()
        };
        assert_eq!(
            sync(&synchronous),
            r#"{"leader":"n1","quorum":0,"sync_standby":null}"#
        );
        synchronous.standbys = ["n3", "n2"].map(MemberName::from).into();
        let text = r#"{"leader":"n1","quorum":0,"sync_standby":"n2,n3"}"#;
        assert_eq!(sync(&synchronous), text);
        let key = StatusKey {
            optime: Lsn(67_395_656),
            slots: BTreeMap::from([("n2".to_owned(), Lsn(5))]),
            retain_slots: ["n2".to_owned()].into(),
        };
        assert_eq!(
            status(&key),
            r#"{"optime":67395656,"retain_slots":["n2"],"slots":{"n2":5}}"#
        );
        assert_eq!(status(&StatusKey::default()), r#"{"optime":0}"#);
    }

    #[test]
    fn a_member_value_leaves_out_what_is_not_known() {
        let value = MemberValue::new(
            "postgres://h:5432/postgres".to_owned(),
            "http://h:8008/patroni".to_owned(),
            InstanceId::from("i"),
            &Tags::default(),
        );
        let told: Value = serde_json::from_str(&value.render()).expect("JSON");
        assert_eq!(
            told,
            json!({
                "conn_url": "postgres://h:5432/postgres", "api_url": "http://h:8008/patroni",
                "state": "stopped", "role": "uninitialized", "version": INTERFACE_VERSION,
                "herdsman": {"instance": "i"},
            })
        );
    }

    #[test]
    fn history_keeps_old_marks_and_marks_the_newest_line() {
        let old = HistoryLine {
            timeline: Timeline(1),
            switch: Lsn(100),
            reason: "r".to_owned(),
            at: Some("t0".to_owned()),
            new_leader: Some(MemberName::from("n1")),
        };
        let own = [
            (Timeline(1), Lsn(100), "r".to_owned()),
            (Timeline(2), Lsn(200), "r".to_owned()),
        ];
        let merged = merge_history(
            core::slice::from_ref(&old),
            &own,
            &MemberName::from("n2"),
            "t1",
            0,
        );
        assert_eq!(merged[0], old);
        assert_eq!(merged[1].new_leader, Some(MemberName::from("n2")));
        assert_eq!(
            history_text(&merged),
            r#"[[1,100,"r","t0","n1"],[2,200,"r","t1","n2"]]"#
        );
        assert_eq!(
            merge_history(&[], &own, &MemberName::from("n2"), "t1", 1).len(),
            1
        );
    }
}
