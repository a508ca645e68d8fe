//! Where a value was written: every message about a value starts with it.

use std::fmt;
use std::sync::Arc;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a text.
    Text {
        /// The file, or the name given to the text.
        origin: Arc<str>,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// In an environment variable.
    Variable(Arc<str>),
    /// In a source as a whole: a file, the environment, the dynamic
    /// configuration.
    Whole(Arc<str>),
}

impl Place {
    /// The line, where there is one.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Text { line, .. } => Some(*line),
            Self::Variable(_) | Self::Whole(_) => None,
        }
    }

    /// By file and line; what has no line comes first.
    pub(crate) fn order(&self) -> Option<(&str, usize)> {
        match self {
            Self::Text { origin, line, .. } => Some((origin, *line)),
            Self::Variable(_) | Self::Whole(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text {
                origin,
                line,
                column,
            } => write!(f, "{origin}:{line}:{column}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Whole(origin) => f.write_str(origin),
        }
    }
}
