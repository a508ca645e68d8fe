//! A failing run as people read it: one line per event that changed something.
//!
//! Everything here is a function of the schedule and of the lines: equal runs are printed equally.

use std::fmt::Write as _;

use crate::ids::Node;
use crate::outcome::{UNDATED, Violation};
use crate::schedule::Schedule;
use crate::trace::{Kind, Line, Mark};

mod choice;
mod marks;
mod script;
#[cfg(test)]
mod tests;

pub use script::script;

/// A failing run and how it was found.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    /// What was played.
    pub schedule: &'a Schedule,
    /// What was violated.
    pub violation: &'a Violation,
    /// What happened.
    pub lines: &'a [Line],
    /// How many faults the schedule had before it was shrunk.
    pub faults_before: usize,
    /// The command that finds it again.
    pub replay: &'a str,
    /// Where the script is.
    pub script: &'a str,
}

const LEGEND: &str = "\
L holds the leader key  P accepts writes  s standby  - no server  ! agent gone or standing still
? cannot reach the store  . unchanged
";

/// What happened, from the options to the last decisions.
#[must_use]
pub fn timeline(story: &Story<'_>) -> String {
    let mut text = header(story);
    let lines = from_the_beginning_to_the_violation(story.lines);
    let shown = choice::chosen(lines, story.schedule, story.violation);
    text.push_str(&table(&shown, story.schedule.options.nodes, 90));
    text.push_str(&ending(story, lines));
    text
}

/// Every line, with nothing left out.
#[must_use]
pub fn everything(lines: &[Line], nodes: u8) -> String {
    let rows: Vec<choice::Row<'_>> = lines.iter().map(choice::Row::Line).collect();
    format!("{LEGEND}\n{}", table(&rows, nodes, usize::MAX))
}

/// Every decision of one member.
#[must_use]
pub fn decisions(lines: &[Line], node: Node) -> String {
    let mut text = String::new();
    for line in lines.iter().filter(|line| is_decision(line, node)) {
        let at = line.at.to_string();
        push(
            &mut text,
            format_args!("{at:<9} {:<28} {}", line.because, line.what),
        );
    }
    text
}

fn is_decision(line: &Line, node: Node) -> bool {
    line.kind == Kind::Decision && line.node == Some(node)
}

/// How a cluster came to be healthy before `T+0` is nobody's question, and what happened after the
/// violation neither.
fn from_the_beginning_to_the_violation(lines: &[Line]) -> &[Line] {
    let begin = lines.iter().position(|line| line.kind == Kind::Phase);
    let end = lines.iter().position(|line| line.kind == Kind::Violation);
    let end = end.map_or(lines.len(), |at| at + 1);
    &lines[begin.unwrap_or(0).min(end)..end]
}

fn header(story: &Story<'_>) -> String {
    let Story {
        schedule,
        violation,
        ..
    } = story;
    let options = &schedule.options;
    let guardian = if options.has_guardian { "yes" } else { "no" };
    let mut text = format!(
        "VIOLATION {}  seed={} flavour={} nodes={} ttl={} loop={} guardian={guardian}\n",
        named(violation),
        schedule.seed,
        options.flavour.name(),
        options.nodes,
        options.ttl.as_secs(),
        options.loop_wait.as_secs(),
    );
    push(&mut text, format_args!("{options}"));
    let mutant = options
        .mutant
        .or_else(|| options.driver_mutant.map(|mutant| mutant.name()));
    let mutant = mutant.map_or_else(String::new, |name| format!("mutant {name}; "));
    let faults = schedule.faults.len();
    if story.faults_before == faults {
        push(&mut text, format_args!("{mutant}{faults} faults"));
    } else {
        let before = story.faults_before;
        push(
            &mut text,
            format_args!("{mutant}shrunk from {before} faults to {faults}"),
        );
    }
    push(
        &mut text,
        format_args!("replay: {}    script: {}\n", story.replay, story.script),
    );
    text.push_str(LEGEND);
    text.push('\n');
    text
}

/// `one-writable-primary at T+52.8`.
fn named(violation: &Violation) -> String {
    if violation.at == UNDATED {
        return violation.invariant.to_owned();
    }
    format!("{} at {}", violation.invariant, violation.at)
}

/// The column of what happened is as wide as most lines need it.
const WIDTH: usize = 56;

fn table(rows: &[choice::Row<'_>], nodes: u8, longest: usize) -> String {
    let mut text = format!("  {:<10}", "time");
    for number in 0..nodes {
        let _ = write!(text, "{:<5}", Node(number).letter());
    }
    push(&mut text, format_args!("{:<WIDTH$}  because", "what"));
    let mut before = Vec::new();
    for row in rows {
        match row {
            choice::Row::Line(line) => {
                text.push_str(table_line(line, &before, longest).trim_end());
                text.push('\n');
                before.clone_from(&line.marks);
            }
            choice::Row::Gap(count) => {
                push(&mut text, format_args!("  ...       {count} lines"));
            }
        }
    }
    text
}

fn table_line(line: &Line, before: &[Mark], longest: usize) -> String {
    let mut text = format!("  {:<10}", line.at.to_string());
    for (index, mark) in line.marks.iter().enumerate() {
        let shown = if before.get(index) == Some(mark) {
            ".".to_owned()
        } else {
            marks::letters(mark)
        };
        let _ = write!(text, "{shown:<5}");
    }
    let mut what = match (line.kind, line.node) {
        (Kind::Fault, None) => format!("FAULT {}", line.what),
        (Kind::Fault, Some(node)) => format!("FAULT {node}: {}", line.what),
        (Kind::Store, node) => {
            let owner = node.map_or_else(String::new, |node| format!(" of {node}"));
            format!("store{owner}: {}", line.what)
        }
        (_, Some(node)) => format!("{node}: {}", line.what),
        (_, None) => line.what.clone(),
    };
    // A key's value may be long, and says little.
    if line.kind == Kind::Store && what.chars().count() > longest {
        what = what.chars().take(longest).chain("...".chars()).collect();
    }
    let _ = write!(text, "{what:<WIDTH$}  {}", line.because);
    text
}

fn ending(story: &Story<'_>, lines: &[Line]) -> String {
    let mut text = format!("\n{}\n\nlast decisions:\n", story.violation.text);
    for node in (0..story.schedule.options.nodes).map(Node) {
        let mut decisions = lines.iter().rev().filter(|line| is_decision(line, node));
        let line = match decisions.next() {
            Some(line) => format!("{} {}: {}", line.at, line.because, line.what),
            None => "none".to_owned(),
        };
        push(&mut text, format_args!("  {node}  {line}"));
    }
    let about = lines.iter().rev().find_map(|line| line.node);
    let about = about.unwrap_or(Node(0));
    push(
        &mut text,
        format_args!("decisions of {about}: --decisions {about}      full trace: --trace all"),
    );
    text
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(line);
    text.push('\n');
}
