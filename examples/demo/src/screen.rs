//! What the user sees: sentences that stay, and below them a table that is drawn anew in place.
//!
//! On a terminal the table is always the last thing on the screen. Elsewhere it is printed when
//! its shape has changed, and nothing is ever drawn over.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use crate::table::Table;
use crate::text::USUAL_WIDTH;

/// Clears from the cursor to the end of the screen.
const CLEAR_BELOW: &str = "\x1b[J";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// The output of this process.
pub(crate) struct Screen {
    is_terminal: bool,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    table: Vec<String>,
    /// Lines of the table that are on the terminal now.
    drawn: usize,
    shape: String,
    /// Whether the last line that was printed is empty, so that no other empty one is needed.
    is_spaced: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self {
            is_terminal: io::stdout().is_terminal(),
            shown: Mutex::default(),
        }
    }

    /// How wide text may be.
    pub(crate) fn width(&self) -> usize {
        let columns = self.columns().unwrap_or(USUAL_WIDTH);
        columns.clamp(60, 120)
    }

    fn columns(&self) -> Option<usize> {
        if !self.is_terminal {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }

    /// Prints text that stays.
    pub(crate) fn say(&self, text: &str) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut output = erased(&mut shown);
        let text = if shown.is_spaced {
            text.trim_start_matches('\n')
        } else {
            text
        };
        output.push_str(text);
        output.push('\n');
        shown.is_spaced = text.ends_with('\n');
        if self.is_terminal {
            self.draw(&mut shown, &mut output);
        }
        emit(&output);
    }

    /// Begins a chapter.
    pub(crate) fn chapter(&self, title: &str) {
        match self.is_terminal {
            true => self.say(&format!("\n{BOLD}{title}{PLAIN}")),
            false => self.say(&format!("\n{title}")),
        }
    }

    /// Shows the table as it is now.
    pub(crate) fn show(&self, table: Table) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = shown.shape != table.shape;
        shown.shape = table.shape;
        shown.table = table.lines;
        let mut output = erased(&mut shown);
        match self.is_terminal {
            true => self.draw(&mut shown, &mut output),
            false if is_other => {
                let space = if shown.is_spaced { "" } else { "\n" };
                output.push_str(&format!("{space}{}\n\n", shown.table.join("\n")));
                shown.is_spaced = true;
            }
            false => {}
        }
        emit(&output);
    }

    /// Takes the table away; what was said stays.
    pub(crate) fn end_table(&self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        emit(&erased(&mut shown));
        shown.table.clear();
    }

    fn draw(&self, shown: &mut Shown, output: &mut String) {
        if shown.table.is_empty() {
            return;
        }
        // A line that wraps would be two to erase.
        let columns = self.columns().unwrap_or(USUAL_WIDTH);
        output.push('\n');
        for line in &shown.table {
            output.extend(line.chars().take(columns.saturating_sub(1)));
            output.push('\n');
        }
        shown.drawn = shown.table.len() + 1;
    }
}

/// What removes the drawn table.
fn erased(shown: &mut Shown) -> String {
    match std::mem::take(&mut shown.drawn) {
        0 => String::new(),
        lines => format!("\x1b[{lines}A\r{CLEAR_BELOW}"),
    }
}

/// Nobody may be listening any more: the story goes on and its exit code tells.
fn emit(output: &str) {
    if output.is_empty() {
        return;
    }
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(output.as_bytes());
    let _ = stdout.flush();
}
