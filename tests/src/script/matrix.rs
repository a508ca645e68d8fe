//! Many near-equal scripts as one table: everything that can be wrong at one place, and what a
//! leader and a standby make of it.
//!
//! A case is a short script played from a settled cluster. Invariant: what a table shows is what
//! the machine of the scripts did, and broken rules are in it as well.

pub mod errors;
pub mod garbage;

use herdsman_sim::format::Stanza;

use super::command;
use super::world::World;

/// A settled cluster of two, seen by one of them.
pub(super) fn settled(me: &str, config: &str) -> World {
    let mut world = World::new("");
    let healthy = format!("healthy {me} leader=a members=a,b ttl=20 config={config}");
    let facts = if me == "a" {
        vec!["local senders=b:async".to_owned()]
    } else {
        Vec::new()
    };
    let _ = play(&mut world, &healthy, &facts);
    world.violations.clear();
    world
}

/// Plays one command with its facts, and gives what came of it.
pub(super) fn play(world: &mut World, command: &str, facts: &[String]) -> Vec<String> {
    let stanza = Stanza {
        lead: Vec::new(),
        line: 1,
        command: command.to_owned(),
        input: facts.to_vec(),
        output: Vec::new(),
    };
    let mut lines = Vec::new();
    if let Err(problem) = command::perform(world, &stanza, &mut lines) {
        lines.push(format!("error: {problem}"));
    }
    lines.extend(world.violations.drain(..).map(|v| format!("BROKEN: {v}")));
    lines
}

/// What is more would make the table unreadable.
const LONGEST_CELL: usize = 400;

/// What came of it, as one cell.
pub(super) fn cell(lines: &[String]) -> String {
    if lines.is_empty() {
        return "nothing".to_owned();
    }
    let text = lines.join("; ").replace('|', "\\|");
    if text.chars().count() > LONGEST_CELL {
        let begin: String = text.chars().take(LONGEST_CELL).collect();
        return format!("{begin}... ({} bytes)", text.len());
    }
    text
}

/// Whether something was done to the server, or a leadership was taken.
pub(super) fn is_upheaval(lines: &[String]) -> bool {
    const DEEDS: [&str; 9] = [
        "start promote",
        "start stop",
        "start fence",
        "start follow",
        "start rewind",
        "start clone",
        "start replace",
        "lost",
        "BROKEN",
    ];
    (lines.iter()).any(|line| DEEDS.iter().any(|deed| line.contains(deed)))
}
