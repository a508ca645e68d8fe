//! The counter of a store: every applied change moves it forward, for all keys together.
//!
//! Invariant: within one store revisions only grow; two changes with the same revision happened in
//! one step.

use std::fmt;

/// A point in the history of a store.
///
/// Zero is before everything; no key has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Revision(u64);

impl Revision {
    /// The revision with the given number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, as the store counts.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The revision that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
