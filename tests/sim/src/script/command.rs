//! Which command does what; one file per command.

mod clients;
mod cluster;
mod disk;
mod expect;
mod fault;
mod lag;
mod rename;
mod run;
mod show;
mod state;
mod status;
mod tasks;
mod wal;
mod why;
mod write;

use super::stage::Stage;
use crate::fault::text::VERBS;
use crate::format::Stanza;
use crate::words::Words;

/// Performs the command of a stanza; what it prints goes to `lines`.
pub(super) fn perform(
    stage: &mut Stage,
    stanza: &Stanza,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    if let Some(line) = stanza.input.first() {
        return Err(format!("no command of a cluster has input: {line}"));
    }
    let mut words = Words::of(&stanza.command);
    let verb = words.expect("a command")?;
    match verb.as_str() {
        // Example: cluster nodes=a,b,c ttl=30 loop=10
        "cluster" => cluster::perform(stage, words, lines),
        // Example: write n=100
        "write" => write::perform(stage, words, lines),
        // Example: clients on
        "clients" => clients::perform(stage, words),
        // Example: lag c bytes=18MiB
        "lag" => lag::perform(stage, words, lines),
        // Example: disk c unusable
        "disk" => disk::perform(stage, words, lines),
        // Example: rename c to=a
        "rename" => rename::perform(stage, words),
        // Example: run until=stable limit=120
        "run" => run::perform(stage, words, lines),
        // Example: show tasks
        "show" => show::perform(stage, words),
        // Example: status
        "status" => status::perform(stage, words, lines),
        // Example: why b
        "why" => why::perform(stage, words, lines),
        // Example: wal
        "wal" => wal::perform(stage, words, lines),
        // Example: state dcs
        "state" => state::perform(stage, words, lines),
        // Example: tasks manual a
        "tasks" => tasks::perform(stage, words),
        // Example: finish a promote failed="no space"
        "finish" => tasks::finish(stage, words, lines),
        // Example: expect violation one-writable-primary
        "expect" => expect::perform(stage, words, lines),
        // Example: crash a
        verb if VERBS.contains(&verb) => fault::perform(stage, &stanza.command, lines),
        other => Err(format!("{other} is no command")),
    }
}
