//! What the configuration asks for that will not happen, or not as expected.
//! A warning never stops the member; it is logged once at the start.

use std::fmt;

use super::Place;

/// One thing that a human should know about the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where it was written.
    pub place: Place,
    /// The dotted path of the key: `postgresql.callbacks`.
    pub path: String,
    /// What is wrong with it.
    pub kind: WarningKind,
}

/// What is wrong with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// A known key that is not served yet.
    NotServed,
    /// A key that nobody knows; the nearest known one, if it is near.
    Unknown {
        /// A known key of the same section that is spelled alike.
        similar: Option<String>,
    },
    /// A key written twice; the last one is used.
    Duplicate {
        /// The line of the one that has no effect.
        first_line: usize,
        /// The line of the one that is used.
        used_line: usize,
    },
    /// A parameter or key that only the dynamic configuration may set.
    OnlyDynamic,
    /// A key that only the local file may set, found in the dynamic
    /// configuration.
    OnlyLocal,
    /// A value that is replaced or ignored; the sentence says which and why.
    Adjusted(String),
    /// Anything else; one sentence.
    Note(String),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        let path = &self.path;
        match &self.kind {
            WarningKind::NotServed => write!(f, "{path} is accepted but has no effect yet"),
            WarningKind::Unknown { similar: None } => {
                write!(f, "{path} is not a known key and has no effect")
            }
            WarningKind::Unknown {
                similar: Some(similar),
            } => write!(
                f,
                "{path} is not a known key and has no effect; did you mean {similar}?"
            ),
            WarningKind::Duplicate {
                first_line,
                used_line,
            } => write!(
                f,
                "{path} is written twice: line {first_line} has no effect, line {used_line} is used"
            ),
            WarningKind::OnlyDynamic => write!(
                f,
                "{path} has no effect here: only the dynamic configuration of the cluster sets it"
            ),
            WarningKind::OnlyLocal => write!(
                f,
                "{path} has no effect here: only the file of each member sets it"
            ),
            WarningKind::Adjusted(sentence) | WarningKind::Note(sentence) => {
                write!(f, "{path}: {sentence}")
            }
        }
    }
}
