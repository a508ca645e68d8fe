//! The machine's wall clock, set to a wrong time for a while.
//!
//! Every process of the machine sees that, so it is asked for on purpose and put back whatever
//! happens in between.

use std::process::{Command, Stdio};

/// Which way the clock is set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    Forwards,
    Backwards,
}

impl Direction {
    const fn there(self) -> &'static str {
        match self {
            Self::Forwards => "+1 hour",
            Self::Backwards => "-1 hour",
        }
    }

    const fn back(self) -> &'static str {
        match self {
            Self::Forwards => Self::Backwards.there(),
            Self::Backwards => Self::Forwards.there(),
        }
    }
}

/// A clock that is wrong by an hour until this is dropped.
pub(super) struct SteppedClock(Direction);

impl SteppedClock {
    pub(super) fn by_an_hour(direction: Direction) -> Self {
        assert!(
            is_set(direction.there()),
            "the clock cannot be set: that needs root"
        );
        Self(direction)
    }
}

impl Drop for SteppedClock {
    fn drop(&mut self) {
        if !is_set(self.0.back()) {
            tracing::error!(step = self.0.back(), "the clock is wrong: set it by hand");
        }
    }
}

/// Relative to what it is now, as `date` of the GNU coreutils understands it.
fn is_set(step: &str) -> bool {
    let date = Command::new("date")
        .arg(format!("--set={step}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    date.is_ok_and(|status| status.success())
}
