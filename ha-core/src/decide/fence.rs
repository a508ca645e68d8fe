//! May the server stay writable? Asked before anything else, and whatever else runs.
//!
//! A writable server without a lease that is certain to hold is stopped; the answer never waits
//! for a task.

use super::{Act, Choice, act};
use crate::lease::Hold;
use crate::reason::Code;
use crate::situation::{Busy, Mode, Unleased, Writable};

/// The choice, when there is one; otherwise the other tables decide.
///
/// A paused cluster keeps its primary whatever happens to the store: that is what pause is for.
#[must_use]
pub fn decide(
    mode: Mode,
    hold: Hold,
    writable: Writable,
    busy: Busy,
    unleased: Unleased,
) -> Option<Choice> {
    match (mode, hold, writable, busy) {
        (Mode::Normal | Mode::Leaving, Hold::None, Writable::Yes, _)
            if unleased == Unleased::Overdue =>
        {
            Some(act(Act::Fence, Code::PrimaryUnleased))
        }
        (Mode::Normal | Mode::Leaving, Hold::None, Writable::Yes, _)
            if unleased == Unleased::ClaimOver =>
        {
            Some(act(Act::Fence, Code::BootstrapLost))
        }
        (Mode::Normal | Mode::Leaving, Hold::None, Writable::Yes, _)
            if unleased == Unleased::LeftOver =>
        {
            Some(act(Act::Fence, Code::PromotionLeftOver))
        }
        (Mode::Paused, _, _, _) | (_, Hold::None | Hold::Firm, _, _) | (_, _, Writable::No, _) => {
            None
        }
        (Mode::Normal | Mode::Leaving, Hold::Over, Writable::Yes, _) => {
            Some(act(Act::Fence, Code::LeaseOver))
        }
        (Mode::Normal | Mode::Leaving, Hold::Lost, Writable::Yes, _) => {
            Some(act(Act::Fence, Code::LeadershipLost))
        }
        (Mode::Normal | Mode::Leaving, Hold::Ending, Writable::Yes, Busy::Stopping) => {
            Some(super::hold(Code::LeaseEnding))
        }
        (
            Mode::Normal | Mode::Leaving,
            Hold::Ending,
            Writable::Yes,
            Busy::No | Busy::Copying | Busy::Asking | Busy::Working,
        ) => Some(act(Act::StopFast, Code::LeaseEnding)),
    }
}
