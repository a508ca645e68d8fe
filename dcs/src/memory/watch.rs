//! The watches of a memory store: one bounded queue each, filled under the store's lock.
//!
//! Invariant: the events in a queue continue, without a gap, what its reader was told before.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::Shared;
use super::link::{Link, Links};
use crate::{Change, Error, Prefix, Revision, Snapshot, WatchEvent, WatchSource};

/// A reader that is further behind gets a new list instead of the single steps.
const LONGEST_QUEUE: usize = 1024;

/// All running watches of one store.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    last_id: u64,
    running: BTreeMap<u64, Watcher>,
}

#[derive(Debug)]
struct Watcher {
    member: String,
    prefix: Prefix,
    queue: VecDeque<WatchEvent>,
    /// The connection is cut and the reader has been told; events pass it by.
    is_cut: bool,
    notify: Arc<Notify>,
}

impl Watchers {
    /// Adds a watch whose reader first gets `list`, or is told that its connection is cut.
    pub(super) fn add(&mut self, member: &str, list: Snapshot, prefix: Prefix, link: Link) -> u64 {
        let is_cut = link == Link::Cut;
        let first = if is_cut {
            WatchEvent::Interrupted(cut_error())
        } else {
            WatchEvent::Listed(list)
        };
        let watcher = Watcher {
            member: member.to_owned(),
            prefix,
            queue: VecDeque::from([first]),
            is_cut,
            notify: Arc::new(Notify::new()),
        };
        self.last_id += 1;
        self.running.insert(self.last_id, watcher);
        self.last_id
    }

    /// Tells one step of the store to every watch that sees any of it.
    pub(super) fn publish(
        &mut self,
        revision: Revision,
        changes: &[Change],
        list: impl Fn(&Prefix) -> Snapshot,
    ) {
        for watcher in self.running.values_mut().filter(|w| !w.is_cut) {
            let below = |c: &&Change| watcher.prefix.contains(&c.key);
            let changes: Vec<Change> = changes.iter().filter(below).cloned().collect();
            if changes.is_empty() {
                continue;
            }
            if watcher.queue.len() >= LONGEST_QUEUE {
                let snapshot = list(&watcher.prefix);
                watcher.restart(WatchEvent::Listed(snapshot));
            } else {
                watcher.tell(WatchEvent::Changed { revision, changes });
            }
        }
    }

    pub(super) fn follow_links(&mut self, links: &Links, list: impl Fn(&Prefix) -> Snapshot) {
        for watcher in self.running.values_mut() {
            match (links.of(&watcher.member), watcher.is_cut) {
                (Link::Cut, false) => {
                    watcher.is_cut = true;
                    watcher.tell(WatchEvent::Interrupted(cut_error()));
                }
                (Link::Open | Link::Paused, true) => {
                    watcher.is_cut = false;
                    let snapshot = list(&watcher.prefix);
                    watcher.tell(WatchEvent::Listed(snapshot));
                }
                // A pause holds events back at the reader's end, so its end has to wake them.
                (Link::Open | Link::Paused, false) | (Link::Cut, true) => {
                    watcher.notify.notify_one();
                }
            }
        }
    }

    /// Tells every reader that the store is another one, empty at `revision`.
    pub(super) fn store_replaced(&mut self, error: Error, revision: Revision) {
        for watcher in self.running.values_mut().filter(|w| !w.is_cut) {
            watcher.tell(WatchEvent::Interrupted(error.clone()));
            watcher.tell(WatchEvent::Listed(Snapshot {
                revision,
                entries: BTreeMap::new(),
            }));
        }
    }

    fn remove(&mut self, id: u64) {
        self.running.remove(&id);
    }
}

impl Watcher {
    fn tell(&mut self, event: WatchEvent) {
        self.queue.push_back(event);
        self.notify.notify_one();
    }

    fn restart(&mut self, event: WatchEvent) {
        self.queue.clear();
        self.tell(event);
    }
}

pub(super) fn cut_error() -> Error {
    Error::unavailable("the connection is cut")
}

/// The reader's end of one watch.
pub(super) struct MemoryWatch {
    shared: Arc<Shared>,
    id: u64,
}

impl MemoryWatch {
    pub(super) const fn new(shared: Arc<Shared>, id: u64) -> Self {
        Self { shared, id }
    }

    /// The next event if there is one, else what to wait for.
    fn poll(&self) -> Result<WatchEvent, (Arc<Notify>, Option<Instant>)> {
        let mut inner = self.shared.lock();
        // A session that is opened later matters to this reader only when it binds a key, and that
        // wakes it up to look again.
        let next_end = self.shared.next_end(&inner);
        let super::Inner { state, links, .. } = &mut *inner;
        let watcher = state.watchers.running.get_mut(&self.id);
        let watcher = watcher.expect("a watch is removed only when its reader is dropped");
        let event = match links.of(&watcher.member) {
            Link::Paused => None,
            Link::Open | Link::Cut => watcher.queue.pop_front(),
        };
        event.ok_or_else(|| (Arc::clone(&watcher.notify), next_end))
    }
}

#[async_trait]
impl WatchSource for MemoryWatch {
    async fn next(&mut self) -> WatchEvent {
        loop {
            // An event is taken and returned without an await in between, and a wake-up that comes
            // between here and the waiting is stored: nothing is lost.
            let (notify, next_end) = match self.poll() {
                Ok(event) => return event,
                Err(wait) => wait,
            };
            match next_end {
                // Whether it was woken or a session has ended, it looks again.
                Some(end) => drop(timeout_at(end, notify.notified()).await),
                None => notify.notified().await,
            }
        }
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.shared.lock().state.watchers.remove(self.id);
    }
}
