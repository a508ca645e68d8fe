//! YAML 1.1 as PyYAML's safe loader reads it, so that a file means to us what
//! it means to Patroni: `on` is true, `0755` is 493, `1:30` is 90, `1e3` and
//! `y` are texts.
//!
//! The syntax comes from `saphyr-parser`; which type a plain scalar has, merge
//! keys, duplicates and limits are decided here. Deliberate differences: dates
//! stay texts, integers must fit 64 bits, `!!binary`, `!!set`, `!!omap` and
//! `!!pairs` are refused, and so is a structure that contains itself.
//!
//! The invariant: every [`Node`] knows where it was written.

mod compose;
mod indent;
mod json;
mod place;
mod python;
mod resolve;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use place::Place;

/// One value of a document. Without `Debug`, because it may be a password.
#[derive(Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
    /// How a plain scalar was written, whatever it was resolved to.
    pub(crate) source: Option<String>,
}

/// What a node is.
#[derive(Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// Between the smallest `i64` and the largest `u64`.
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map and its value. Keys of one map are all different, and are
/// scalars.
#[derive(Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Node,
    pub(crate) value: Node,
}

/// A document that was read.
pub(crate) struct Document {
    pub(crate) root: Node,
    pub(crate) duplicates: Vec<Duplicate>,
}

/// A key that was written twice in one map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    pub(crate) path: String,
    pub(crate) first: Place,
    pub(crate) used: Place,
}

/// Why a text is not a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// Reads a text that holds one document. An empty text is a null.
pub(crate) fn parse(text: &str, origin: &Arc<str>) -> Result<Document, SyntaxError> {
    compose::Composer::new(origin).document(text)
}

impl Node {
    pub(crate) fn new(value: Value, place: Place) -> Self {
        Self {
            value,
            place,
            source: None,
        }
    }

    /// The value of a key, if this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|entry| matches!(&entry.key.value, Value::Text(text) if text == key))
            .map(|entry| &entry.value)
    }

    /// The entries of a map, none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_) => &[],
        }
    }

    /// The text that Python's `str` makes of a scalar; `None` for lists and
    /// maps.
    pub(crate) fn python_text(&self) -> Option<String> {
        python::text(&self.value)
    }

    /// What this is, for a message.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "empty",
            Value::Bool(_) => "a boolean",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a number with a fraction",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}
