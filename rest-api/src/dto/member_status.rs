//! The status of the local member: the answer to `/patroni` and the body of every health check.
//!
//! Everything that only this program tells lives in the last field, `herdsman`.

use std::collections::BTreeMap;

use herdsman_ha_core::schema::INTERFACE_VERSION;
use herdsman_ha_core::{InstanceId, ValueChange};
use serde::Serialize;
use serde_json::Value;

use crate::dto::task::Task;
use crate::node::{Node, Running, SyncPart, received};
use crate::snapshot::SenderFacts;
use crate::timestamp;

/// The local member as other programs read it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MemberStatus<'a> {
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    postmaster_start_time: Option<String>,
    role: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xlog: Option<Xlog>,
    #[serde(skip_serializing_if = "is_false")]
    quorum_standby: bool,
    #[serde(skip_serializing_if = "is_false")]
    sync_standby: bool,
    /// Null while the server answers and the timeline is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replication_state: Option<&'static str>,
    #[serde(skip_serializing_if = "<[SenderFacts]>::is_empty")]
    replication: &'a [SenderFacts],
    #[serde(skip_serializing_if = "is_false")]
    pause: bool,
    #[serde(skip_serializing_if = "is_false")]
    cluster_unlocked: bool,
    #[serde(skip_serializing_if = "is_false")]
    failsafe_mode_is_active: bool,
    dcs_last_seen: i64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: &'a BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database_system_identifier: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pending_restart: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pending_restart_reason: &'a BTreeMap<String, ValueChange>,
    patroni: Patroni<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_restart: Option<Value>,
    #[serde(skip_serializing_if = "is_false")]
    watchdog_failed: bool,
    herdsman: Ours<'a>,
}

/// Positions, in bytes since `0/0`.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Xlog {
    Primary {
        location: u64,
    },
    Standby {
        received_location: u64,
        replayed_location: u64,
        replayed_timestamp: Option<String>,
        paused: bool,
    },
}

#[derive(Clone, Debug, Serialize)]
struct Patroni<'a> {
    version: &'static str,
    scope: &'a str,
    name: &'a str,
}

/// What only this program tells.
#[derive(Clone, Debug, Serialize)]
struct Ours<'a> {
    instance: &'a InstanceId,
    wal_end_reached: bool,
    may_lead: bool,
    failover_priority: i64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    refused_parameters: &'a BTreeMap<String, String>,
    /// What is being done to the server, and how far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<Task>,
}

impl<'a> MemberStatus<'a> {
    pub(crate) fn of(node: &Node<'a>) -> Self {
        let status = node.status();
        let server = node.server();
        let is_answering = !matches!(node.running, Running::No);
        Self {
            state: node.state,
            postmaster_start_time: server
                .map(|server| timestamp::with_space(server.postmaster_start_time)),
            role: node.role,
            server_version: server.map(|server| server.server_version),
            xlog: xlog(node),
            quorum_standby: node.sync == SyncPart::Quorum,
            sync_standby: node.sync == SyncPart::Synchronous,
            timeline: is_answering.then(|| node.timeline().map(|timeline| timeline.0)),
            replication_state: node.replication_state(),
            replication: server.map_or(&[], |server| &server.replication),
            pause: node.is_paused(),
            cluster_unlocked: node.is_unlocked(),
            failsafe_mode_is_active: node.is_failsafe_active(),
            dcs_last_seen: node
                .snapshot
                .store_seen
                .map_or(0, |seen| timestamp::seconds(seen.wall)),
            tags: &status.tags.published,
            database_system_identifier: node.system_id().map(|id| id.to_string()),
            pending_restart: !node.pending_restart().is_empty(),
            pending_restart_reason: node.pending_restart(),
            patroni: Patroni {
                version: INTERFACE_VERSION,
                scope: &node.snapshot.scope,
                name: status.name.as_str(),
            },
            scheduled_restart: status.scheduled_restart.clone().map(without_start_time),
            watchdog_failed: node.snapshot.is_watchdog_required,
            herdsman: Ours {
                instance: &status.instance,
                wal_end_reached: match node.running {
                    Running::Primary(_) => true,
                    Running::Standby(standby) => standby.wal_end_reached,
                    Running::No => false,
                },
                may_lead: node.may_lead(),
                failover_priority: status.tags.failover_priority(),
                refused_parameters: &node.snapshot.refused,
                task: Task::of(status),
            },
        }
    }
}

/// Which start of the server a restart is meant for is told in the store only.
fn without_start_time(mut restart: Value) -> Value {
    if let Value::Object(fields) = &mut restart {
        fields.remove("postmaster_start_time");
    }
    restart
}

fn xlog(node: &Node<'_>) -> Option<Xlog> {
    match node.running {
        Running::No => None,
        Running::Primary(primary) => Some(Xlog::Primary {
            location: primary.position.lsn.0,
        }),
        Running::Standby(standby) => {
            let server = node.server();
            Some(Xlog::Standby {
                received_location: received(standby).0,
                replayed_location: standby.replayed.0,
                replayed_timestamp: server
                    .and_then(|server| server.replayed_timestamp)
                    .map(timestamp::with_space),
                paused: server.is_some_and(|server| server.is_replay_paused),
            })
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}
