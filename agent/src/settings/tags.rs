//! What a member says about itself: whether it may lead, serve readers, be a
//! source of copies. Tags are published; anyone may read them.

use serde_json::{Map, Value};

use super::reader::{Field, Findings, Section};
use super::{ProblemKind, WarningKind, scalar};

/// The section `tags`.
///
/// A boolean tag wins over the priority that contradicts it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tags {
    values: Map<String, Value>,
}

/// Tags that are hidden while they are off.
const BOOLEANS: [&str; 5] = [
    "clonefrom",
    "nofailover",
    "noloadbalance",
    "nosync",
    "nostream",
];

impl Tags {
    /// Whether this member never takes the lease: `nofailover`, or a priority
    /// of zero or less.
    #[must_use]
    pub fn is_failover_forbidden(&self) -> bool {
        self.boolean("nofailover").unwrap_or_else(|| {
            self.integer("failover_priority")
                .is_some_and(|priority| priority <= 0)
        })
    }

    /// Which of equally good candidates is preferred: the higher one (1).
    /// Zero when failover is forbidden by `nofailover`.
    #[must_use]
    pub fn failover_priority(&self) -> i64 {
        if self.boolean("nofailover") == Some(true) {
            return 0;
        }
        self.integer("failover_priority").unwrap_or(1)
    }

    /// Whether load balancers shall leave this member alone.
    #[must_use]
    pub fn is_load_balancing_forbidden(&self) -> bool {
        self.boolean("noloadbalance").unwrap_or(false)
    }

    /// Whether new members shall be copied from this one.
    #[must_use]
    pub fn is_preferred_clone_source(&self) -> bool {
        self.boolean("clonefrom").unwrap_or(false)
    }

    /// Whether this member reads WAL only from the archive.
    #[must_use]
    pub fn is_streaming_forbidden(&self) -> bool {
        self.boolean("nostream").unwrap_or(false)
    }

    /// The tags as other members and tools see them: own tags as written,
    /// the known booleans only when they are on or contradict a priority.
    #[must_use]
    pub fn published(&self) -> Map<String, Value> {
        let is_shown = |name: &str| {
            !BOOLEANS.contains(&name)
                || self.boolean(name) == Some(true)
                || (name == "nofailover" && self.values.contains_key("failover_priority"))
                || (name == "nosync" && self.values.contains_key("sync_priority"))
        };
        self.values
            .iter()
            .filter(|(name, _)| is_shown(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    fn boolean(&self, name: &str) -> Option<bool> {
        match self.values.get(name)? {
            Value::Bool(truth) => Some(*truth),
            Value::Number(number) => scalar::boolean(&number.to_string()),
            Value::String(text) => scalar::boolean(text),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn integer(&self, name: &str) -> Option<i64> {
        match self.values.get(name)? {
            Value::Number(number) => scalar::integer(&number.to_string()),
            Value::String(text) => scalar::integer(text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub(super) fn read(findings: &mut Findings, root: &Section<'_>) -> Self {
        let section = findings.section(root, "tags");
        for name in BOOLEANS {
            findings.optional_boolean(&section, name);
        }
        for name in ["failover_priority", "sync_priority"] {
            findings.optional_integer(&section, name);
        }
        findings.optional_text(&section, "replicatefrom");
        let mut values = Map::new();
        for (name, field) in section.fields() {
            values.extend(value(findings, &field).map(|value| (name.to_owned(), value)));
        }
        let tags = Self { values };
        tags.warn_of_contradiction(findings, &section);
        tags
    }

    fn warn_of_contradiction(&self, findings: &mut Findings, section: &Section<'_>) {
        let (Some(forbidden), Some(priority), Some(field)) = (
            self.boolean("nofailover"),
            self.integer("failover_priority"),
            section.field("failover_priority"),
        ) else {
            return;
        };
        if forbidden != (priority <= 0) {
            let sentence = format!("contradicts nofailover: {forbidden}, which is used");
            findings.warn(&field, WarningKind::Note(sentence));
        }
    }
}

fn value(findings: &mut Findings, field: &Field<'_>) -> Option<Value> {
    match field.node.to_json() {
        Ok(value) => Some(value),
        Err(place) => {
            let sentence = "there is a number that JSON cannot hold, write a finite one";
            findings.problem_at(
                &place,
                &field.path,
                ProblemKind::Invalid(sentence.to_owned()),
            );
            None
        }
    }
}
