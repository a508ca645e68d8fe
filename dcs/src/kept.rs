//! A store out of a place for one value: whoever can change a [`Table`] exclusively has a [`Dcs`].
//!
//! Invariant: a call that is late or failed may have been kept, and says so.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::{
    Capabilities, Cause, Commit, CommitOutcome, Dcs, Error, Guard, Limits, Prefix, Renewal,
    Session, SessionId, Snapshot, Table, Watch,
};

/// Finer than any clock a caller would use.
const SHORTEST_TTL: Duration = Duration::from_millis(1);

/// What is to be done with the table, at this time.
pub type Call = Box<dyn FnOnce(&mut Table, Duration) + Send>;

/// A place that keeps a [`Table`] for all who share it: a file, a row of a database, a value under
/// compare-and-swap.
#[async_trait]
pub trait Keeper: Clone + Debug + Send + Sync + 'static {
    /// Runs a call while nobody else does, and keeps what it made of the table.
    ///
    /// The time comes from one clock for all who share the table; it never goes backwards, and it
    /// goes on while the machine sleeps. Sessions whose time has come are ended before the call.
    ///
    /// # Errors
    /// When the change may not have been kept; it may have been as well.
    async fn with(&self, call: Call) -> Result<(), Cause>;
}

/// The store over a [`Keeper`].
#[derive(Debug)]
pub struct KeptDcs<K> {
    keeper: K,
    limits: Mutex<Limits>,
    /// How often a watch looks.
    every: Duration,
}

impl<K: Keeper> KeptDcs<K> {
    /// A store whose watches look at the table every so often.
    #[must_use]
    pub fn new(keeper: K, every: Duration) -> Self {
        Self {
            keeper,
            limits: Mutex::default(),
            every,
        }
    }

    fn limit(&self) -> Duration {
        let limits = self.limits.lock();
        limits.unwrap_or_else(PoisonError::into_inner).call
    }

    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Table, Duration) -> T + Send + 'static,
    ) -> Result<T, Cause> {
        within(self.limit(), &self.keeper, call).await
    }
}

async fn within<T: Send + 'static>(
    limit: Duration,
    keeper: &impl Keeper,
    call: impl FnOnce(&mut Table, Duration) -> T + Send + 'static,
) -> Result<T, Cause> {
    let (sender, answer) = oneshot::channel();
    let call: Call = Box::new(move |table, now| {
        // Whoever asked may have lost patience.
        let _ = sender.send(call(table, now));
    });
    let kept = timeout(limit, keeper.with(call)).await;
    kept.unwrap_or_else(|_| Err(Cause::new("no answer within the time limit")))?;
    answer
        .await
        .map_err(|_| Cause::new("the call was not made"))
}

#[async_trait]
impl<K: Keeper> Dcs for KeptDcs<K> {
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
        let opened = self.call(move |table, now| table.open(ttl.max(SHORTEST_TTL), now));
        opened.await.map_err(Error::Unavailable)
    }

    async fn resume(&self, id: &SessionId) -> Result<Session, Error> {
        let id = id.clone();
        let resumed = self.call(move |table, now| table.touch(&id, now));
        resumed.await.map_err(Error::Unknown)?
    }

    async fn renew(&self, session: &Session, proof: &[Guard]) -> Result<Renewal, Error> {
        let (session, proof) = (session.clone(), proof.to_vec());
        let renewed = self.call(move |table, now| table.renew(&session, &proof, now));
        renewed.await.map_err(Error::Unknown)?
    }

    async fn release(&self, session: Session) -> Result<(), Error> {
        let released = self.call(move |table, _| table.end(&session.id));
        released.await.map_err(Error::Unknown)
    }

    async fn snapshot(&self, prefix: &Prefix) -> Result<Snapshot, Error> {
        let prefix = prefix.clone();
        let read = self.call(move |table, _| table.snapshot(&prefix));
        read.await.map_err(Error::Unavailable)
    }

    async fn commit(
        &self,
        session: Option<&Session>,
        commit: Commit,
    ) -> Result<CommitOutcome, Error> {
        commit.check(session)?;
        let session = session.cloned();
        let committed = self.call(move |table, _| table.commit(session.as_ref(), commit));
        committed.await.map_err(Error::Unknown)?
    }

    async fn watch(&self, prefix: &Prefix) -> Result<Watch, Error> {
        let (keeper, prefix, limit) = (self.keeper.clone(), prefix.clone(), self.limit());
        Ok(Watch::polled(self.every, move |seen| {
            let (keeper, prefix) = (keeper.clone(), prefix.clone());
            async move {
                let look = move |table: &mut Table, _| table.next_event(&prefix, seen);
                within(limit, &keeper, look)
                    .await
                    .map_err(Error::Unavailable)
            }
        }))
    }
}
