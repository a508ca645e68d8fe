//! A store in this process: the embedded default, for one process, for examples and for tests.
//!
//! It keeps every promise of [`Dcs`](crate::Dcs) and writes nothing to disk. Nothing runs in the
//! background: sessions end when the next call looks, and a waiting [`Watch`](crate::Watch) wakes
//! itself at the instant the next session ends, so there is nothing to poll and nothing to leak.
//!
//! Invariant: all state is behind one lock that is never held across an await, and whoever takes
//! it ends the overdue sessions first. So nobody ever sees a session that has outlived its time.
//!
//! For tests a store can run on a clock that is moved by hand, and its connections can be cut:
//!
//! ```
//! use std::time::Duration;
//! use herdsman_dcs::memory::MemoryStore;
//! use herdsman_dcs::{Dcs, Error, Lifetime, Prefix};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::with_manual_clock();
//! let (a, b) = (store.handle("a"), store.handle("b"));
//! let folder = Prefix::new("/demo")?;
//! let session = a.open(Duration::from_secs(10)).await?;
//! let _ = a.put(Some(&session), folder.key("a")?, b"here".to_vec(), Lifetime::Session).await?;
//!
//! store.cut("a");
//! assert!(matches!(a.renew(&session, &[]).await, Err(Error::Unavailable(_))));
//! store.advance(Duration::from_secs(10));
//! assert!(b.snapshot(&folder).await?.entries.is_empty());
//!
//! store.heal("a");
//! assert_eq!(a.renew(&session, &[]).await, Err(Error::SessionLost { id: session.id }));
//! # Ok(())
//! # }
//! ```

mod handle;
mod link;
mod state;
mod watch;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

pub use handle::MemoryDcs;

use link::{Link, Links};
use state::State;

/// A store in this process. Clones are the same store.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

/// What all handles and watches of one store have in common.
struct Shared {
    clock: Clock,
    inner: Mutex<Inner>,
    /// Wakes the calls that a paused link holds back.
    links_changed: Notify,
}

struct Inner {
    state: State,
    links: Links,
    /// The time of a manual clock.
    manual_now: Duration,
}

/// Where the time of a store comes from, always as the time since the store was made.
enum Clock {
    Real { start: Instant },
    Manual,
}

impl MemoryStore {
    /// An empty store on the real clock, which is tokio's: it stands still where a test has paused
    /// tokio's time.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Clock::Real {
            start: Instant::now(),
        })
    }

    /// An empty store whose time moves only by [`advance`](Self::advance).
    #[must_use]
    pub fn with_manual_clock() -> Self {
        Self::on(Clock::Manual)
    }

    fn on(clock: Clock) -> Self {
        let inner = Inner {
            state: State::new(),
            links: Links::default(),
            manual_now: Duration::ZERO,
        };
        let shared = Shared {
            clock,
            inner: Mutex::new(inner),
            links_changed: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// A member's access to this store. The name is what faults refer to; handles of the same name
    /// share their connection.
    #[must_use]
    pub fn handle(&self, name: &str) -> MemoryDcs {
        MemoryDcs::new(Arc::clone(&self.shared), name)
    }

    /// Moves a manual clock; sessions whose time has come end before this returns.
    ///
    /// # Panics
    /// When the store runs on the real clock.
    pub fn advance(&self, by: Duration) {
        assert!(
            matches!(self.shared.clock, Clock::Manual),
            "only a store with a manual clock can be advanced"
        );
        self.shared.lock().manual_now += by;
        drop(self.shared.lock());
    }

    /// Cuts the connection of one member: its calls fail at once as unavailable, and its watches
    /// are interrupted. Its sessions go on and end in time.
    pub fn cut(&self, name: &str) {
        self.change_links(|links| links.set(name, Link::Cut));
    }

    /// Makes the store hang for one member: calls wait until the connection is healed or their
    /// time limit has passed, and watches fall silent. A call that gave up is never applied.
    pub fn pause(&self, name: &str) {
        self.change_links(|links| links.set(name, Link::Paused));
    }

    /// Ends what [`cut`](Self::cut) and [`pause`](Self::pause) did to one member.
    pub fn heal(&self, name: &str) {
        self.change_links(|links| links.set(name, Link::Open));
    }

    /// Cuts the connections of all members, whatever was set for each.
    pub fn cut_all(&self) {
        self.change_links(|links| links.set_all(Link::Cut));
    }

    /// Makes the store hang for all members.
    pub fn pause_all(&self) {
        self.change_links(|links| links.set_all(Link::Paused));
    }

    /// Ends what [`cut_all`](Self::cut_all) and [`pause_all`](Self::pause_all) did. What was set
    /// for single members stays.
    pub fn heal_all(&self) {
        self.change_links(|links| links.set_all(Link::Open));
    }

    /// Loses the answers of the next `count` calls of one member that change something: they are
    /// applied, and the caller is told [`Error::Unknown`](crate::Error::Unknown).
    pub fn lose_replies(&self, name: &str, count: u32) {
        self.shared.lock().links.lose_replies(name, count);
    }

    /// Empties the store and starts its revisions anew, as if it had been rebuilt. Handles that
    /// saw it before answer [`Error::StoreReplaced`](crate::Error::StoreReplaced) until they open
    /// a new session.
    pub fn rebuild(&self) {
        self.shared.lock().state.rebuild();
    }

    fn change_links(&self, change: impl FnOnce(&mut Links)) {
        let mut inner = self.shared.lock();
        change(&mut inner.links);
        let Inner { state, links, .. } = &mut *inner;
        state.follow_links(links);
        drop(inner);
        self.shared.links_changed.notify_waiters();
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl Shared {
    /// Takes the lock and ends the sessions whose time has come.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now(&inner);
        inner.state.end_overdue(now);
        inner
    }

    fn now(&self, inner: &Inner) -> Duration {
        match self.clock {
            Clock::Real { start } => start.elapsed(),
            Clock::Manual => inner.manual_now,
        }
    }

    /// When a waiting watch has to look again by itself: when the next session ends. With a manual
    /// clock whoever advances it does the waking.
    fn next_end(&self, inner: &Inner) -> Option<Instant> {
        match self.clock {
            Clock::Real { start } => inner.state.next_deadline().map(|d| start + d),
            Clock::Manual => None,
        }
    }
}
