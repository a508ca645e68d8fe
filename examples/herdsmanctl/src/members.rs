//! What a cluster's keys say about its members, as a sheet and as lines around it.
//!
//! The words and rules are those of the table that operators know; positions and lags of the
//! leader are blank, because others are measured against it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use herdsman_ha_core::{ClusterView, Initialize, Lsn, MemberName, MemberView, SynchronousMode};
use serde_json::{Map, Value};

use crate::sheet::{Alignment, Cell, Change, Column, Sheet};

/// Which of the last columns are in the sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Those that some member has a value for.
    Filled,
    /// All.
    All,
}

const DEFAULT_PORT: u16 = 5432;

const COLUMNS: [Column; 10] = [
    left("Cluster", None),
    left("Member", Some("Member")),
    left("Host", Some("Host")),
    left("Role", Some("Role")),
    left("State", Some("State")),
    right("TL", "TL"),
    right("Receive LSN", "Receive LSN"),
    right("Receive Lag", "Lag"),
    right("Replay LSN", "Replay LSN"),
    right("Replay Lag", "Lag"),
];

/// What a member has for a column.
type Reading = fn(&MemberView) -> Cell;

const OPTIONAL: [(Column, Reading); 4] = [
    (
        left("Pending restart", Some("Pending restart")),
        pending_restart,
    ),
    (
        left("Pending restart reason", Some("Pending restart reason")),
        pending_restart_reason,
    ),
    (
        left("Scheduled restart", Some("Scheduled restart")),
        scheduled_restart,
    ),
    (left("Tags", Some("Tags")), tags),
];

const fn left(name: &'static str, title: Option<&'static str>) -> Column {
    Column {
        name: Cow::Borrowed(name),
        title: match title {
            Some(title) => Some(Cow::Borrowed(title)),
            None => None,
        },
        alignment: Alignment::Left,
    }
}

const fn right(name: &'static str, title: &'static str) -> Column {
    Column {
        name: Cow::Borrowed(name),
        title: Some(Cow::Borrowed(title)),
        alignment: Alignment::Right,
    }
}

/// The members of a cluster, in the order of their names.
pub(crate) fn sheet(name: &str, view: &ClusterView, extent: Extent) -> Sheet {
    let shown = view.members.keys().map(|member| Shown {
        member,
        label: member.as_str().to_owned(),
    });
    sheet_of(name, view, extent, &shown.collect::<Vec<_>>())
}

/// A member and how its name is written.
pub(crate) struct Shown<'a> {
    pub(crate) member: &'a MemberName,
    pub(crate) label: String,
}

/// Some members of a cluster, in a given order.
pub(crate) fn sheet_of(
    name: &str,
    view: &ClusterView,
    extent: Extent,
    shown: &[Shown<'_>],
) -> Sheet {
    let mut columns = COLUMNS.to_vec();
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let shows_ports = shows_ports(view);
    for Shown { member, label } in shown {
        let facts = &view.members[*member];
        let mut row = vec![
            Cell::text(name),
            Cell::text(label),
            host(facts, shows_ports),
            Cell::text(role(view, member)),
            Cell::text(state(view, member)),
            facts
                .timeline
                .map_or(Cell::Empty, |timeline| Cell::Number(timeline.0.into())),
        ];
        row.extend(positions(view, member, facts));
        rows.push(row);
    }
    for (column, cell) in OPTIONAL {
        let cells: Vec<Cell> = shown
            .iter()
            .map(|shown| cell(&view.members[shown.member]))
            .collect();
        if extent == Extent::All || cells.iter().any(|cell| *cell != Cell::Empty) {
            columns.push(column);
            for (row, cell) in rows.iter_mut().zip(cells) {
                row.push(cell);
            }
        }
    }
    Sheet { columns, rows }
}

/// What stands over the table.
pub(crate) fn title(name: &str, view: &ClusterView) -> String {
    let identity = match &view.initialize.value {
        Initialize::Absent => "uninitialized".to_owned(),
        Initialize::Claimed { .. } => "initializing".to_owned(),
        Initialize::Known(system_id) => system_id.to_string(),
    };
    format!(" Cluster: {name} ({identity}) ")
}

/// What stands below it.
pub(crate) fn footer(view: &ClusterView) -> String {
    let mut text = String::new();
    if view.rules.as_ref().is_some_and(|rules| rules.pause) {
        text.push_str(" Maintenance mode: on\n");
    }
    let movement = view.failover.value.as_ref();
    if let Some((movement, at)) = movement.and_then(|m| Some((m, m.scheduled_at.as_ref()?))) {
        text.push_str(&format!(" Switchover scheduled at: {at}\n"));
        for (word, name) in [("from", &movement.leader), ("to", &movement.candidate)] {
            if let Some(name) = name {
                text.push_str(&format!("{word:>24}: {name}\n"));
            }
        }
    }
    text
}

/// The table with what stands over and below it.
pub(crate) fn table(name: &str, view: &ClusterView, extent: Extent) -> String {
    let table = sheet(name, view, extent).pretty(&title(name, view));
    format!("{table}{}", footer(view))
}

/// Whether the member holds the leadership.
pub(crate) fn is_leader(view: &ClusterView, member: &MemberName) -> bool {
    view.leader
        .as_ref()
        .is_some_and(|leader| leader.name == *member)
}

/// The role of a member in its cluster.
pub(crate) fn role(view: &ClusterView, member: &MemberName) -> &'static str {
    let rules = view.rules.as_ref();
    if is_leader(view, member) {
        let follows = rules.is_some_and(|rules| rules.standby_cluster.is_some());
        return if follows { "Standby Leader" } else { "Leader" };
    }
    let is_named = view.sync.value.is_in_force()
        && view
            .sync
            .value
            .standbys
            .iter()
            // PostgreSQL does not mind the case of names there.
            .any(|standby| standby.as_str().to_lowercase() == member.as_str().to_lowercase());
    let mode = rules.map_or(SynchronousMode::Off, |rules| rules.synchronous_mode);
    match (mode, is_named) {
        (SynchronousMode::On, true) => "Sync Standby",
        (SynchronousMode::Quorum, true) => "Quorum Standby",
        (SynchronousMode::Off, true) | (_, false) => "Replica",
    }
}

/// The state word of a member: where a standby gets its WAL from says more than that it runs.
pub(crate) fn state<'a>(view: &'a ClusterView, member: &MemberName) -> &'a str {
    let Some(facts) = view.members.get(member) else {
        return "";
    };
    let standby_leads = role(view, member) == "Standby Leader";
    match &facts.replication_state {
        Some(state) if !is_leader(view, member) || standby_leads => state,
        Some(_) | None => &facts.state,
    }
}

/// Ports are shown when one is unusual, or when hosts alone would not tell members apart.
fn shows_ports(view: &ClusterView) -> bool {
    let mut hosts = BTreeSet::new();
    let endpoints = view.members.values().filter_map(|m| m.endpoint.as_ref());
    let mut shows = false;
    for (host, port) in endpoints {
        shows |= *port != DEFAULT_PORT || !hosts.insert(host);
    }
    shows
}

fn host(facts: &MemberView, shows_ports: bool) -> Cell {
    match &facts.endpoint {
        Some((host, port)) if shows_ports => Cell::text(format!("{host}:{port}")),
        Some((host, _)) => Cell::text(host),
        None => Cell::Empty,
    }
}

/// Receive position and lag, replay position and lag.
fn positions(view: &ClusterView, member: &MemberName, facts: &MemberView) -> [Cell; 4] {
    if is_leader(view, member) {
        return [Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty];
    }
    let (mut received, mut replayed) = (facts.receive_lsn, facts.replay_lsn);
    if received.is_none() && replayed.is_none() {
        // Old members tell one position only.
        if state(view, member) == "streaming" {
            received = facts.xlog_location;
        } else {
            replayed = facts.xlog_location;
        }
    }
    let leader = view.status.value.optime;
    let [receive, receive_lag] = position(received, leader);
    let [replay, replay_lag] = position(replayed, leader);
    [receive, receive_lag, replay, replay_lag]
}

fn position(at: Option<Lsn>, leader: Lsn) -> [Cell; 2] {
    match at {
        Some(at) => {
            let megabytes = whole_megabytes(leader.bytes_after(at).0);
            [Cell::text(at.to_string()), Cell::Number(megabytes)]
        }
        None => [Cell::text("unknown"), Cell::Empty],
    }
}

/// The nearest whole number of megabytes; of two equally near ones the even.
fn whole_megabytes(bytes: u64) -> u64 {
    const MEGABYTE: u64 = 1 << 20;
    let (whole, rest) = (bytes / MEGABYTE, bytes % MEGABYTE);
    let goes_up = rest > MEGABYTE / 2 || rest == MEGABYTE / 2 && whole % 2 == 1;
    whole + u64::from(goes_up)
}

fn pending_restart(facts: &MemberView) -> Cell {
    Cell::text(if facts.pending_restart { "*" } else { "" })
}

fn pending_restart_reason(facts: &MemberView) -> Cell {
    let Some(reasons) = object(facts, "pending_restart_reason") else {
        return Cell::Empty;
    };
    let changes = reasons.iter().map(|(name, change)| {
        let value = |key| change.get(key).map_or_else(String::new, word);
        Change {
            name: name.clone(),
            becomes: format!("{}->{}", value("old_value"), value("new_value")),
        }
    });
    Cell::Changes(changes.collect())
}

fn scheduled_restart(facts: &MemberView) -> Cell {
    let Some(scheduled) = object(facts, "scheduled_restart") else {
        return Cell::Empty;
    };
    let mut text = scheduled.get("schedule").map_or_else(String::new, word);
    if let Some(version) = scheduled.get("postgres_version") {
        text.push_str(&format!(" if version < {}", word(version)));
    }
    Cell::text(text)
}

fn tags(facts: &MemberView) -> Cell {
    object(facts, "tags").map_or(Cell::Empty, Cell::Map)
}

/// An object with content below a key of the member's value.
fn object(facts: &MemberView, key: &str) -> Option<Map<String, Value>> {
    let mut value = facts.value();
    let object = value.get_mut(key)?.as_object_mut()?;
    (!object.is_empty()).then(|| std::mem::take(object))
}

fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
