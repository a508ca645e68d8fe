//! A store in etcd, over the v3 API, for etcd 3.4 and newer.
//!
//! - A call sticks to one server and moves on to the next when that one fails or does not answer
//!   in time; one that was found hanging stays out for 10 s. See [`Limits`].
//! - A write whose answer is lost is sent again as the same transaction. If its guards do not hold
//!   then, what the transaction reads instead may prove that it was applied before; if not, the
//!   outcome is [`Error::Unknown`].
//! - A session is a lease. Leases count whole seconds and are at least 2 s. When etcd elects a new
//!   leader of its own, every lease starts anew with its whole ttl, so a session may outlive its
//!   ttl, but never falls short of it.
//! - A watch is one task, which ends with it.
//!
//! A request to a hung server may be carried out when the server goes on, much later. A guard on
//! the revision of the written key keeps such a straggler from doing harm; a guard that the key is
//! absent does not once the key has been deleted again.
//!
//! Invariant: reads are linearizable and no call outlasts its limit.

mod diagnosis;
mod failure;
mod http;
mod options;
mod pool;
mod srv;
mod txn;
mod v2;
mod version;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::{Client, ResponseHeader, TxnResponse};
use tokio::time::{Instant, timeout_at};

pub use options::EtcdOptions;
pub use v2::{V2Keys, v2_keys};

use crate::seen::{Floor, Seen};
use crate::{
    Capabilities, Commit, CommitOutcome, Dcs, Error, Guard, Limits, Prefix, Renewal, Session,
    SessionId, Snapshot, Watch,
};
use failure::Failure;
use pool::{Called, EndpointPool};

/// What a server with etcd's default timing grants at least; we ask for no less from any server.
const SHORTEST_TTL: Duration = Duration::from_secs(2);

/// The largest answer that we read; the client's own limit is 4 MiB.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Access to a store in etcd.
///
/// Making one does not connect; the first call does.
pub struct EtcdDcs {
    inner: Arc<Inner>,
}

/// What calls and watches have in common.
struct Inner {
    pool: EndpointPool,
    seen: Seen,
}

impl EtcdDcs {
    /// Access to the etcd cluster that the options describe.
    #[must_use]
    pub fn new(options: EtcdOptions) -> Self {
        let inner = Inner {
            pool: EndpointPool::new(options),
            seen: Seen::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl Inner {
    async fn list(&self, prefix: &Prefix) -> Result<Snapshot, Error> {
        let floor = self.seen.begin()?;
        let (from, _) = txn::range(prefix);
        let read = |client: Client| {
            let (from, options) = (from.clone(), txn::range_options(prefix));
            let client = client.kv_client();
            let mut client = client.max_decoding_message_size(LARGEST_ANSWER);
            async move { Ok(client.get(from, Some(options)).await?) }
        };
        let response = self.pool.call(read).await.of_read()?;
        self.check(floor, response.header())?;
        txn::snapshot(&response)
    }

    /// Asks the cluster for its members now and then, in what is left of a call's time. That it
    /// fails is no fault of the call.
    async fn learn_endpoints(&self, deadline: Instant) {
        if !self.pool.is_time_to_learn() {
            return;
        }
        let chosen = self.pool.choose();
        let ask = async {
            let mut client = self.pool.client(&chosen).await?;
            if self.pool.warns_of_version() {
                self.pool.judge_version(client.status().await?.version());
            }
            Ok::<_, Failure>(client.member_list().await?)
        };
        let attempt_end = Instant::now() + self.pool.limits().attempt;
        match timeout_at(deadline.min(attempt_end), ask).await {
            Ok(Ok(list)) if self.pool.learns_endpoints() => {
                let urls = list.members().iter().flat_map(|m| m.client_urls());
                self.pool.learn(urls.cloned());
            }
            // Only the version was asked for.
            Ok(Ok(_)) => {}
            Ok(Err(failure)) => tracing::debug!(?failure, "etcd does not tell its members"),
            Err(_) => tracing::debug!("etcd does not tell its members in time"),
        }
    }

    /// Takes note of a linearizable answer.
    fn check(&self, floor: Floor, header: Option<&ResponseHeader>) -> Result<(), Error> {
        let (revision, identity) = txn::header(header)?;
        self.seen.check(floor, revision, Some(identity))
    }
}

#[async_trait]
impl Dcs for EtcdDcs {
    fn capabilities(&self) -> Capabilities {
        Capabilities::full(SHORTEST_TTL)
    }

    fn set_limits(&self, limits: Limits) {
        self.inner.pool.set_limits(limits);
    }

    async fn open(&self, ttl: Duration) -> Result<Session, Error> {
        if ttl.is_zero() {
            return Err(Error::invalid("a session needs a time to live"));
        }
        let seconds = whole_seconds(ttl.max(SHORTEST_TTL))?;
        let grant =
            |mut client: Client| async move { Ok(client.lease_grant(seconds, None).await?) };
        // A lease of which we never hear binds nothing and ends by itself: as if never granted.
        let granted = self.inner.pool.call(grant).await.of_read()?;
        let (revision, identity) = txn::header(granted.header())?;
        self.inner.seen.reset();
        self.inner.seen.note(revision, Some(identity))?;
        Ok(Session {
            id: SessionId::from(granted.id()),
            ttl: seconds_of(granted.ttl()),
        })
    }

    async fn resume(&self, id: &SessionId) -> Result<Session, Error> {
        self.inner.seen.begin()?;
        let lease = txn::lease_id(id)?;
        let resume = |mut client: Client| async move {
            client.lease_keep_alive(lease).await?;
            Ok(client.lease_time_to_live(lease, None).await?)
        };
        let session = |ttl| Session {
            id: id.clone(),
            ttl: seconds_of(ttl),
        };
        let called = self.inner.pool.call(resume).await;
        let lived = called.of_write(Some(&session(0)))?;
        let (revision, identity) = txn::header(lived.header())?;
        self.inner.seen.note(revision, Some(identity))?;
        if lived.ttl() <= 0 {
            return Err(Error::SessionLost { id: id.clone() });
        }
        Ok(session(lived.granted_ttl()))
    }

    /// Renews the lease and then proves the guards, in this order and at the same server: a member
    /// that still believes to be etcd's leader may answer a renewal which the others know nothing
    /// of, but it cannot answer a linearizable transaction.
    async fn renew(&self, session: &Session, proof: &[Guard]) -> Result<Renewal, Error> {
        let lease = txn::lease_id(&session.id)?;
        let floor = self.inner.seen.begin()?;
        let question = Commit {
            guards: proof.to_vec(),
            writes: Vec::new(),
        };
        let question = txn::of_commit(&question, Some(session))?;
        let renew = |mut client: Client| {
            let question = question.clone();
            async move {
                client.lease_keep_alive(lease).await?;
                if proof.is_empty() {
                    return Ok(None);
                }
                Ok(Some(client.txn(question).await?))
            }
        };
        let called = self.inner.pool.call(renew).await;
        let Some(response) = called.of_write(Some(session))? else {
            return Ok(Renewal::Held);
        };
        self.inner.check(floor, response.header())?;
        if response.succeeded() {
            return Ok(Renewal::Held);
        }
        let failed = txn::failed(proof, &txn::found(&response), Some(session));
        Ok(Renewal::Refused { failed })
    }

    async fn release(&self, session: Session) -> Result<(), Error> {
        let lease = txn::lease_id(&session.id)?;
        let revoke = |mut client: Client| async move {
            match client.lease_revoke(lease).await.map_err(Failure::from) {
                // It has ended already, perhaps by an attempt whose answer was lost.
                Ok(_) | Err(Failure::LeaseNotFound) => Ok(()),
                Err(failure @ (Failure::Retry { .. } | Failure::Final(_))) => Err(failure),
            }
        };
        let called = self.inner.pool.call(revoke).await;
        called.of_write(Some(&session))
    }

    async fn snapshot(&self, prefix: &Prefix) -> Result<Snapshot, Error> {
        let deadline = Instant::now() + self.inner.pool.limits().call;
        let snapshot = self.inner.list(prefix).await?;
        self.inner.learn_endpoints(deadline).await;
        Ok(snapshot)
    }

    async fn commit(
        &self,
        session: Option<&Session>,
        commit: Commit,
    ) -> Result<CommitOutcome, Error> {
        commit.check(session)?;
        let floor = self.inner.seen.begin()?;
        let transaction = txn::of_commit(&commit, session)?;
        let send = |mut client: Client| {
            let transaction = transaction.clone();
            async move { Ok(client.txn(transaction).await?) }
        };
        let called = self.inner.pool.call(send).await;
        let may_be_applied = called.may_be_applied;
        let response = commit_answer(called, &commit, session)?;
        self.inner.check(floor, response.header())?;
        outcome(&response, may_be_applied, &commit, session, floor)
    }

    async fn watch(&self, prefix: &Prefix) -> Result<Watch, Error> {
        Ok(watch::follow(Arc::clone(&self.inner), prefix.clone()))
    }
}

impl fmt::Debug for EtcdDcs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdDcs").finish_non_exhaustive()
    }
}

/// The answer to a transaction. That the session is lost says what became of the keys bound to it,
/// but not of the permanent ones that an earlier attempt may have written.
fn commit_answer(
    called: Called<TxnResponse>,
    commit: &Commit,
    session: Option<&Session>,
) -> Result<TxnResponse, Error> {
    let is_all_bound =
        (commit.writes.iter()).all(|w| w.lifetime() == Some(crate::Lifetime::Session));
    let may_remain = called.may_be_applied && !is_all_bound;
    match called.of_write(session) {
        Err(error @ (Error::SessionLost { .. } | Error::Denied(_) | Error::Invalid(_)))
            if may_remain =>
        {
            Err(Error::Unknown(crate::Cause::from_error(&error)))
        }
        answer => answer,
    }
}

/// What an answered transaction says about the commit, when attempts before it may have been
/// applied as well.
fn outcome(
    response: &TxnResponse,
    may_be_applied: bool,
    commit: &Commit,
    session: Option<&Session>,
    floor: Floor,
) -> Result<CommitOutcome, Error> {
    if response.succeeded() {
        let (revision, _) = txn::header(response.header())?;
        return Ok(CommitOutcome::Applied { revision });
    }
    let found = txn::found(response);
    if !may_be_applied || commit.writes.is_empty() {
        let failed = txn::failed(&commit.guards, &found, session);
        return Ok(CommitOutcome::NotApplied { failed });
    }
    match txn::proof_of(commit, session, &found, floor.0) {
        Some(revision) => Ok(CommitOutcome::Applied { revision }),
        None => Err(Error::unknown(
            "the guards do not hold, perhaps because an attempt without an answer was applied",
        )),
    }
}

/// Leases count seconds; a fraction is rounded up, so that nobody gets less than asked for.
fn whole_seconds(ttl: Duration) -> Result<i64, Error> {
    let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
    i64::try_from(seconds).map_err(|_| Error::invalid("the time to live is too long"))
}

fn seconds_of(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0))
}
