//! Lines inside of brackets and quotes. PyYAML lets them begin anywhere, the
//! parser wants them further in than the key that they belong to. White space
//! at the start of such a line means nothing, so it is added until the parser
//! is content, and taken away again from the columns that are told.

use std::collections::BTreeSet;

use saphyr_parser::Parser;

/// Further in than any key can be.
const INDENT: usize = 200;

/// More lines than anyone writes so.
const MAX_LINES: usize = 500;

/// A text whose lines are far enough in.
pub(super) struct Indented {
    pub(super) text: String,
    lines: BTreeSet<usize>,
}

impl Indented {
    pub(super) fn new(text: &str) -> Self {
        let mut indented = Self {
            text: text.to_owned(),
            lines: BTreeSet::new(),
        };
        while let Some(misplaced) = misplaced(&indented.text) {
            let line = match misplaced {
                Misplaced::Line(line) => line,
                // The parser tells where the quotes begin. As long as it does,
                // a line of them is left that is not far enough in.
                Misplaced::QuotedFrom(start) => indented.first_written_after(start),
            };
            let is_new = indented.lines.insert(line);
            if !is_new || indented.lines.len() > MAX_LINES {
                break;
            }
            indented.indent(line);
        }
        indented
    }

    /// The column in the text as it was written, from one of ours.
    pub(super) fn written_column(&self, line: usize, column: usize) -> usize {
        if self.lines.contains(&line) {
            column.saturating_sub(INDENT)
        } else {
            column
        }
    }

    fn first_written_after(&self, start: usize) -> usize {
        let mut line = start + 1;
        while self.lines.contains(&line) {
            line += 1;
        }
        line
    }

    fn indent(&mut self, line: usize) {
        let start = self
            .text
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        self.text.insert_str(start, &" ".repeat(INDENT));
    }
}

/// What the parser refuses only for where it begins.
enum Misplaced {
    Line(usize),
    QuotedFrom(usize),
}

fn misplaced(text: &str) -> Option<Misplaced> {
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let Err(error) = event else {
            continue;
        };
        let line = error.marker().line();
        return match error.info() {
            "invalid indentation" | "invalid indentation in flow construct" => {
                Some(Misplaced::Line(line))
            }
            "invalid indentation in quoted scalar" => Some(Misplaced::QuotedFrom(line)),
            _ => None,
        };
    }
    None
}
