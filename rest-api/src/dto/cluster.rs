//! The members of the cluster as the store shows them: the answer to `/cluster`.

use herdsman_ha_core::{ClusterView, Lsn, MemberName, MemberView, MoveRequest, Rules};
use serde::Serialize;
use serde_json::Value;

use crate::node::{SyncPart, sync_part};

/// All members, sorted by name.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cluster<'a> {
    members: Vec<Member<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_switchover: Option<ScheduledSwitchover<'a>>,
    scope: &'a str,
}

#[derive(Clone, Debug, Serialize)]
struct Member<'a> {
    name: &'a str,
    role: &'static str,
    state: &'a str,
    api_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_restart: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_restart_reason: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_restart: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Value>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    positions: Option<Positions>,
}

/// How far a member is that does not lead.
#[derive(Clone, Debug, Serialize)]
struct Positions {
    receive_lsn: Reported<String>,
    receive_lag: Reported<u64>,
    replay_lsn: Reported<String>,
    replay_lag: Reported<u64>,
    lsn: Reported<String>,
    lag: Reported<u64>,
}

/// A value that the member reported, or the word `unknown`.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Reported<T> {
    Known(T),
    Unknown(&'static str),
}

#[derive(Clone, Debug, Serialize)]
struct ScheduledSwitchover<'a> {
    at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
}

impl<'a> Cluster<'a> {
    pub(crate) fn of(view: &'a ClusterView, rules: &Rules, scope: &'a str) -> Self {
        Self {
            members: view
                .members
                .iter()
                .map(|(name, member)| Member::of(name, member, view, rules))
                .collect(),
            pause: rules.pause.then_some(true),
            scheduled_switchover: view.failover.value.as_ref().and_then(scheduled),
            scope,
        }
    }
}

impl<'a> Member<'a> {
    fn of(name: &'a MemberName, member: &'a MemberView, view: &ClusterView, rules: &Rules) -> Self {
        let is_leader = view
            .leader
            .as_ref()
            .is_some_and(|leader| leader.name == *name);
        let role = role(name, is_leader, view, rules);
        let (host, port) = member
            .endpoint
            .as_ref()
            .map_or((None, None), |(host, port)| (Some(host), Some(*port)));
        let state = match &member.replication_state {
            Some(replication) if role != "leader" => replication,
            Some(_) | None => &member.state,
        };
        // As the member wrote it.
        let mut value = member.value();
        let mut field = |key: &str| value.get_mut(key).map(Value::take);
        Self {
            name: name.as_str(),
            role,
            state,
            api_url: member.api_url.as_deref(),
            host: host.map(String::as_str),
            port,
            timeline: field("timeline"),
            pending_restart: field("pending_restart"),
            pending_restart_reason: field("pending_restart_reason"),
            scheduled_restart: field("scheduled_restart"),
            tags: field("tags"),
            positions: (!is_leader).then(|| Positions::of(member, view.status.value.optime)),
        }
    }
}

fn role(name: &MemberName, is_leader: bool, view: &ClusterView, rules: &Rules) -> &'static str {
    if is_leader {
        return if rules.standby_cluster.is_some() {
            "standby_leader"
        } else {
            "leader"
        };
    }
    match sync_part(rules.synchronous_mode, &view.sync.value.standbys, name) {
        SyncPart::Synchronous => "sync_standby",
        SyncPart::Quorum => "quorum_standby",
        SyncPart::None => "replica",
    }
}

impl Positions {
    fn of(member: &MemberView, leader: Lsn) -> Self {
        let (receive_lsn, receive_lag) = reported(member.receive_lsn, leader);
        let (replay_lsn, replay_lag) = reported(member.replay_lsn, leader);
        let (lsn, lag) = reported(member.xlog_location, leader);
        Self {
            receive_lsn,
            receive_lag,
            replay_lsn,
            replay_lag,
            lsn,
            lag,
        }
    }
}

fn reported(lsn: Option<Lsn>, leader: Lsn) -> (Reported<String>, Reported<u64>) {
    match lsn {
        Some(lsn) => (
            Reported::Known(lsn.to_string()),
            Reported::Known(leader.bytes_after(lsn).0),
        ),
        None => (Reported::Unknown("unknown"), Reported::Unknown("unknown")),
    }
}

fn scheduled(request: &MoveRequest) -> Option<ScheduledSwitchover<'_>> {
    Some(ScheduledSwitchover {
        at: request.scheduled_at.as_deref()?,
        from: request.leader.as_ref().map(MemberName::as_str),
        to: request.candidate.as_ref().map(MemberName::as_str),
    })
}
