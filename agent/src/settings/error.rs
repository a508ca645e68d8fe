//! Why a configuration cannot be used. All problems are told at once, one
//! line each: where, which key, what is wrong, what to do. No value of a
//! secret appears in a message.

use std::fmt;
use std::path::PathBuf;

use super::Place;

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file or folder could not be read: a wrong path or missing rights.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The content must be corrected by a human.
    #[error("{}", lines(problems))]
    Invalid {
        /// Every problem, in the order of the text; never empty.
        problems: Vec<Problem>,
    },
}

/// One problem of a configuration; its `Display` is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// The dotted path of the key, empty when it concerns the whole text.
    pub path: String,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What is wrong with a value, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The text is not YAML, or not YAML that can be a configuration.
    Syntax(String),
    /// There is no configuration at all.
    Empty,
    /// A required key is absent; the sentence tells what to write.
    Missing(String),
    /// The value is of another type.
    WrongType {
        /// What the key takes: `a text`, `a list of texts`.
        expected: &'static str,
        /// What it is given: `a list`.
        found: &'static str,
    },
    /// The type is right, the value is not; the sentence tells what to write.
    Invalid(String),
    /// Something that is not served yet and that must not be ignored.
    NotServed(String),
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}", self.kind)
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(sentence) => write!(f, "is missing: {sentence}"),
            Self::Syntax(sentence) | Self::Invalid(sentence) | Self::NotServed(sentence) => {
                f.write_str(sentence)
            }
            Self::Empty => f.write_str("the configuration is empty"),
            Self::WrongType { expected, found } => {
                write!(f, "must be {expected}, but is {found}")
            }
        }
    }
}
