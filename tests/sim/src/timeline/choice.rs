//! Which lines tell the story, and which are the routine that goes on around it.
//!
//! A line that says the same as many others, numbers aside, is routine; near the violation more is
//! shown than far from it.

use std::collections::BTreeMap;

use crate::ids::{At, Node};
use crate::outcome::Violation;
use crate::schedule::Schedule;
use crate::trace::{Kind, Line};

/// What is printed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Row<'a> {
    /// A line.
    Line(&'a Line),
    /// So many lines that tell nothing, over a long time.
    Gap(usize),
}

/// Nobody reads more.
const MOST: usize = 160;
/// Of these the beginning.
const FIRST: usize = 20;

/// The lines that tell the story, with gaps where many others are.
pub(super) fn chosen<'a>(
    lines: &'a [Line],
    schedule: &Schedule,
    violation: &Violation,
) -> Vec<Row<'a>> {
    let counts = counted(lines);
    let ttl = schedule.options.ttl;
    let mut rows = Vec::new();
    let mut left_out = 0;
    let mut last = At::default();
    let mut marks: &[_] = &[];
    for line in lines {
        let is_changed = line.marks != marks;
        marks = &line.marks;
        let is_near = violation.at.since(line.at) <= ttl;
        let count = counts.get(&same(line)).copied().unwrap_or(0);
        if !is_changed && !tells_something(line.kind, count, is_near) {
            left_out += 1;
            continue;
        }
        if left_out > 0 && line.at.since(last) > ttl {
            rows.push(Row::Gap(left_out));
        }
        (left_out, last) = (0, line.at);
        rows.push(Row::Line(line));
    }
    shortened(rows)
}

fn tells_something(kind: Kind, count: usize, is_near: bool) -> bool {
    match kind {
        Kind::Fault | Kind::Phase | Kind::Violation | Kind::Server => true,
        Kind::Decision => count <= 8 || is_near,
        Kind::Task | Kind::End => count <= 3 || (is_near && count <= 12),
        Kind::Store => count <= 3 || (is_near && count <= 8),
        Kind::Client => false,
    }
}

/// The beginning and, more than that, the end.
fn shortened(mut rows: Vec<Row<'_>>) -> Vec<Row<'_>> {
    if rows.len() > MOST {
        let count = rows.len() - MOST;
        rows.splice(FIRST..FIRST + count, [Row::Gap(count)]);
    }
    rows
}

type Same = (Option<Node>, Kind, String);

fn counted(lines: &[Line]) -> BTreeMap<Same, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(same(line)).or_default() += 1;
    }
    counts
}

/// What a line says without its numbers.
fn same(line: &Line) -> Same {
    let has_digit = |word: &str| word.bytes().any(|byte| byte.is_ascii_digit());
    let words = line.what.split(' ');
    let words = words.map(|word| if has_digit(word) { "#" } else { word });
    (line.node, line.kind, words.collect::<Vec<_>>().join(" "))
}
