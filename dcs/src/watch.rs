//! Following what happens below a prefix.
//!
//! Invariant: after the first [`WatchEvent::Listed`] a mirror that applies every event equals the
//! store at the revision of the last event, until [`WatchEvent::Interrupted`] says otherwise. A
//! gap is never silent.

use std::fmt;

use async_trait::async_trait;

use crate::{Change, Error, Revision, Snapshot};

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// The whole truth below the prefix: at the beginning and after every gap.
    Listed(Snapshot),
    /// One step of the store. Steps arrive in order; what happened in one commit is one step.
    Changed {
        /// The revision of the step.
        revision: Revision,
        /// The keys below the prefix that it touched.
        changes: Vec<Change>,
    },
    /// What the watch told before may be old from here on. The watch tries again by itself and
    /// goes on with `Listed`.
    Interrupted(Error),
}

/// Where the events of a [`Watch`] come from; implemented by backends.
#[async_trait]
pub trait WatchSource: Send {
    /// Waits for the next event.
    ///
    /// Must be cancel safe: a future that is dropped before it is ready loses no event.
    async fn next(&mut self) -> WatchEvent;
}

/// A running watch. It ends when it is dropped.
///
/// It is a wake-up and a mirror, not a source of truth: decisions that need the present state take
/// a [`snapshot`](crate::Dcs::snapshot).
pub struct Watch {
    source: Box<dyn WatchSource>,
}

impl Watch {
    /// A watch over a backend's source of events.
    #[must_use]
    pub fn new(source: impl WatchSource + 'static) -> Self {
        Self {
            source: Box::new(source),
        }
    }

    /// Waits for the next event.
    ///
    /// Cancel safe: it may be one branch of a `select!`, and no event is lost when another branch
    /// wins. A watch whose reader is slow does not grow without limit: it skips to a new `Listed`.
    pub async fn next(&mut self) -> WatchEvent {
        self.source.next().await
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
