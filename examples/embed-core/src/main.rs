//! How does a program with I/O of its own, in whatever language, use the decisions? By
//! `herdsman-ha-core` alone: here facts come in as lines of JSON, and what shall happen goes out.
//!
//! The first line is `{"now":..,"settings":..,"boot":..}`; each later one has `now` and either
//! `keys`, the cluster's part of the store as it was read, or `input`, any other input of the
//! machine. The answer to each line is one line: the decisions, the tasks to start and to cancel,
//! and when to come again at the latest. There is no runtime, no thread and no clock: whoever is at
//! the other end reads `CLOCK_BOOTTIME` and carries the tasks out, as `herdsman-agent` does.

use std::io::{BufRead as _, Write as _};
use std::sync::Arc;

use herdsman_ha_core::schema::{RawEntry, read_cluster};
use herdsman_ha_core::{Boot, Input, Machine, Now, Revision, Settings};
use serde::Deserialize;

type AnyError = Box<dyn std::error::Error>;

/// The first line.
#[derive(Deserialize)]
struct Beginning {
    now: Now,
    settings: Settings,
    boot: Boot,
}

/// Every other line.
#[derive(Deserialize)]
struct Line {
    now: Now,
    #[serde(flatten)]
    fact: Fact,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Fact {
    Keys { revision: u64, entries: Vec<Entry> },
    Input(Box<Input>),
}

/// One key of the store; it is relative to the cluster's prefix.
#[derive(Deserialize)]
struct Entry {
    key: String,
    value: String,
    created: u64,
    modified: u64,
    session: Option<String>,
}

fn main() -> Result<(), AnyError> {
    let mut lines = (1..).zip(std::io::stdin().lock().lines());
    let mut output = std::io::stdout().lock();
    let Some((_, first)) = lines.next() else {
        return Ok(());
    };
    let first: Beginning = serde_json::from_str(&first?).map_err(|error| at(1, &error))?;
    let mut machine = Machine::new(first.settings, first.boot, first.now);
    let mut clock = first.now.mono;
    for (number, line) in lines {
        let line: Line = serde_json::from_str(&line?).map_err(|error| at(number, &error))?;
        if line.now.mono < clock {
            return Err(at(number, &"the clock goes backwards"));
        }
        clock = line.now.mono;
        let step = machine.step(line.now, line.fact.into_input());
        serde_json::to_writer(&mut output, &step)?;
        writeln!(output)?;
    }
    Ok(())
}

impl Fact {
    fn into_input(self) -> Input {
        match self {
            Self::Input(input) => *input,
            Self::Keys { revision, entries } => {
                let entries = entries.iter().map(|entry| RawEntry {
                    key: &entry.key,
                    value: entry.value.as_bytes(),
                    created: Revision(entry.created),
                    modified: Revision(entry.modified),
                    session: entry.session.as_deref(),
                });
                let view = read_cluster(Revision(revision), entries);
                Input::Cluster(Ok(Arc::new(view)))
            }
        }
    }
}

fn at(line: u64, problem: &dyn std::fmt::Display) -> AnyError {
    format!("line {line}: {problem}").into()
}
