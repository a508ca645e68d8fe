//! Rows and columns, and the ways to show them. A sheet knows nothing of clusters.
//!
//! The invariant: every row has one cell for each column.

mod json;
mod pretty;
mod yaml;

use std::borrow::Cow;

use serde_json::{Map, Value};

pub(crate) use yaml::{block, flow};

/// What is to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name for programs.
    pub(crate) name: Cow<'static, str>,
    /// Its title for people; none: it is not in their table.
    pub(crate) title: Option<Cow<'static, str>>,
    pub(crate) alignment: Alignment,
}

/// What programs get for an empty cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gaps {
    /// Nothing, not even the name of its column.
    LeftOut,
    /// An empty text.
    Kept,
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
    /// A value of a database: `None`, `True` and `False` where it is shown as text.
    Scalar(Value),
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

    /// One line for the names and one for each row, with `delimiter` between their cells.
    pub(crate) fn separated(&self, delimiter: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| &*column.name).collect();
        let mut text = format!("{}\n", names.join(delimiter));
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(Cell::on_one_line).collect();
            text.push_str(&cells.join(delimiter));
            text.push('\n');
        }
        text
    }

    /// An array with an object for each row.
    pub(crate) fn json(&self, gaps: Gaps) -> String {
        let rows: Vec<String> = self
            .rows
            .iter()
            .map(|row| json::object(&self.fields(row, gaps)))
            .collect();
        format!("[{}]\n", rows.join(", "))
    }

    /// A block list with a map for each row.
    pub(crate) fn yaml(&self, gaps: Gaps) -> String {
        let rows = self.rows.iter().map(|row| {
            let fields = self.fields(row, gaps).into_iter();
            Value::Object(
                fields
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
            )
        });
        format!("{}\n", block(&Value::Array(rows.collect())))
    }

    /// The same with every map as a text.
    pub(crate) fn with_maps_on_one_line(mut self) -> Self {
        for cell in self.rows.iter_mut().flatten() {
            if let Cell::Map(_) = cell {
                *cell = Cell::text(cell.on_one_line());
            }
        }
        self
    }

    fn fields(&self, row: &[Cell], gaps: Gaps) -> Vec<(&str, Value)> {
        let pairs = self.columns.iter().zip(row);
        let filled = pairs.filter_map(|(column, cell)| match (cell.value(), gaps) {
            (Some(value), _) => Some((&*column.name, value)),
            (None, Gaps::Kept) => Some((&*column.name, Value::from(""))),
            (None, Gaps::LeftOut) => None,
        });
        filled.collect()
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
            Self::Scalar(value) => Some(value.clone()),
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
            Self::Scalar(value) => scalar(value),
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
            Self::Scalar(value) => scalar(value).lines().map(str::to_owned).collect(),
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

/// The words that scripts got so far.
fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn whole(changes: &[Change]) -> String {
    let lines: Vec<String> = changes.iter().map(Change::line).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests;
