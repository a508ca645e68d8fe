//! Golden scripts of a whole cluster: what its members do together, as a story that people read.
//!
//! A script whose first command is `cluster` is played in this crate's world. After every event
//! all invariants are asked, and every script is played a second time with all members renamed: a
//! name must never decide. What is violated is printed below the command that led to it.

use std::collections::BTreeSet;

use crate::format::{self, Stanza, Text};

mod command;
mod look;
mod news;
mod rounds;
mod stage;
mod until;

use stage::Stage;

/// What came of a script.
#[derive(Clone, Debug)]
pub struct Played {
    /// The script with its outputs as they are.
    pub text: String,
    /// What is wrong whatever the expected outputs say: violations and lines that make no sense.
    pub problems: Vec<String>,
    /// The reason codes of all decisions in it.
    pub codes: BTreeSet<&'static str>,
}

/// What stands before each name the second time: slots are named like it too.
const RENAMED: &str = "zz_";

/// Whether a text is a script of a whole cluster: its first command says so.
#[must_use]
pub fn is_of_a_cluster(text: &str) -> bool {
    let is_command = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    let first = text.lines().find(is_command);
    first.and_then(|line| line.split(' ').next()) == Some("cluster")
}

/// Plays a script.
///
/// # Errors
///
/// When the text is no script: the message names the line.
pub fn run(text: &str) -> Result<Played, String> {
    let text = format::parse(text)?;
    let (played, codes, mut problems) = play(&text, "");
    let (renamed, _, _) = play(&text, RENAMED);
    for (stanza, other) in played.stanzas.iter().zip(&renamed.stanzas) {
        if stanza.output != other.output {
            let line = stanza.line;
            problems.push(format!(
                "line {line}: with members renamed: {}",
                other.output.join(" | ")
            ));
        }
    }
    Ok(Played {
        text: format::render(&played),
        problems,
        codes,
    })
}

fn play(text: &Text, prefix: &'static str) -> (Text, BTreeSet<&'static str>, Vec<String>) {
    let mut stage = Stage::new(prefix);
    let mut problems = Vec::new();
    let mut played = text.clone();
    for stanza in &mut played.stanzas {
        let (lines, wrong) = answer(&mut stage, stanza);
        let place = |problem| format!("line {}: {problem}", stanza.line);
        problems.extend(wrong.into_iter().map(place));
        stanza.output = lines;
    }
    problems.extend(stage.end());
    (played, stage.codes, problems)
}

fn answer(stage: &mut Stage, stanza: &Stanza) -> (Vec<String>, Vec<String>) {
    let mut lines = Vec::new();
    let mut problems = Vec::new();
    if let Err(problem) = command::perform(stage, stanza, &mut lines) {
        lines.push(format!("error: {problem}"));
        problems.push(problem);
    }
    lines.extend(stage.new_violation());
    if lines.is_empty() {
        lines.push("ok".to_owned());
    }
    let lines = lines.iter().map(|line| line.replace(RENAMED, ""));
    (lines.collect(), problems)
}

#[cfg(test)]
mod tests;
