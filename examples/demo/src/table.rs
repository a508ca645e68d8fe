//! The cluster as a table: one line for each member.

use std::fmt::Write as _;

use herdsman_ha_core::{Bytes, Lsn, Mono, Status};

use crate::cluster::{Cluster, is_streaming, primary_position, timeline};
use crate::text;

/// What is shown, and what of it makes another picture.
pub(crate) struct Table {
    pub(crate) lines: Vec<String>,
    /// Changes when a role, a state or the leader changes, and not with every position.
    pub(crate) shape: String,
}

const HEAD: [&str; 8] = [
    "member", "role", "state", "TL", "WAL end", "lag", "lease", "decision",
];
/// Enough for what is usual, so that the columns stay where they are.
const WIDTHS: [usize; 8] = [6, 7, 9, 2, 10, 6, 5, 0];

/// The table of this moment.
pub(crate) fn table(cluster: &Cluster) -> Table {
    let now = cluster.clock.mono();
    let statuses = cluster.statuses();
    let primary = statuses.iter().find_map(|status| primary_position(status));
    let mut rows = vec![HEAD.map(str::to_owned)];
    let mut shape = String::new();
    for ((_, member), status) in cluster.members().zip(&statuses) {
        let cells = cells(status, primary, now, member.end().is_some());
        // Writing to a text cannot fail.
        let _ = write!(
            shape,
            "{} {} {};",
            cells[1],
            cells[2],
            status.lease.is_some()
        );
        rows.push(cells);
    }
    Table {
        lines: lines(&rows),
        shape,
    }
}

fn cells(status: &Status, primary: Option<Lsn>, now: Mono, has_ended: bool) -> [String; 8] {
    let none = || "-".to_owned();
    let position = status
        .local
        .as_ref()
        .and_then(|local| local.server.position());
    let state = match (has_ended, is_streaming(status)) {
        (true, _) => "ended",
        (false, true) => "streaming",
        (false, false) => status.state,
    };
    let lag = match (primary, position) {
        _ if primary_position(status).is_some() => none(),
        (Some(primary), Some(position)) => {
            Bytes(primary.0.saturating_sub(position.lsn.0)).to_string()
        }
        (None, _) | (_, None) => none(),
    };
    let lease = status
        .lease
        .map(|lease| format!("{} s", text::seconds(now, lease.fence_at)));
    let decision = status
        .decision
        .as_ref()
        .map(|decision| decision.reason.code().to_string());
    [
        status.name.to_string(),
        status.role.to_owned(),
        state.to_owned(),
        timeline(status).map_or_else(none, |timeline| timeline.to_string()),
        position.map_or_else(none, |position| position.lsn.to_string()),
        lag,
        lease.unwrap_or_else(none),
        decision.unwrap_or_else(none),
    ]
}

fn lines(rows: &[[String; 8]]) -> Vec<String> {
    let mut widths = WIDTHS;
    for cells in rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.len().max(*width);
        }
    }
    let line = |cells: &[String; 8]| {
        let padded = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        format!("  {}", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_grow_with_their_longest_cell() {
        let row =
            |state: &str| HEAD.map(|head| if head == "state" { state } else { head }.to_owned());
        let lines = lines(&[row("running"), row("initializing new cluster")]);
        let places: Vec<_> = lines.iter().map(|line| line.find("TL")).collect();
        assert_eq!(places[0], places[1]);
    }
}
