//! `wal`: every timeline that was ever begun, who has how much of it, and what was lost.

use crate::ids::Node;
use crate::pg::{BranchId, Wal};
use crate::script::stage::Stage;
use crate::words::Words;
use crate::world::{Row, World};

pub(super) fn perform(
    stage: &mut Stage,
    words: Words,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    words.end()?;
    let world = stage.world()?;
    for (id, branch) in world.tree.branches() {
        let holders = holders(world, id);
        lines.push(format!(
            "tli {} of {}  {} .. {}  {holders}",
            branch.timeline, branch.writer, branch.begin, branch.tip
        ));
    }
    lines.push(format!("acked and lost: {}", lost(world)));
    Ok(())
}

/// Who has it to its end, and who up to where.
fn holders(world: &World, id: BranchId) -> String {
    let tip = world.tree.branch(id).tip;
    let whole = Wal {
        branch: id,
        end: tip,
    };
    let mut all = Vec::new();
    let mut some = Vec::new();
    for host in &world.hosts {
        let common = host
            .server
            .wal()
            .and_then(|wal| world.tree.common(wal, whole));
        match common.filter(|place| place.branch == id) {
            Some(place) if place.end == tip => all.push(host.node.to_string()),
            Some(place) => some.push(format!("{} up to {}", host.node, place.end)),
            None => {}
        }
    }
    if all.is_empty() && some.is_empty() {
        return "nobody".to_owned();
    }
    let all = Some(all.join(", ")).filter(|text| !text.is_empty());
    all.into_iter().chain(some).collect::<Vec<_>>().join("; ")
}

/// The acknowledged rows that the present leader's server lacks; without one, that nobody has.
fn lost(world: &World) -> String {
    let leader = world
        .leader()
        .filter(|node| world.host(*node).server.is_primary());
    let has = |node: Node, row: &Row| {
        let wal = world.host(node).server.wal();
        wal.is_some_and(|wal| world.tree.contains(wal, row.place))
    };
    let is_kept = |row: &Row| match leader {
        Some(node) => has(node, row),
        None => world.nodes().any(|node| has(node, row)),
    };
    let rows = world.rows.iter();
    let lost: Vec<&Row> = rows
        .filter(|row| row.is_acknowledged && !is_kept(row))
        .collect();
    let (Some(first), Some(last)) = (lost.first(), lost.last()) else {
        return "none".to_owned();
    };
    let excused = lost.iter().filter(|row| row.is_excused).count();
    let excused = match excused {
        0 => String::new(),
        count => format!(", {count} of them while nobody was there to stop it"),
    };
    let (count, node) = (lost.len(), first.node);
    format!("{count} rows of {node}, up to {}{excused}", last.place.end)
}
