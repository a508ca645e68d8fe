//! Who reaches whom, one direction at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fault::End;

/// The state of every direction that is not as it should be.
#[derive(Clone, Debug, Default)]
pub struct Net {
    /// How many cuts are on it.
    cuts: BTreeMap<(End, End), u32>,
    delays: BTreeMap<(End, End), Duration>,
}

impl Net {
    /// Whether a message from here arrives there.
    #[must_use]
    pub fn passes(&self, from: End, to: End) -> bool {
        self.cuts.is_empty() || !self.cuts.contains_key(&(from, to))
    }

    /// Whether both directions work.
    #[must_use]
    pub fn connects(&self, one: End, other: End) -> bool {
        self.passes(one, other) && self.passes(other, one)
    }

    /// What is added to every message.
    #[must_use]
    pub fn delay(&self, from: End, to: End) -> Duration {
        if self.delays.is_empty() {
            return Duration::ZERO;
        }
        self.delays.get(&(from, to)).copied().unwrap_or_default()
    }

    pub(super) fn cut(&mut self, from: End, to: End) {
        *self.cuts.entry((from, to)).or_default() += 1;
    }

    pub(super) fn mend(&mut self, from: End, to: End) {
        if let Some(count) = self.cuts.get_mut(&(from, to)) {
            *count -= 1;
            if *count == 0 {
                self.cuts.remove(&(from, to));
            }
        }
    }

    pub(super) fn slow(&mut self, from: End, to: End, by: Duration) {
        self.delays.insert((from, to), by);
    }

    pub(super) fn speed_up(&mut self, from: End, to: End) {
        self.delays.remove(&(from, to));
    }

    pub(super) fn heal(&mut self) {
        self.cuts.clear();
        self.delays.clear();
    }
}
