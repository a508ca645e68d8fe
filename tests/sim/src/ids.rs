//! The smallest things of the world: its own time, and who is meant.
//!
//! The world's time is never seen by a machine: a machine sees its own clock, which may be wrong.

use std::fmt;
use std::time::Duration;

/// True time: nanoseconds since the beginning of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At(pub u64);

impl At {
    /// This much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// How long after `earlier` this is; nothing when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for At {
    /// `T+12.5`: seconds with the digits that are there, milliseconds at the finest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0 / 1_000_000;
        let text = format!("{}.{:03}", millis / 1000, millis % 1000);
        f.write_str("T+")?;
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A member's place in the world: the first is `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub u8);

impl Node {
    /// Its index in a list of nodes.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Its letter.
    #[must_use]
    pub fn letter(self) -> char {
        char::from(b'a' + self.0 % 26)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}
