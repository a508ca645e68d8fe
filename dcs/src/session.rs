//! A session: the right to bind keys, which ends unless it is renewed.
//!
//! Invariant: what a holder may conclude counts from the start of the call that opened or renewed
//! the session. This module stores no instant, because only the caller knows when it started.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Key;

/// The name of a session in its store.
///
/// Opaque text that survives [`Display`](fmt::Display) and [`FromStr`], so that a process can write
/// it down and come back to its session after a restart. It is not a secret, but whoever has it can
/// renew or end the session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "String", into = "String")
)]
pub struct SessionId(String);

impl SessionId {
    /// The text, as the store writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(SessionIdError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for SessionId {
    type Error = SessionIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

/// A number is always a well-formed session id; stores that number their sessions use this.
impl From<i64> for SessionId {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

/// The text is empty or contains something else than printable ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session id consists of printable ascii characters")]
pub struct SessionIdError;

/// A session as its store granted it.
///
/// The value is a ticket and holds no connection: dropping it does not end the session, only
/// [`Dcs::release`](crate::Dcs::release) or time does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The name of the session in its store.
    pub id: SessionId,
    /// The time to live as the store granted it, which may be longer than what was asked for.
    pub ttl: Duration,
}

/// The answer to a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Renewal {
    /// The session lives for its whole time to live, counted from the start of the call, and every
    /// guard of the proof held.
    Held,
    /// At least one guard did not hold. The session may have been renewed, but what the guards
    /// stand for must be treated as lost.
    Refused {
        /// The keys of the guards that did not hold.
        failed: Vec<Key>,
    },
}
