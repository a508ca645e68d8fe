//! Following a prefix in ZooKeeper.
//!
//! A server tells that something changed, not what it was nor when. So each event is a reason to
//! read everything again, and what is told is the difference between two such readings. Changes
//! that follow each other quickly become one step.
//!
//! Invariant: the watch is set before the reading, so nothing falls between the two.

use std::collections::BTreeMap;
use std::convert::Infallible as Never;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Inner;
use super::line::{Line, Phase};
use crate::fed::Fed;
use crate::{Change, Entry, Error, Key, Prefix, Snapshot, Watch, WatchEvent};

/// A reader that is slow finds the newest state, not a queue of old ones.
const ROOM: usize = 1;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Follows the prefix until the reader is gone.
pub(super) fn follow(inner: Arc<Inner>, prefix: Prefix) -> Watch {
    Watch::new(Fed::start(ROOM, |events| async move {
        let follower = Follower {
            inner,
            prefix,
            events,
            told: None,
        };
        let Err(ReaderGone) = follower.run().await;
    }))
}

struct Follower {
    inner: Arc<Inner>,
    prefix: Prefix,
    events: mpsc::Sender<WatchEvent>,
    /// What the reader knows, unless it was told that it may be old.
    told: Option<Snapshot>,
}

/// The watch was dropped.
struct ReaderGone;

impl Follower {
    async fn run(mut self) -> Result<Never, ReaderGone> {
        let mut is_interrupted = false;
        let mut pause = FIRST_PAUSE;
        loop {
            let room = self.events.clone().reserve_owned();
            let room = room.await.map_err(|_| ReaderGone)?;
            match self.look().await {
                Ok((line, seen)) => {
                    (is_interrupted, pause) = (false, FIRST_PAUSE);
                    match self.news(seen) {
                        Some(event) => drop(room.send(event)),
                        None => drop(room),
                    }
                    line.wait().await;
                }
                Err(error) => {
                    self.told = None;
                    if is_interrupted {
                        drop(room);
                    } else {
                        room.send(WatchEvent::Interrupted(error));
                    }
                    is_interrupted = true;
                    sleep(pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
            }
        }
    }

    async fn look(&self) -> Result<(Marked, Snapshot), Error> {
        let line = self.inner.common()?;
        let mut changes = line.changes.subscribe();
        changes.borrow_and_update();
        self.inner.watch_on(&line, &self.prefix).await?;
        let snapshot = self.inner.list(&self.prefix).await?;
        Ok((Marked { line, changes }, snapshot))
    }

    /// What to tell about a reading.
    fn news(&mut self, seen: Snapshot) -> Option<WatchEvent> {
        let event = match &self.told {
            None => Some(WatchEvent::Listed(seen.clone())),
            Some(told) => {
                let changes = difference(&told.entries, &seen.entries);
                (!changes.is_empty()).then_some(WatchEvent::Changed {
                    revision: seen.revision,
                    changes,
                })
            }
        };
        if event.is_some() {
            self.told = Some(seen);
        }
        event
    }
}

/// A line, and what it had told before a reading began.
struct Marked {
    line: Arc<Line>,
    changes: tokio::sync::watch::Receiver<u64>,
}

impl Marked {
    /// Waits until something may have changed, also when that cannot be known any more.
    async fn wait(mut self) {
        let mut phases = self.line.phase.subscribe();
        let is_lost = phases.wait_for(|phase| *phase != Phase::Connected);
        tokio::select! {
            // Both ends live as long as the line.
            _ = self.changes.changed() => {}
            _ = is_lost => {}
        }
    }
}

fn difference(before: &BTreeMap<Key, Entry>, after: &BTreeMap<Key, Entry>) -> Vec<Change> {
    let put = after
        .iter()
        .filter(|(key, entry)| before.get(*key) != Some(entry))
        .map(|(key, entry)| (key, Some(entry.clone())));
    let deleted = before
        .keys()
        .filter(|key| !after.contains_key(*key))
        .map(|key| (key, None));
    put.chain(deleted)
        .map(|(key, entry)| Change {
            key: key.clone(),
            entry,
        })
        .collect()
}
