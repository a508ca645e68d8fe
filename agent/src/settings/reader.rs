//! Reading values out of a tree: a key with its path, a type, and a problem
//! in the list when it does not fit. Reading goes on after a problem, so that
//! all of them are told at once.

use std::path::PathBuf;

use crate::yaml::{Node, Place, Value};

use super::{Problem, ProblemKind, Secret, Warning, WarningKind, scalar};

/// What was found wrong, collected while reading.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

/// A map of the tree, or the place where it would be.
#[derive(Clone)]
pub(super) struct Section<'a> {
    node: Option<&'a Node>,
    place: Place,
    path: String,
}

/// A value of the tree that is not null.
#[derive(Clone)]
pub(super) struct Field<'a> {
    pub(super) node: &'a Node,
    pub(super) path: String,
}

impl<'a> Section<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self::at(node, String::new())
    }

    pub(super) fn at(node: &'a Node, path: String) -> Self {
        Self {
            node: Some(node),
            place: node.place.clone(),
            path,
        }
    }

    /// The value of a key, unless it is absent or null.
    pub(super) fn field(&self, key: &str) -> Option<Field<'a>> {
        let node = self.node?.get(key)?;
        (node.value != Value::Null).then(|| Field {
            node,
            path: self.path_of(key),
        })
    }

    /// Every key that is a text, with its value, nulls included.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> + use<'a> {
        let path = self.path.clone();
        let entries = self.node.map_or(&[][..], Node::entries);
        entries.iter().filter_map(move |entry| {
            let Value::Text(key) = &entry.key.value else {
                return None;
            };
            let field = Field {
                node: &entry.value,
                path: joined(&path, key),
            };
            Some((key.as_str(), field))
        })
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        joined(&self.path, key)
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn node(&self) -> Option<&'a Node> {
        self.node
    }
}

impl<'a> Field<'a> {
    /// The items of a list with their paths; `None` for anything else.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        let Value::List(items) = &self.node.value else {
            return None;
        };
        let items = items.iter().enumerate().map(|(index, node)| Self {
            node,
            path: format!("{}[{index}]", self.path),
        });
        Some(items.collect())
    }

    pub(super) fn section(&self) -> Section<'a> {
        Section::at(self.node, self.path.clone())
    }
}

impl Findings {
    pub(super) fn problem(&mut self, field: &Field<'_>, kind: ProblemKind) {
        self.problem_at(&field.node.place, &field.path, kind);
    }

    pub(super) fn problem_at(&mut self, place: &Place, path: &str, kind: ProblemKind) {
        self.problems.push(Problem {
            place: place.clone(),
            path: path.to_owned(),
            kind,
        });
    }

    pub(super) fn warn(&mut self, field: &Field<'_>, kind: WarningKind) {
        self.warn_at(&field.node.place, &field.path, kind);
    }

    pub(super) fn warn_at(&mut self, place: &Place, path: &str, kind: WarningKind) {
        self.warnings.push(Warning {
            place: place.clone(),
            path: path.to_owned(),
            kind,
        });
    }

    pub(super) fn invalid(&mut self, field: &Field<'_>, sentence: impl Into<String>) {
        self.problem(field, ProblemKind::Invalid(sentence.into()));
    }

    pub(super) fn missing(&mut self, section: &Section<'_>, key: &str, advice: &str) {
        let path = section.path_of(key);
        self.problem_at(
            &section.place,
            &path,
            ProblemKind::Missing(advice.to_owned()),
        );
    }

    pub(super) fn wrong_type(&mut self, field: &Field<'_>, expected: &'static str) {
        let found = field.node.kind();
        self.problem(field, ProblemKind::WrongType { expected, found });
    }

    /// A section of a section; a problem when the key holds something else.
    pub(super) fn section<'a>(&mut self, parent: &Section<'a>, key: &str) -> Section<'a> {
        let absent = Section {
            node: None,
            place: parent.place.clone(),
            path: parent.path_of(key),
        };
        match parent.field(key) {
            None => absent,
            Some(field) if matches!(field.node.value, Value::Map(_)) => field.section(),
            Some(field) => {
                self.wrong_type(&field, "a map");
                absent
            }
        }
    }

    /// A text. Numbers are taken as Python prints them, as Patroni does.
    pub(super) fn text(&mut self, field: &Field<'_>) -> Option<String> {
        match &field.node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(_) | Value::Float(_) => {
                let text = field.node.python_text();
                if field.node.source.is_some() && field.node.source != text {
                    let sentence = "is read as a number, which is not the text that is written; \
                                    put it in quotes";
                    self.warn(field, WarningKind::Note(sentence.to_owned()));
                }
                text
            }
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
                self.wrong_type(field, "a text");
                None
            }
        }
    }

    /// The text of a key that must be there and not be empty.
    pub(super) fn required_text(
        &mut self,
        section: &Section<'_>,
        key: &str,
        advice: &str,
    ) -> Option<String> {
        let Some(field) = section.field(key) else {
            self.missing(section, key, advice);
            return None;
        };
        let text = self.text(&field)?;
        if text.is_empty() {
            self.problem(&field, ProblemKind::Missing(advice.to_owned()));
            return None;
        }
        Some(text)
    }

    pub(super) fn optional_text(&mut self, section: &Section<'_>, key: &str) -> Option<String> {
        let field = section.field(key)?;
        self.text(&field).filter(|text| !text.is_empty())
    }

    pub(super) fn optional_path(&mut self, section: &Section<'_>, key: &str) -> Option<PathBuf> {
        self.optional_text(section, key).map(PathBuf::from)
    }

    pub(super) fn optional_secret(&mut self, section: &Section<'_>, key: &str) -> Option<Secret> {
        let field = section.field(key)?;
        self.text(&field).map(Secret::new)
    }

    pub(super) fn optional_boolean(&mut self, section: &Section<'_>, key: &str) -> Option<bool> {
        let field = section.field(key)?;
        let truth = field
            .node
            .python_text()
            .and_then(|text| scalar::boolean(&text));
        if truth.is_none() {
            self.wrong_type(&field, "true or false");
        }
        truth
    }

    pub(super) fn optional_integer(&mut self, section: &Section<'_>, key: &str) -> Option<i64> {
        let field = section.field(key)?;
        let number = match &field.node.value {
            Value::Integer(number) => i64::try_from(*number).ok(),
            Value::Float(_) | Value::Text(_) => field
                .node
                .python_text()
                .and_then(|text| scalar::integer(&text)),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => None,
        };
        if number.is_none() {
            self.wrong_type(&field, "an integer");
        }
        number
    }

    /// A list of texts, one for each line of a file. One text is a problem: it
    /// is mostly a list whose dashes were forgotten.
    pub(super) fn optional_lines(
        &mut self,
        section: &Section<'_>,
        key: &str,
    ) -> Option<Vec<String>> {
        let field = section.field(key)?;
        let Some(items) = field.items() else {
            self.wrong_type(&field, "a list of texts");
            return None;
        };
        Some(items.iter().filter_map(|item| self.text(item)).collect())
    }
}

pub(super) fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
