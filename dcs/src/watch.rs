//! Following what happens below a prefix.
//!
//! Invariant: after the first [`WatchEvent::Listed`] a mirror that applies every event equals the
//! store at the revision of the last event, until [`WatchEvent::Interrupted`] says otherwise. A
//! gap is never silent.

use std::fmt;
use std::future::Future;
use std::time::Duration;

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

    /// A watch over a store that tells nothing by itself: it is looked at every so often.
    ///
    /// `look` gets the revision up to which the reader has seen everything, or nothing after a gap
    /// and at the beginning, and answers with the next event, if there is one: see
    /// [`Table::next_event`](crate::Table::next_event).
    #[must_use]
    pub fn polled<Look, Looked>(every: Duration, look: Look) -> Self
    where
        Look: Fn(Option<Revision>) -> Looked + Send + Sync + 'static,
        Looked: Future<Output = Result<Option<WatchEvent>, Error>> + Send,
    {
        Self::new(Polled {
            every,
            look,
            seen: None,
            is_interrupted: false,
        })
    }

    /// Waits for the next event.
    ///
    /// Cancel safe: it may be one branch of a `select!`, and no event is lost when another branch
    /// wins. A watch whose reader is slow does not grow without limit: it skips to a new `Listed`.
    pub async fn next(&mut self) -> WatchEvent {
        self.source.next().await
    }
}

struct Polled<Look> {
    every: Duration,
    look: Look,
    seen: Option<Revision>,
    /// The reader knows that the store is out of reach.
    is_interrupted: bool,
}

#[async_trait]
impl<Look, Looked> WatchSource for Polled<Look>
where
    Look: Fn(Option<Revision>) -> Looked + Send + Sync,
    Looked: Future<Output = Result<Option<WatchEvent>, Error>> + Send,
{
    async fn next(&mut self) -> WatchEvent {
        loop {
            // What was seen changes only with the event that is returned: a dropped wait loses none.
            match (self.look)(self.seen).await {
                Ok(Some(event)) => {
                    self.is_interrupted = false;
                    self.seen = event.revision();
                    return event;
                }
                Err(error) if !self.is_interrupted => {
                    self.is_interrupted = true;
                    self.seen = None;
                    return WatchEvent::Interrupted(error);
                }
                Ok(None) | Err(_) => tokio::time::sleep(self.every).await,
            }
        }
    }
}

impl WatchEvent {
    /// The revision up to which everything is told with this event; none when that is not known
    /// any more.
    #[must_use]
    pub const fn revision(&self) -> Option<Revision> {
        match self {
            Self::Listed(snapshot) => Some(snapshot.revision),
            Self::Changed { revision, .. } => Some(*revision),
            Self::Interrupted(_) => None,
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
