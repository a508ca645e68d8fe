//! The one trait: what every store promises.
//!
//! Invariant: a backend that cannot keep a promise answers [`Error::Unsupported`]; it never keeps
//! a weaker one silently.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Commit, CommitOutcome, Error, Guard, Key, Lifetime, Prefix, Renewal, Session, SessionId,
    Snapshot, Watch, Write,
};

/// One member's access to a store.
///
/// # Time
/// Whatever a holder concludes from an answer counts from the moment the call was **started**, not
/// from the answer: take the time from your own clock *before* [`open`](Self::open),
/// [`resume`](Self::resume) or [`renew`](Self::renew), and if the call succeeds the session lives
/// at least until that instant plus the session's ttl. A store may let a session live longer (etcd
/// restarts all leases when its own leader changes), so only "not before" is promised. No backend
/// reads a clock for you, except tokio's for its time limits.
///
/// # Limits
/// Every call ends within [`Limits::call`], with an answer or an error, whatever the store does.
///
/// # Unknown outcomes
/// After [`Error::Unknown`] a write may have been applied, or may be applied a little later. Take
/// a snapshot and assume nothing before.
///
/// # Cancellation
/// A dropped future may have been applied, as with `Unknown`.
#[async_trait]
pub trait Dcs: Send + Sync + Debug {
    /// What this backend can do.
    fn capabilities(&self) -> Capabilities;

    /// Replaces the time limits; calls that start afterwards obey them.
    fn set_limits(&self, limits: Limits);

    /// Opens a session that ends by itself after `ttl` unless it is renewed.
    ///
    /// The granted time to live may be longer, or shorter where
    /// [`Capabilities::shorter_sessions`] says so; read it from the session.
    ///
    /// # Errors
    /// Never [`Error::Unknown`]: a session that nobody knows of binds no key and ends by itself.
    async fn open(&self, ttl: Duration) -> Result<Session, Error>;

    /// Takes up the session of an earlier run of this process, and renews it once.
    ///
    /// # Errors
    /// [`Error::SessionLost`] when it has ended, [`Error::Unsupported`] when the backend cannot
    /// (see [`Capabilities::resumable_sessions`]).
    async fn resume(&self, id: &SessionId) -> Result<Session, Error>;

    /// Renews a session and proves that the guards hold.
    ///
    /// A living session is no proof that a key is still there: anybody may delete or overwrite it.
    /// So the holder of a lock passes [`HeldBySession`](crate::Condition::HeldBySession) on its key
    /// here, and concludes from [`Renewal::Held`] that both lived *after* the call was started. An
    /// empty proof says something about the session only.
    ///
    /// # Errors
    /// [`Error::SessionLost`] when the session has ended.
    async fn renew(&self, session: &Session, proof: &[Guard]) -> Result<Renewal, Error>;

    /// Ends the session: every key bound to it is deleted in one step. A session that has already
    /// ended is no error.
    async fn release(&self, session: Session) -> Result<(), Error>;

    /// Reads all keys below the prefix in one step.
    ///
    /// Linearizable: it contains every commit that was acknowledged, to anybody, before this call
    /// was started.
    async fn snapshot(&self, prefix: &Prefix) -> Result<Snapshot, Error>;

    /// Applies all writes if all guards hold, in one step.
    ///
    /// The guards are checked before the session: a commit whose guard fails is
    /// [`CommitOutcome::NotApplied`] even if the session is gone.
    ///
    /// # Errors
    /// [`Error::SessionLost`] when a put is bound to a session that has ended; nothing is applied.
    /// [`Error::Unknown`] when nobody can say whether it was applied.
    async fn commit(
        &self,
        session: Option<&Session>,
        commit: Commit,
    ) -> Result<CommitOutcome, Error>;

    /// Starts to follow the keys below the prefix.
    ///
    /// Returns at once; that the store is out of reach is told by the watch itself.
    async fn watch(&self, prefix: &Prefix) -> Result<Watch, Error>;

    /// Puts the guard's key if the guard holds.
    async fn put_if(
        &self,
        session: Option<&Session>,
        guard: Guard,
        value: Vec<u8>,
        lifetime: Lifetime,
    ) -> Result<CommitOutcome, Error> {
        let key = guard.key.clone();
        let put = Write::Put {
            key,
            value,
            lifetime,
        };
        self.commit(session, single(guard, put)).await
    }

    /// Deletes the guard's key if the guard holds.
    async fn delete_if(
        &self,
        session: Option<&Session>,
        guard: Guard,
    ) -> Result<CommitOutcome, Error> {
        let key = guard.key.clone();
        self.commit(session, single(guard, Write::Delete { key }))
            .await
    }

    /// Puts a key whatever it contains.
    async fn put(
        &self,
        session: Option<&Session>,
        key: Key,
        value: Vec<u8>,
        lifetime: Lifetime,
    ) -> Result<CommitOutcome, Error> {
        self.commit(session, Commit::new().put(key, value, lifetime))
            .await
    }
}

fn single(guard: Guard, write: Write) -> Commit {
    Commit {
        guards: vec![guard],
        writes: vec![write],
    }
}

/// What a backend can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The shortest time to live that a session is granted; a shorter wish is rounded up.
    pub shortest_ttl: Duration,
    /// Whether one commit may write several keys.
    pub atomic_commit: bool,
    /// Whether a session can be taken up by another process that knows its id.
    pub resumable_sessions: bool,
    /// Whether a session's time to live, which its holder may rely on, can be shorter than what was
    /// asked for.
    pub shorter_sessions: bool,
    /// Whether a watch may tell commits that follow each other quickly as one step.
    pub merged_steps: bool,
}

impl Capabilities {
    /// A backend that does everything, with the given shortest time to live.
    #[must_use]
    pub const fn full(shortest_ttl: Duration) -> Self {
        Self {
            shortest_ttl,
            atomic_commit: true,
            resumable_sessions: true,
            shorter_sessions: false,
            merged_steps: false,
        }
    }

    /// The same without commits of several keys.
    #[must_use]
    pub const fn without_atomic_commit(mut self) -> Self {
        self.atomic_commit = false;
        self
    }

    /// The same without resumable sessions.
    #[must_use]
    pub const fn without_resumable_sessions(mut self) -> Self {
        self.resumable_sessions = false;
        self
    }

    /// The same with sessions that may be shorter than asked for.
    #[must_use]
    pub const fn with_shorter_sessions(mut self) -> Self {
        self.shorter_sessions = true;
        self
    }

    /// The same with watches that may tell several commits as one step.
    #[must_use]
    pub const fn with_merged_steps(mut self) -> Self {
        self.merged_steps = true;
        self
    }
}

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the start of a call to its end, with all its attempts. Default 3 s.
    pub call: Duration,
    /// For one attempt at one server. It should leave time for a second attempt at another one.
    /// Default 700 ms.
    pub attempt: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(3),
            attempt: Duration::from_millis(700),
        }
    }
}
