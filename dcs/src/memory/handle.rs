//! One member's access to a memory store.
//!
//! Invariant: every call first passes the member's link, then does all its work under one lock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

use super::link::Link;
use super::watch::{MemoryWatch, cut_error};
use super::{Inner, Shared};
use crate::seen::{Floor, Seen};
use crate::{
    Capabilities, Commit, CommitOutcome, Dcs, Error, Guard, Limits, Prefix, Renewal, Session,
    SessionId, Snapshot, Watch,
};

/// Finer than any clock a caller would use.
const SHORTEST_TTL: Duration = Duration::from_millis(1);

/// One member's access to a [`MemoryStore`](super::MemoryStore).
pub struct MemoryDcs {
    shared: Arc<Shared>,
    name: String,
    limits: Mutex<Limits>,
    seen: Seen,
}

/// What a call does to the store, which says what its caller can know if it fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    /// Its effect is visible to others.
    Change,
    /// Its effect is visible to nobody unless the answer arrives.
    Open,
}

impl MemoryDcs {
    pub(super) fn new(shared: Arc<Shared>, name: &str) -> Self {
        Self {
            shared,
            name: name.to_owned(),
            limits: Mutex::default(),
            seen: Seen::default(),
        }
    }

    /// Does one call: waits for the link, works under the lock, and maybe loses the answer.
    async fn call<T>(
        &self,
        kind: Kind,
        work: impl FnOnce(&mut Inner, Duration) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        let floor = match kind {
            Kind::Open => Floor::default(),
            Kind::Read | Kind::Change => self.seen.begin()?,
        };
        let deadline = Instant::now() + self.limits().call;
        let Ok(passed) = timeout_at(deadline, self.pass_link()).await else {
            let reason = "no answer within the time limit";
            return Err(match kind {
                Kind::Change => Error::unknown(reason),
                Kind::Read | Kind::Open => Error::unavailable(reason),
            });
        };
        let mut inner = passed?;
        if kind == Kind::Open {
            // A new session is a new beginning, with the store as it is.
            self.seen.reset();
        }
        self.seen.check(floor, inner.state.revision(), None)?;
        let now = self.shared.now(&inner);
        let answer = work(&mut inner, now);
        self.seen.check(floor, inner.state.revision(), None)?;
        if kind == Kind::Read || !inner.links.loses_reply(&self.name) {
            return answer;
        }
        let reason = "the answer was lost";
        Err(match kind {
            Kind::Open => Error::unavailable(reason),
            Kind::Read | Kind::Change => Error::unknown(reason),
        })
    }

    /// Waits until the link is open and returns with the lock, so that nothing comes in between.
    async fn pass_link(&self) -> Result<MutexGuard<'_, Inner>, Error> {
        loop {
            let mut changed = std::pin::pin!(self.shared.links_changed.notified());
            changed.as_mut().enable();
            {
                let inner = self.shared.lock();
                match inner.links.of(&self.name) {
                    Link::Open => return Ok(inner),
                    Link::Cut => return Err(cut_error()),
                    Link::Paused => {}
                }
            }
            changed.await;
        }
    }

    fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Dcs for MemoryDcs {
    fn capabilities(&self) -> Capabilities {
        Capabilities::full(SHORTEST_TTL)
    }

    fn set_limits(&self, limits: Limits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    async fn open(&self, ttl: Duration) -> Result<Session, Error> {
        if ttl.is_zero() {
            return Err(Error::invalid("a session needs a time to live"));
        }
        let ttl = ttl.max(SHORTEST_TTL);
        self.call(Kind::Open, |inner, now| Ok(inner.state.open(ttl, now)))
            .await
    }

    async fn resume(&self, id: &SessionId) -> Result<Session, Error> {
        self.call(Kind::Change, |inner, now| inner.state.touch(id, now))
            .await
    }

    async fn renew(&self, session: &Session, proof: &[Guard]) -> Result<Renewal, Error> {
        self.call(Kind::Change, |inner, now| {
            inner.state.renew(session, proof, now)
        })
        .await
    }

    async fn release(&self, session: Session) -> Result<(), Error> {
        self.call(Kind::Change, |inner, _| {
            inner.state.end(&session.id);
            Ok(())
        })
        .await
    }

    async fn snapshot(&self, prefix: &Prefix) -> Result<Snapshot, Error> {
        self.call(Kind::Read, |inner, _| Ok(inner.state.snapshot(prefix)))
            .await
    }

    async fn commit(
        &self,
        session: Option<&Session>,
        commit: Commit,
    ) -> Result<CommitOutcome, Error> {
        commit.check(session)?;
        self.call(Kind::Change, |inner, _| inner.state.commit(session, commit))
            .await
    }

    async fn watch(&self, prefix: &Prefix) -> Result<Watch, Error> {
        let mut inner = self.shared.lock();
        let Inner { state, links, .. } = &mut *inner;
        let list = state.snapshot(prefix);
        let link = links.of(&self.name);
        let id = state.watchers.add(&self.name, list, prefix.clone(), link);
        Ok(Watch::new(MemoryWatch::new(Arc::clone(&self.shared), id)))
    }
}

impl fmt::Debug for MemoryDcs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDcs")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
