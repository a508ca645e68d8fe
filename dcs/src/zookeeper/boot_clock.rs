//! A clock that goes on while the machine sleeps.
//!
//! The server counts a session's silence whether or not this machine is awake, so what is
//! concluded from silence is measured on this clock and never on one that stops.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// An instant since this machine was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BootInstant(Duration);

impl BootInstant {
    pub(super) fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
        Self(Duration::new(seconds, nanos))
    }

    /// How long after the other one this is; nothing if it is before.
    pub(super) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
impl BootInstant {
    pub(super) const ZERO: Self = Self(Duration::ZERO);

    pub(super) fn plus(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}
