//! A task owns the server: what may happen meanwhile.
//!
//! Only leaving interrupts, and only a copy: everything else is short or must be finished. A script
//! that is asked about a promotion is asked in vain once the leadership is lost.

use super::{Act, Choice, act, hold};
use crate::reason::Code;
use crate::situation::{Busy, Lock, Mode};

/// The choice, when the server's lane is taken.
#[must_use]
pub fn decide(mode: Mode, busy: Busy, lock: Lock) -> Option<Choice> {
    match (mode, busy, lock) {
        (_, Busy::No, _) => None,
        (Mode::Leaving, Busy::Copying | Busy::Asking, _) => {
            Some(act(Act::Cancel, Code::LeavingStop))
        }
        (
            Mode::Normal | Mode::Paused,
            Busy::Asking,
            Lock::Stale | Lock::Other | Lock::Free | Lock::Unseen,
        ) => Some(act(Act::Cancel, Code::AskedInVain)),
        (Mode::Normal | Mode::Paused, Busy::Asking, Lock::Mine)
        | (Mode::Normal | Mode::Paused, Busy::Copying, _)
        | (_, Busy::Stopping | Busy::Working, _) => Some(hold(Code::TaskRunning)),
    }
}
