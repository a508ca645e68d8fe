//! `history`: when the leadership moved to a new timeline, and to whom.

use std::io::Write;

use herdsman_agent::settings::ControlSettings;
use herdsman_ha_core::HistoryLine;

use crate::arguments::{Format, History};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::sheet::{Alignment, Cell, Column, Gaps, Sheet};

const COLUMNS: [(&str, Alignment); 5] = [
    ("TL", Alignment::Right),
    ("LSN", Alignment::Right),
    ("Reason", Alignment::Left),
    ("Timestamp", Alignment::Left),
    ("New Leader", Alignment::Left),
];

/// Prints the history.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &History,
    out: &mut impl Write,
) -> Result<(), Error> {
    let cluster = Cluster::open(settings, arguments.cluster.as_deref())?;
    let view = cluster.view().await?;
    let sheet = sheet(&view.history.value);
    let text = match arguments.format {
        Format::Pretty => sheet.pretty(""),
        Format::Tsv => sheet.separated("\t"),
        Format::Json => sheet.json(Gaps::Kept),
        Format::Yaml => format!("{}\n", sheet.yaml(Gaps::Kept)),
    };
    write!(out, "{text}")?;
    Ok(())
}

fn sheet(lines: &[HistoryLine]) -> Sheet {
    let columns = COLUMNS.map(|(name, alignment)| Column {
        name: name.into(),
        title: Some(name.into()),
        alignment,
    });
    let rows = lines.iter().map(|line| {
        let leader = line.new_leader.as_ref();
        vec![
            Cell::Number(line.timeline.0.into()),
            // Programs compare it as a number of bytes.
            Cell::Number(line.switch.0),
            Cell::text(&line.reason),
            Cell::text(line.at.as_deref().unwrap_or_default()),
            Cell::text(leader.map_or("", |leader| leader.as_str())),
        ]
    });
    Sheet {
        rows: rows.collect(),
        columns: columns.to_vec(),
    }
}
