//! What can go wrong, by what the caller can do about it.
//!
//! Invariant: [`Error::Unavailable`] promises that nothing was applied; whenever that is not
//! certain the error is [`Error::Unknown`].

use std::fmt;

use crate::{KeyError, Revision, SessionId};

/// Why a call gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store did not answer, and nothing was applied. Try again.
    #[error("the store is not available")]
    Unavailable(#[source] Cause),
    /// The call may have been applied, or may still be. Read again and assume nothing.
    #[error("the store may or may not have applied the call")]
    Unknown(#[source] Cause),
    /// The session has ended and every key bound to it is gone. Open a new one.
    #[error("session {id} has ended")]
    SessionLost {
        /// The session that ended.
        id: SessionId,
    },
    /// The store refuses: credentials or permissions are wrong. Ask a human.
    #[error("the store refuses access")]
    Denied(#[source] Cause),
    /// The caller asked for something that cannot be. Repeating it does not help.
    #[error("the call is not valid")]
    Invalid(#[source] Cause),
    /// This backend cannot do what was asked; see [`Capabilities`](crate::Capabilities).
    #[error("this store does not support {what}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
    },
    /// The store is not the one of before: its revision went backwards or its identity changed,
    /// as after a restore from a backup. Ask a human. The handle goes on saying so until a new
    /// session is opened, which accepts the store as it is.
    #[error("the store was replaced: it is at revision {found}, after {seen} had been seen")]
    StoreReplaced {
        /// The newest revision that this handle has seen.
        seen: Revision,
        /// The revision that the store answered with.
        found: Revision,
    },
}

impl Error {
    /// An [`Error::Unavailable`] with its reason.
    #[must_use]
    pub fn unavailable(reason: impl Into<Cause>) -> Self {
        Self::Unavailable(reason.into())
    }

    /// An [`Error::Unknown`] with its reason.
    #[must_use]
    pub fn unknown(reason: impl Into<Cause>) -> Self {
        Self::Unknown(reason.into())
    }

    /// An [`Error::Invalid`] with its reason.
    #[must_use]
    pub fn invalid(reason: impl Into<Cause>) -> Self {
        Self::Invalid(reason.into())
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::Invalid(Cause::from_error(&error))
    }
}

/// The reason below an [`Error`]: a message and what caused it in turn.
///
/// A copy of the messages of an error chain, so that errors can be cloned, compared and recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    message: String,
    source: Option<Box<Self>>,
}

impl Cause {
    /// A reason without a deeper one.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// Copies the messages of an error and of its sources.
    #[must_use]
    pub fn from_error(error: &dyn std::error::Error) -> Self {
        Self::with_source(error.to_string(), error.source())
    }

    /// A reason with a copy of the messages below it.
    #[must_use]
    pub fn with_source(
        message: impl Into<String>,
        source: Option<&(dyn std::error::Error + 'static)>,
    ) -> Self {
        Self {
            message: message.into(),
            source: source.map(|e| Box::new(Self::from_error(e))),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|c| c as _)
    }
}

impl From<&str> for Cause {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<String> for Cause {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn cause_keeps_the_chain_of_messages() {
        let inner = Error::Denied(Cause::new("no such user"));
        let cause = Cause::from_error(&inner);
        assert_eq!(cause.to_string(), "the store refuses access");
        let source = cause.source().expect("the source is kept");
        assert_eq!(source.to_string(), "no such user");
        assert!(source.source().is_none());
    }
}
