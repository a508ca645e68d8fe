//! Why a command could not do what it was asked for.
//!
//! Everything ends as one line that says what to do. No password gets in here: the settings keep
//! theirs to themselves, and answers of members are shown, not requests.

use std::error::Error as _;

use herdsman_agent::settings;

/// Why a command ends without success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command makes no sense, or not now; the text says why.
    #[error("{0}")]
    Refused(String),
    /// A member, or all of them, did not do it; the text says what is known.
    #[error("{0}")]
    Failed(String),
    /// A question got no answer.
    #[error("Aborted!")]
    Aborted,
    /// The configuration must be corrected.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// The store did not answer, or refused.
    #[error("the store at {hosts} cannot be used (see -c/--config-file and -d/--dcs-url)")]
    Store {
        /// Where it was looked for.
        hosts: String,
        /// What happened.
        source: herdsman_dcs::Error,
    },
    /// The terminal, or what stands for it.
    #[error("cannot read the input or write the output")]
    Output(#[from] std::io::Error),
}

impl Error {
    /// Refuses, with a text that says why.
    pub(crate) fn refused<T>(text: impl Into<String>) -> Result<T, Self> {
        Err(Self::Refused(text.into()))
    }

    /// What is printed.
    pub(crate) fn line(&self) -> String {
        if let Self::Aborted = self {
            return self.to_string();
        }
        let mut line = format!("Error: {self}");
        let mut next = self.source();
        while let Some(cause) = next {
            line.push_str(": ");
            line.push_str(&cause.to_string());
            next = cause.source();
        }
        line
    }
}
