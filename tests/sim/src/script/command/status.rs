//! `status`: all members in a table; what they are is the truth, why is what they say.

use crate::script::look;
use crate::script::stage::Stage;
use crate::units;
use crate::words::Words;
use crate::world::{Host, World};

pub(super) fn perform(
    stage: &mut Stage,
    words: Words,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    words.end()?;
    let world = stage.world()?;
    let head = ["member", "lease", "server", "lag", "since", "because"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(world.hosts.iter().map(|host| row(world, host)));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        lines.push(cells.join("  ").trim_end().to_owned());
    }
    Ok(())
}

fn row(world: &World, host: &Host) -> [String; 6] {
    let leads = world.leader() == Some(host.node);
    let decision = host
        .agent
        .as_ref()
        .and_then(|agent| agent.subject.machine().status().decision);
    let since = decision.map(|decision| look::instant(world, host.node, decision.at).to_string());
    [
        host.node.to_string(),
        if leads { "held" } else { "-" }.to_owned(),
        look::stand(world, host).words,
        lag(world, host).unwrap_or_else(|| "-".to_owned()),
        since.unwrap_or_else(|| "-".to_owned()),
        look::decided(host),
    ]
}

/// How much of the leader's WAL a server lacks, by positions.
fn lag(world: &World, host: &Host) -> Option<String> {
    let leader = world.leader().filter(|leader| *leader != host.node)?;
    let (mine, theirs) = (host.server.wal()?.end, look::end(world, leader)?);
    Some(units::bytes(theirs.bytes_after(mine).0))
}
