//! A task owns the server: what may happen meanwhile.
//!
//! Only leaving interrupts, and only a copy: everything else is short or must be finished.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Busy, Mode};

/// The choice, when the server's lane is taken.
#[must_use]
pub fn decide(mode: Mode, busy: Busy) -> Option<Choice> {
    match (mode, busy) {
        (_, Busy::No) => None,
        (Mode::Leaving, Busy::Copying) => Some(act(Act::CancelCopy, Code::LeavingStop)),
        (Mode::Normal | Mode::Paused, Busy::Copying) | (_, Busy::Stopping | Busy::Working) => {
            Some(hold(Code::TaskRunning))
        }
    }
}
