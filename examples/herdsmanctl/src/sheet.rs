//! Rows and columns, and the four ways to show them. A sheet knows nothing of clusters.
//!
//! The invariant: every row has one cell for each column.

mod json;
mod pretty;
mod yaml;

use serde_json::{Map, Value};

pub(crate) use yaml::{block, flow};

/// What is to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name for programs.
    pub(crate) name: &'static str,
    /// Its title for people; none: it is not in their table.
    pub(crate) title: Option<&'static str>,
    pub(crate) alignment: Alignment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alignment {
    Left,
    Right,
}

/// What a row says in one column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Empty,
    Text(String),
    Number(u64),
    /// Several lines, each short enough for a table or hidden there.
    Changes(Vec<Change>),
    Map(Map<String, Value>),
}

/// A setting and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: String,
    pub(crate) becomes: String,
}

/// Longer lines would make a table unreadable.
const LONGEST_CHANGE: usize = 50;

impl Sheet {
    /// A table for people, with a title in its first line.
    pub(crate) fn pretty(&self, title: &str) -> String {
        pretty::render(self, title)
    }

    /// One line for the names and one for each row, separated by tabs.
    pub(crate) fn tsv(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        let mut text = format!("{}\n", names.join("\t"));
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(Cell::on_one_line).collect();
            text.push_str(&cells.join("\t"));
            text.push('\n');
        }
        text
    }

    /// An array with an object for each row; empty cells are left out.
    pub(crate) fn json(&self) -> String {
        let rows: Vec<String> = self
            .rows
            .iter()
            .map(|row| json::object(&self.fields(row)))
            .collect();
        format!("[{}]\n", rows.join(", "))
    }

    /// A block list with a map for each row; empty cells are left out.
    pub(crate) fn yaml(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let fields = self.fields(row).into_iter();
            Value::Object(
                fields
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
            )
        });
        format!("{}\n", block(&Value::Array(rows.collect())))
    }

    fn fields(&self, row: &[Cell]) -> Vec<(&'static str, Value)> {
        let pairs = self.columns.iter().zip(row);
        pairs
            .filter_map(|(column, cell)| Some((column.name, cell.value()?)))
            .collect()
    }
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() {
            return Self::Empty;
        }
        Self::Text(text)
    }

    fn value(&self) -> Option<Value> {
        match self {
            Self::Empty => None,
            Self::Text(text) => Some(Value::from(text.as_str())),
            Self::Number(number) => Some(Value::from(*number)),
            Self::Changes(changes) => Some(Value::from(whole(changes))),
            Self::Map(map) => Some(Value::Object(map.clone())),
        }
    }

    /// For tab separated columns. Changes do break their row, as scripts expect it.
    fn on_one_line(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Changes(changes) => whole(changes),
            Self::Map(map) => flow(&Value::Object(map.clone())),
        }
    }

    /// For people.
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Empty => vec![String::new()],
            Self::Text(text) => text.lines().map(str::to_owned).collect(),
            Self::Number(number) => vec![number.to_string()],
            Self::Changes(changes) => changes.iter().map(Change::short).collect(),
            Self::Map(map) => block(&Value::Object(map.clone()))
                .lines()
                .map(str::to_owned)
                .collect(),
        }
    }
}

impl Change {
    fn line(&self) -> String {
        format!("{}: {}", self.name, self.becomes)
    }

    fn short(&self) -> String {
        let line = self.line();
        if line.chars().count() > LONGEST_CHANGE {
            return format!("{}: [hidden - too long]", self.name);
        }
        line
    }
}

fn whole(changes: &[Change]) -> String {
    let lines: Vec<String> = changes.iter().map(Change::line).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests;
