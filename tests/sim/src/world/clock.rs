//! A member's clock: begins anywhere, runs a little too fast or too slow, never stops.

use herdsman_ha_core::Mono;

use crate::ids::At;

/// One clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    begins_at: u64,
    /// By how many millionths it is too fast.
    drift_ppm: i32,
}

impl Clock {
    pub(super) fn new(begins_at: u64, drift_ppm: i32) -> Self {
        Self {
            begins_at,
            drift_ppm,
        }
    }

    /// What it shows at an instant.
    #[must_use]
    pub fn read(&self, at: At) -> Mono {
        let drift = i128::from(at.0) * i128::from(self.drift_ppm) / 1_000_000;
        let shown = i128::from(self.begins_at) + i128::from(at.0) + drift;
        Mono(u64::try_from(shown).unwrap_or(0))
    }

    /// The first instant at which it shows at least this.
    #[must_use]
    pub fn when(&self, shown: Mono) -> At {
        let passed = i128::from(shown.0) - i128::from(self.begins_at);
        let guess = passed * 1_000_000 / (1_000_000 + i128::from(self.drift_ppm));
        let mut at = At(u64::try_from(guess.max(0)).unwrap_or(0));
        while self.read(at) < shown {
            at = At(at.0 + 1);
        }
        at
    }
}
