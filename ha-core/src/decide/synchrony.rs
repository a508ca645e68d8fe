//! Synchronous mode, seen by a leader whose primary runs: the one next step between what commits
//! wait for and what the `sync` key says of it.
//!
//! The key lists who has every acknowledged commit. It gets shorter before commits cease to wait
//! for somebody, and longer only after they wait for somebody who has everything from before; so it
//! may be read at any moment, also between two steps that nobody carries on.

use crate::situation::{Keeping, Listing, Waiting};

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncStep {
    /// Nothing: all is as it should be, or only time brings it further.
    Rest,
    /// Write the key in our name, without anybody in it.
    Claim,
    /// Take off the key whom commits do not wait for, or shall not.
    Shrink,
    /// Make commits wait for the wanted standbys.
    WaitFor,
    /// Put on the key who has everything.
    Grow,
    /// Remove the key.
    Forget,
}

/// The step.
#[must_use]
pub fn decide(keeping: Keeping, listing: Listing, waiting: Waiting) -> SyncStep {
    match (keeping, listing, waiting) {
        (Keeping::On, Listing::Absent | Listing::OfAnother, _) => SyncStep::Claim,
        // A request whose end is not known may still make the key longer, after commits have
        // ceased to wait: another write makes it void.
        (Keeping::On, Listing::Doubtful | Listing::TooMany, _) => SyncStep::Shrink,
        (Keeping::On, Listing::Short | Listing::Right, Waiting::Otherwise | Waiting::Unproven) => {
            SyncStep::WaitFor
        }
        (Keeping::On, Listing::Short, Waiting::AsWanted) => SyncStep::Grow,
        (Keeping::On, Listing::Right, Waiting::AsWanted) => SyncStep::Rest,

        (
            Keeping::Off,
            Listing::OfAnother
            | Listing::Doubtful
            | Listing::TooMany
            | Listing::Short
            | Listing::Right,
            _,
        ) => SyncStep::Forget,
        (Keeping::Off, Listing::Absent, Waiting::Otherwise | Waiting::Unproven) => {
            SyncStep::WaitFor
        }
        (Keeping::Off, Listing::Absent, Waiting::AsWanted) => SyncStep::Rest,
    }
}
