//! Why a command ended early, in words for the person at the terminal.
//!
//! A failing program that explained itself is [`Error::Failed`]: its own output
//! is the explanation, and we only name it.

use std::fmt;
use std::io;
use std::path::Path;

#[derive(Debug)]
pub(crate) enum Error {
    /// The command line makes no sense.
    Usage(String),
    /// Something must be installed by a person first.
    Missing(String),
    /// A program we started ended badly.
    Failed(String),
    /// The operating system refused something.
    Io { what: String, source: io::Error },
}

impl Error {
    /// For `map_err`: wraps what the operating system said with what we wanted.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// The same for the common case of one path.
    pub(crate) fn path(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(format!("{verb} {}", path.display()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Missing(text) => f.write_str(text),
            Self::Failed(what) => write!(f, "failed: {what}"),
            Self::Io { what, source } => write!(f, "cannot {what}: {source}"),
        }
    }
}
