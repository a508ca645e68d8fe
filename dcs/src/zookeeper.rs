//! A store in ZooKeeper, for ZooKeeper 3.6 and newer.
//!
//! - A session is a session of ZooKeeper, on a connection of its own; reads, watches and commits
//!   without a session share another one. zookeeper-async keeps the sessions. What it lacks (commits
//!   of several keys, persistent watches, noticing a server that hangs, proving an identity again)
//!   goes through a relay inside this process, on the same connections.
//! - A server that does not answer is given up for another one, with the session kept.
//! - A key bound to a session is an ephemeral node, a folder a node without data.
//! - Only an acknowledged *write* proves that a session lives, and the store may know of a session's
//!   last use a quarter of its timeout late. So a [`Session`]'s ttl, which a holder may rely on, is
//!   two thirds of the timeout that the server granted, and shorter than what was asked for; others
//!   see the session's keys go when the whole timeout has passed. Servers keep the timeout between 2
//!   and 20 of their ticks.
//! - A session that nobody tries to renew for as long as its timeout is given up, whatever else
//!   this process does.
//! - A watch tells differences between readings: quick changes become one step.
//!
//! Invariant: reads are linearizable, because a write that changes nothing goes before them on the
//! same connection, and no call outlasts its limit.

mod boot_clock;
mod caller;
mod frames;
mod handshake;
mod hosts;
mod jute;
mod line;
mod link;
mod message;
mod multi;
mod nodes;
mod options;
mod own_peer;
mod relay;
mod touches;
mod transport;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

pub use options::ZooKeeperOptions;

use crate::seen::{Floor, Seen};
use crate::{
    Capabilities, Commit, CommitOutcome, Dcs, Error, Guard, Key, Lifetime, Limits, Prefix, Renewal,
    Session, SessionId, Snapshot, Watch, Write,
};
use boot_clock::BootInstant;
use caller::{Caller, Unread, refusal};
use line::{End, Granted, Line, NoAnswer, reliable, silence};
use link::Link;
use message::{Code, Request};
use nodes::{Node, revision};

/// With less than 1.5 s the client reconnects without end.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1600);
/// What the connection without a session of the caller's asks for: longer than any election.
const COMMON_TIMEOUT: Duration = Duration::from_secs(20);

/// Access to a store in ZooKeeper.
///
/// Making one does not connect; the first call does.
pub struct ZooKeeperDcs {
    inner: Arc<Inner>,
}

struct Inner {
    options: Arc<ZooKeeperOptions>,
    limits: Mutex<Limits>,
    seen: Seen,
    common: Mutex<Option<Link>>,
    sessions: Mutex<BTreeMap<SessionId, Link>>,
}

impl ZooKeeperDcs {
    /// Access to the ensemble that the options describe.
    #[must_use]
    pub fn new(options: ZooKeeperOptions) -> Self {
        let inner = Inner {
            limits: Mutex::new(options.limits),
            options: Arc::new(options),
            seen: Seen::default(),
            common: Mutex::default(),
            sessions: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lost(id: &SessionId) -> Error {
    Error::SessionLost { id: id.clone() }
}

impl Inner {
    fn limits(&self) -> Limits {
        *locked(&self.limits)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.limits().call
    }

    fn caller<'a>(&self, line: &'a Line, deadline: Instant) -> Caller<'a> {
        let timeout = line.granted().map(|granted| granted.timeout);
        let limit = self.limits().attempt;
        Caller {
            line,
            deadline,
            // A hung server must not cost a session that lives shortly.
            attempt: timeout.map_or(limit, |timeout| limit.min(timeout / 6)),
        }
    }

    /// The line that all calls share which need no session.
    fn common(&self) -> Result<Arc<Line>, Error> {
        let mut common = locked(&self.common);
        let is_of_use = |link: &&Link| {
            link.line
                .has_ended()
                .is_none_or(|end| matches!(end, End::Refused(_)))
                && !link.line.is_given_up()
        };
        if let Some(link) = common.as_ref().filter(is_of_use) {
            return Ok(Arc::clone(&link.line));
        }
        let link = Link::start(Arc::clone(&self.options), COMMON_TIMEOUT)?;
        let line = Arc::clone(&link.line);
        *common = Some(link);
        Ok(line)
    }

    fn session_line(&self, id: &SessionId) -> Option<Arc<Line>> {
        let mut sessions = locked(&self.sessions);
        let line = &sessions.get(id)?.line;
        if line.has_ended().is_some() {
            // Its runtime has nothing left to do.
            sessions.remove(id);
            return None;
        }
        Some(Arc::clone(line))
    }

    async fn list(&self, prefix: &Prefix) -> Result<Snapshot, Error> {
        let floor = self.seen.begin()?;
        let deadline = self.deadline();
        loop {
            let line = self.common()?;
            match self.caller(&line, deadline).snapshot(prefix).await {
                Ok((zxid, snapshot)) => {
                    self.seen.check(floor, revision(zxid), None)?;
                    return Ok(snapshot);
                }
                Err(Unread::Failed(error)) => return Err(error),
                Err(Unread::Ended(End::Refused(cause))) => {
                    // The next call may find that it was mended.
                    *locked(&self.common) = None;
                    return Err(Error::Denied(cause));
                }
                Err(Unread::Ended(_)) if Instant::now() < deadline => {}
                Err(Unread::Ended(_)) => return Err(expired()),
            }
        }
    }

    /// Has a line tell of changes below a prefix, from now on and after every new connection.
    async fn watch_on(&self, line: &Line, prefix: &Prefix) -> Result<(), Error> {
        let caller = self.caller(line, self.deadline());
        let folder = caller.folder(prefix);
        if !line.state().watched.insert(folder.clone()) {
            return Ok(());
        }
        let told = caller.ask(vec![Request::watch(&folder)]).await;
        let told = told.and_then(|replies| {
            let checked = replies
                .iter()
                .map(|reply| Unread::expect_ok(reply).map(drop));
            checked.collect::<Result<(), Unread>>()
        });
        told.map_err(|unread| {
            line.state().watched.remove(&folder);
            match unread {
                Unread::Failed(error) => error,
                Unread::Ended(_) => Error::unavailable("the session of the watch has ended"),
            }
        })
    }

    async fn open(&self, ttl: Duration) -> Result<Session, Error> {
        let deadline = self.deadline();
        let asked = ttl.max(SHORTEST_TIMEOUT);
        let link = Link::start(Arc::clone(&self.options), asked)?;
        let since = BootInstant::now();
        link.line.state().kept_for = Some((since, asked.max(self.limits().call)));
        let Granted { session, timeout } = match link.line.open(deadline).await {
            Ok(granted) => granted,
            Err(NoAnswer::Ended(End::Refused(cause))) => return Err(Error::Denied(cause)),
            Err(NoAnswer::NotSent(cause) | NoAnswer::Lost(cause)) => {
                return Err(Error::Unavailable(cause));
            }
            Err(NoAnswer::Ended(End::Expired | End::Closed)) => {
                return Err(Error::unavailable("ZooKeeper ends sessions at once"));
            }
        };
        link.line.state().kept_for = Some((since, timeout));
        self.seen.reset();
        let id = SessionId::from(session);
        locked(&self.sessions).insert(id.clone(), link);
        Ok(Session {
            id,
            ttl: reliable(timeout),
        })
    }

    async fn renew(&self, session: &Session, proof: &[Guard]) -> Result<Renewal, Error> {
        let floor = self.seen.begin()?;
        let since = BootInstant::now();
        let line = self.session_line(&session.id);
        let line = line.ok_or_else(|| lost(&session.id))?;
        if let Some(granted) = line.granted() {
            // Also if this fails: somebody wants the session, and the store may keep it for longer
            // than its timeout while it elects a leader.
            line.state().kept_for = Some((since, granted.timeout));
        }
        let deadline = self.deadline();
        let proven = async {
            let caller = self.caller(&line, deadline);
            self.keep_touched(&line, since);
            check(caller.barrier().await?, &self.seen, floor)?;
            caller.nodes(proof.iter().map(|guard| &guard.key)).await
        };
        let nodes = match proven.await {
            Ok(nodes) => nodes,
            Err(Unread::Failed(error)) => return Err(error),
            Err(Unread::Ended(End::Refused(cause))) => return Err(Error::Denied(cause)),
            Err(Unread::Ended(End::Expired | End::Closed)) => return Err(lost(&session.id)),
        };
        let failed = failed(proof, &nodes, Some(session));
        Ok(if failed.is_empty() {
            Renewal::Held
        } else {
            Renewal::Refused { failed }
        })
    }

    /// Gives a connection up whose use the store may not have heard of for too long: with the next
    /// one it hears of it at once.
    fn keep_touched(&self, line: &Line, since: BootInstant) {
        let state = line.state();
        let Some(Granted { timeout, .. }) = state.granted else {
            return;
        };
        let known = state.touches.reported_by(since, timeout);
        let is_fresh = known.is_some_and(|known| since.since(known) <= silence(timeout));
        drop(state);
        if !is_fresh {
            tracing::debug!("a session was silent: its connection is made anew");
            line.cut();
        }
    }

    async fn release(&self, session: &Session) -> Result<(), Error> {
        let Some(link) = locked(&self.sessions).remove(&session.id) else {
            return Ok(());
        };
        let caller = self.caller(&link.line, self.deadline());
        loop {
            let closed = (link.line).call(Request::close(), caller.deadline, caller.attempt);
            match closed.await {
                Ok(reply) if reply.code.is_ok() => return Ok(()),
                Ok(reply) => return Err(refusal(reply.code)),
                Err(NoAnswer::Ended(_)) => return Ok(()),
                Err(NoAnswer::NotSent(cause)) => return Err(Error::Unknown(cause)),
                Err(NoAnswer::Lost(cause)) if Instant::now() >= caller.deadline => {
                    return Err(Error::Unknown(cause));
                }
                // The next connection tells whether the session still lives.
                Err(NoAnswer::Lost(_)) => {}
            }
        }
    }

    async fn commit(
        &self,
        session: Option<&Session>,
        commit: &Commit,
    ) -> Result<CommitOutcome, Error> {
        commit.check(session)?;
        let floor = self.seen.begin()?;
        let deadline = self.deadline();
        let own = session.and_then(|session| self.session_line(&session.id));
        let binds = (commit.writes.iter()).any(|w| w.lifetime() == Some(Lifetime::Session));
        // Guards come before the session: a loser of a race learns that it has lost.
        let mut is_sure = own.is_none();
        loop {
            let line = match &own {
                Some(line) if line.has_ended().is_none() => Arc::clone(line),
                Some(_) | None => self.common()?,
            };
            let caller = self.caller(&line, deadline);
            let nodes = match read(&caller, commit, is_sure.then_some((&self.seen, floor))).await {
                Ok(nodes) => nodes,
                Err(Unread::Failed(error)) => return Err(error),
                Err(Unread::Ended(End::Refused(cause))) => return Err(Error::Denied(cause)),
                Err(Unread::Ended(_)) if Instant::now() < deadline => continue,
                Err(Unread::Ended(_)) => return Err(session.map_or_else(expired, |s| lost(&s.id))),
            };
            let failed = failed(&commit.guards, &nodes, session);
            if !failed.is_empty() {
                if is_sure {
                    return Ok(CommitOutcome::NotApplied { failed });
                }
                // What was read may be old.
                is_sure = true;
                continue;
            }
            let is_own = own.as_ref().is_some_and(|own| Arc::ptr_eq(own, &line));
            if let Some(session) = session.filter(|_| binds && !is_own) {
                return Err(lost(&session.id));
            }
            match self.apply(&caller, commit, &nodes).await? {
                Applied::At(zxid) => {
                    self.seen.check(floor, revision(zxid), None)?;
                    let revision = revision(zxid);
                    return Ok(CommitOutcome::Applied { revision });
                }
                Applied::Conflict(code) if Instant::now() >= deadline => {
                    return Err(Error::Unavailable(code.cause()));
                }
                Applied::Conflict(code) => {
                    if code == Code::NO_NODE {
                        self.make_folders(&caller, commit).await?;
                    }
                    is_sure = true;
                }
                Applied::SessionEnded if is_own && binds => {
                    let session = session.ok_or_else(expired)?;
                    return Err(lost(&session.id));
                }
                Applied::SessionEnded => {}
            }
        }
    }

    async fn apply(
        &self,
        caller: &Caller<'_>,
        commit: &Commit,
        nodes: &BTreeMap<Key, Node>,
    ) -> Result<Applied, Error> {
        let session = caller.line.granted().map(|granted| granted.session);
        let parts = multi::parts(commit, nodes, session, |key| caller.path(key));
        let request = Request::multi(&parts, &self.options.acl);
        let sent = (caller.line).call(request, caller.deadline, caller.attempt);
        let reply = match sent.await {
            Ok(reply) => reply,
            Err(NoAnswer::NotSent(cause)) => return Err(Error::Unavailable(cause)),
            Err(NoAnswer::Ended(End::Refused(cause))) => return Err(Error::Denied(cause)),
            // It was not sent, or refused because of this.
            Err(NoAnswer::Ended(_)) => return Ok(Applied::SessionEnded),
            Err(NoAnswer::Lost(_)) if commit.writes.is_empty() => {
                return Ok(Applied::Conflict(Code::CONNECTION_LOSS));
            }
            Err(NoAnswer::Lost(cause)) => return Err(Error::Unknown(cause)),
        };
        match reply.multi_code().map_err(Error::Unknown)? {
            Code::OK => Ok(Applied::At(reply.zxid)),
            code if code.is_conflict() => Ok(Applied::Conflict(code)),
            code => Err(refusal(code)),
        }
    }

    async fn make_folders(&self, caller: &Caller<'_>, commit: &Commit) -> Result<(), Error> {
        let guarded = commit.guards.iter().map(|guard| &guard.key);
        for key in commit.writes.iter().map(Write::key).chain(guarded) {
            match caller.make_folders(&caller.path(key)).await {
                Ok(()) => {}
                Err(Unread::Failed(error)) => return Err(error),
                Err(Unread::Ended(_)) => return Ok(()),
            }
        }
        Ok(())
    }
}

/// What became of a `multi`.
enum Applied {
    At(i64),
    /// Something is not as it was read.
    Conflict(Code),
    SessionEnded,
}

fn expired() -> Error {
    Error::unavailable("ZooKeeper ends sessions at once")
}

/// Compares the number of a transaction of ours with what was seen before the call.
fn check(zxid: i64, seen: &Seen, floor: Floor) -> Result<(), Unread> {
    (seen.check(floor, revision(zxid), None)).map_err(Unread::Failed)
}

/// The nodes that a commit is about; surely nothing older than the start of this read if wanted.
async fn read(
    caller: &Caller<'_>,
    commit: &Commit,
    surely: Option<(&Seen, Floor)>,
) -> Result<BTreeMap<Key, Node>, Unread> {
    if let Some((seen, floor)) = surely {
        check(caller.barrier().await?, seen, floor)?;
    }
    let guarded = commit.guards.iter().map(|guard| &guard.key);
    let written = commit.writes.iter().map(Write::key);
    caller.nodes(guarded.chain(written)).await
}

fn failed(guards: &[Guard], nodes: &BTreeMap<Key, Node>, session: Option<&Session>) -> Vec<Key> {
    guards
        .iter()
        .filter(|guard| {
            let entry = nodes.get(&guard.key).map(Node::entry);
            !guard.holds(entry.as_ref(), session)
        })
        .map(|guard| guard.key.clone())
        .collect()
}

#[async_trait]
impl Dcs for ZooKeeperDcs {
    fn capabilities(&self) -> Capabilities {
        Capabilities::full(reliable(SHORTEST_TIMEOUT))
            .without_resumable_sessions()
            .with_shorter_sessions()
            .with_merged_steps()
    }

    fn set_limits(&self, limits: Limits) {
        *locked(&self.inner.limits) = limits;
    }

    async fn open(&self, ttl: Duration) -> Result<Session, Error> {
        if ttl.is_zero() {
            return Err(Error::invalid("a session needs a time to live"));
        }
        self.inner.open(ttl).await
    }

    async fn resume(&self, _id: &SessionId) -> Result<Session, Error> {
        Err(Error::Unsupported {
            what: "taking up a session of an earlier run",
        })
    }

    async fn renew(&self, session: &Session, proof: &[Guard]) -> Result<Renewal, Error> {
        self.inner.renew(session, proof).await
    }

    async fn release(&self, session: Session) -> Result<(), Error> {
        self.inner.release(&session).await
    }

    async fn snapshot(&self, prefix: &Prefix) -> Result<Snapshot, Error> {
        self.inner.list(prefix).await
    }

    async fn commit(
        &self,
        session: Option<&Session>,
        commit: Commit,
    ) -> Result<CommitOutcome, Error> {
        self.inner.commit(session, &commit).await
    }

    async fn watch(&self, prefix: &Prefix) -> Result<Watch, Error> {
        Ok(watch::follow(Arc::clone(&self.inner), prefix.clone()))
    }
}

impl fmt::Debug for ZooKeeperDcs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZooKeeperDcs").finish_non_exhaustive()
    }
}
