//! Which health checks succeed: a pure function of path, query and member.
//!
//! Paths are matched by what they contain, in a fixed order, because load balancers out there rely
//! on it: `/foo-replica` asks for a replica. The leadership counts only while it is held at the
//! moment of the answer.

use http::StatusCode;

use crate::node::{Node, SyncPart, received};
use crate::quantity;
use crate::query::Query;

/// The answer to a health check of any path.
pub(crate) fn check(path: &str, query: &Query, node: &Node<'_>) -> StatusCode {
    let is_tagged = || has_tags(query, node);
    let lead = Lead::of(node);
    let replica = || !lead.excludes_replica && is_replica(query, node);
    let is_readable = lead.is_primary || lead.is_standby_leader;
    let has_view = node.view.is_some();
    let is_any = |words: &[&str]| words.iter().any(|word| path.contains(word));

    let is_well = if is_any(&["standby_leader", "standby-leader"]) {
        lead.is_standby_leader
    } else if is_any(&["leader"]) {
        lead.is_leader
    } else if path == "/" || is_any(&["master", "primary", "read-write"]) {
        lead.is_primary
    } else if is_any(&["replica"]) {
        is_tagged() && replica()
    } else if is_any(&["read-only"]) && !is_any(&["sync", "quorum"]) {
        is_tagged() && (is_readable || replica())
    } else if is_any(&["health"]) {
        is_tagged() && node.is_running()
    } else {
        let is_synchronous = node.sync == SyncPart::Synchronous;
        let is_quorum = node.sync == SyncPart::Quorum;
        let is_asynchronous = node.sync == SyncPart::None;
        let is_well = match path {
            "/sync" | "/synchronous" => is_synchronous && replica(),
            "/quorum" => is_quorum && replica(),
            "/async" | "/asynchronous" => is_asynchronous && replica(),
            "/read-only-quorum" => is_readable || is_quorum && replica(),
            "/read-only-sync" | "/read-only-synchronous" => {
                is_readable || is_synchronous && replica()
            }
            _ => false,
        };
        has_view && is_tagged() && is_well
    };
    code(is_well)
}

/// Whether the agent's loop is alive. A paused cluster must not have its agents restarted.
pub(crate) fn liveness(node: &Node<'_>) -> StatusCode {
    code(node.is_paused() || node.is_live)
}

/// Whether the member has caught up so far that it could take over.
pub(crate) fn readiness(query: &Query, node: &Node<'_>) -> StatusCode {
    code(node.is_leader || has_caught_up(query, node))
}

fn has_caught_up(query: &Query, node: &Node<'_>) -> bool {
    let Some(standby) = node.standby() else {
        return false;
    };
    if !node.is_running() || !standby.is_streaming {
        return false;
    }
    // Without the store and without a word from the leader nothing says how far it is, but that the
    // leader asked it to hold back.
    if node.view.is_none() && node.latest_end().is_none() {
        return node.is_failsafe_active();
    }
    let position = match query.value("mode") {
        Some("write") => received(standby),
        Some(_) | None => standby.replayed,
    };
    let lag = i128::from(node.leader_position().0) - i128::from(position.0);
    let limit = query.value("lag").and_then(quantity::bytes).map_or_else(
        || i128::from(node.status().rules.maximum_lag_on_failover.0),
        i128::from,
    );
    lag <= limit
}

fn code(is_well: bool) -> StatusCode {
    if is_well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

/// What the checks for leaders say.
#[derive(Default)]
struct Lead {
    is_leader: bool,
    is_primary: bool,
    is_standby_leader: bool,
    /// The leader of a standby cluster is no replica of it.
    excludes_replica: bool,
}

impl Lead {
    fn of(node: &Node<'_>) -> Self {
        if node.view.is_none() && node.is_paused() {
            // Nobody takes over in a pause: the server is taken for what it is.
            return Self {
                is_leader: node.is_primary() || node.is_standby_leader(),
                is_primary: node.is_primary(),
                is_standby_leader: node.is_standby_leader(),
                excludes_replica: false,
            };
        }
        if !node.is_leader {
            return Self::default();
        }
        let is_standby_cluster = node.status().rules.standby_cluster.is_some();
        Self {
            is_leader: true,
            is_primary: !is_standby_cluster,
            is_standby_leader: is_standby_cluster
                && (node.is_replica() || node.is_standby_leader()),
            excludes_replica: is_standby_cluster,
        }
    }
}

fn is_replica(query: &Query, node: &Node<'_>) -> bool {
    let wanted = query.value("replication_state");
    let is_wanted = wanted.is_none_or(|wanted| node.replication_state() == Some(wanted));
    node.is_replica()
        && node.is_running()
        && is_wanted
        && !node.status().tags.is_noloadbalance()
        && !is_lagging(query, node)
}

fn is_lagging(query: &Query, node: &Node<'_>) -> bool {
    let Some(limit) = query.value("lag").and_then(quantity::bytes) else {
        return false;
    };
    let leader = node.leader_position().0;
    let replayed = node.standby().map_or(0, |standby| standby.replayed.0);
    leader > 0 && i128::from(leader) > i128::from(replayed) + i128::from(limit)
}

/// Whether the member has every tag that is asked for.
fn has_tags(query: &Query, node: &Node<'_>) -> bool {
    let published = &node.status().tags.published;
    query.tags().all(|(tag, wanted)| {
        published
            .get(tag)
            .is_some_and(|value| match value.as_str() {
                Some(text) => text == wanted,
                None => value.to_string().to_lowercase() == wanted,
            })
    })
}

#[cfg(test)]
mod tests;
