//! A member that wants the lock, keeps it as an agent does, and follows the store.
//!
//! Paces and limits are those of the agent for the same time to live: a renewal is due after a
//! third of it, the next attempt after a twentieth, and a call may take half of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::calls::Calls;
use super::claims::Claims;
use crate::{
    Change, Commit, CommitOutcome, Condition, Dcs, Error, Guard, Key, Lifetime, Limits, Prefix,
    Renewal, Revision, Session, SessionId, WatchEvent,
};

/// How often a member writes and reads.
const WORK: Duration = Duration::from_millis(100);
const RIVAL_HOLDS: Duration = Duration::from_millis(200);
const RIVAL_RESTS: Duration = Duration::from_millis(500);

pub(super) fn prefix() -> Prefix {
    Prefix::new("/service/demo").expect("the text is a path")
}

pub(super) fn key(name: &str) -> Key {
    prefix().key(name).expect("the text is a path")
}

pub(super) fn lock() -> Key {
    key("leader")
}

/// The agent's limits for this time to live.
pub(super) fn limits(ttl: Duration) -> Limits {
    let call = (ttl / 2).min(Duration::from_secs(10));
    let attempt = (call / 4).clamp(Duration::from_millis(200), Duration::from_millis(1500));
    Limits { call, attempt }
}

/// What a member has.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) session: Option<SessionId>,
    pub(super) granted: Option<Duration>,
    pub(super) holds: bool,
    /// When the newest renewal that succeeded was sent.
    pub(super) renewed: Option<Instant>,
}

/// What a member is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Keeps the lock, writes under it, and follows the store.
    Holder,
    /// Takes the lock whenever it is free, and gives it back soon.
    Rival,
    /// Only follows the store, on connections that nothing else uses.
    Watcher,
}

/// A member at work until it is told to leave.
pub(super) struct Member {
    pub(super) calls: Arc<Calls>,
    pub(super) standing: watch::Receiver<Standing>,
    /// The keys that the watch shows.
    pub(super) told: watch::Receiver<BTreeSet<Key>>,
    is_leaving: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Member {
    pub(super) fn start(role: Role, dcs: Arc<dyn Dcs>, ttl: Duration, claims: Arc<Claims>) -> Self {
        let calls = Arc::new(Calls::default());
        let (is_leaving, leaves) = watch::channel(false);
        let (stands, standing) = watch::channel(Standing::default());
        let (tells, told) = watch::channel(BTreeSet::new());
        let mut tasks = JoinSet::new();
        if role != Role::Rival {
            tasks.spawn(follow(Arc::clone(&dcs), tells, leaves.clone()));
        }
        if role == Role::Holder {
            let worker = Worker {
                dcs: Arc::clone(&dcs),
                calls: Arc::clone(&calls),
                standing: standing.clone(),
                known: None,
                is_doubtful: true,
                unapplied: BTreeSet::new(),
            };
            tasks.spawn(worker.run(leaves.clone()));
        }
        if role != Role::Watcher {
            let holder = Holder {
                role,
                dcs,
                ttl,
                claims,
                calls: Arc::clone(&calls),
                stands,
                leaves,
            };
            tasks.spawn(holder.run());
        }
        Self {
            calls,
            standing,
            told,
            is_leaving,
            tasks,
        }
    }

    /// Gives the lock and the session back, and ends.
    pub(super) async fn leave(mut self) {
        self.is_leaving.send_replace(true);
        while let Some(end) = self.tasks.join_next().await {
            end.expect("a member's task does not panic");
        }
    }

    /// Panics if one of the tasks has.
    pub(super) fn check(&mut self) {
        if let Some(end) = self.tasks.try_join_next() {
            end.expect("a member's task does not panic");
        }
    }
}

struct Holder {
    role: Role,
    dcs: Arc<dyn Dcs>,
    ttl: Duration,
    claims: Arc<Claims>,
    calls: Arc<Calls>,
    stands: watch::Sender<Standing>,
    leaves: watch::Receiver<bool>,
}

impl Holder {
    async fn run(self) {
        let leaves = self.leaves.clone();
        while !*leaves.borrow() {
            let sent = Instant::now();
            let open = self.calls.make("open", self.dcs.open(self.ttl)).await;
            let Ok(session) = open else {
                self.pause().await;
                continue;
            };
            self.stands.send_modify(|standing| {
                standing.session = Some(session.id.clone());
                standing.granted = Some(session.ttl);
            });
            let claim = self.keep(&session, sent).await;
            self.stands.send_replace(Standing::default());
            if let Some(claim) = claim {
                self.claims.end(claim, Instant::now());
            }
            // A session that is lost is no error here.
            let _ = self.calls.make("release", self.dcs.release(session)).await;
            if self.role == Role::Rival && self.rest(Instant::now() + RIVAL_RESTS).await {
                return;
            }
        }
    }

    /// Until the session is lost or we leave. Gives the claim that is still made then.
    async fn keep(&self, session: &Session, opened: Instant) -> Option<usize> {
        let mut proven = opened;
        loop {
            proven = self.acquire(session, proven).await?;
            let claim = self.claims.begin(self.role, proven + session.ttl);
            self.stands.send_modify(|standing| standing.holds = true);
            if self.role == Role::Rival {
                self.rest(Instant::now() + RIVAL_HOLDS).await;
                return Some(claim);
            }
            loop {
                if self.rest(proven + session.ttl / 3).await {
                    return Some(claim);
                }
                let sent = Instant::now();
                let proof = [Guard::new(lock(), Condition::HeldBySession)];
                let renewal = self.dcs.renew(session, &proof);
                match self.calls.make("renew", renewal).await {
                    Ok(Renewal::Held) => {
                        proven = sent;
                        self.claims.extend(claim, sent, sent + session.ttl);
                        let now = |standing: &mut Standing| standing.renewed = Some(sent);
                        self.stands.send_modify(now);
                    }
                    Ok(Renewal::Refused { .. }) => {
                        self.claims.end(claim, Instant::now());
                        break;
                    }
                    Err(Error::SessionLost { .. } | Error::StoreReplaced { .. }) => {
                        return Some(claim);
                    }
                    Err(_) => self.pause().await,
                }
            }
            self.stands.send_modify(|standing| standing.holds = false);
        }
    }

    /// Waits for the lock with the session kept. Gives when the session was last proven, or nothing
    /// when there is nothing to wait for.
    async fn acquire(&self, session: &Session, mut proven: Instant) -> Option<Instant> {
        loop {
            let free = Guard::new(lock(), Condition::Absent);
            let value = format!("{:?}", self.role).into_bytes();
            let take = (self.dcs).put_if(Some(session), free, value, Lifetime::Session);
            match self.calls.make("acquire", take).await {
                Ok(CommitOutcome::Applied { .. }) => return Some(proven),
                Ok(CommitOutcome::NotApplied { .. }) | Err(Error::Unavailable(_)) => {}
                // What was sent may still take effect, so the session is given up with it.
                Err(_) => return None,
            }
            self.pause().await;
            if *self.leaves.borrow() {
                return None;
            }
            let sent = Instant::now();
            match self.calls.make("renew", self.dcs.renew(session, &[])).await {
                Ok(_) => proven = sent,
                Err(Error::SessionLost { .. } | Error::StoreReplaced { .. }) => return None,
                Err(_) => {}
            }
        }
    }

    async fn pause(&self) {
        let pause = (self.ttl / 20).clamp(Duration::from_millis(100), Duration::from_secs(1));
        sleep(pause).await;
    }

    /// Waits; `true` when we leave.
    async fn rest(&self, until: Instant) -> bool {
        let mut leaves = self.leaves.clone();
        tokio::select! {
            () = sleep_until(until) => {}
            // Whoever is to tell it outlives us.
            _ = leaves.wait_for(|leaves| *leaves) => {}
        }
        *self.leaves.borrow()
    }
}

/// Counts in a key of its own under the lock's guard, and checks what it is told about that.
struct Worker {
    dcs: Arc<dyn Dcs>,
    calls: Arc<Calls>,
    standing: watch::Receiver<Standing>,
    /// When the counter was last put.
    known: Option<Revision>,
    /// Whether a put with an unknown outcome may still take effect.
    is_doubtful: bool,
    /// The values of puts that were told not to have been applied.
    unapplied: BTreeSet<u64>,
}

impl Worker {
    async fn run(mut self, mut leaves: watch::Receiver<bool>) {
        let mut count = 0_u64;
        loop {
            tokio::select! {
                () = sleep(WORK) => {}
                _ = leaves.wait_for(|leaves| *leaves) => return,
            }
            count += 1;
            let standing = self.standing.borrow().clone();
            let Some(id) = standing.session.filter(|_| standing.holds) else {
                continue;
            };
            let ttl = standing.granted.unwrap_or_default();
            self.count(&Session { id, ttl }, count).await;
        }
    }

    async fn count(&mut self, session: &Session, count: u64) {
        let counter = key("status");
        if self.is_doubtful {
            let seen = (self.calls)
                .make("read", self.dcs.snapshot(&prefix()))
                .await;
            let Ok(seen) = seen else { return };
            let entry = seen.get(&counter);
            self.known = entry.map(|entry| entry.modified);
            let value =
                entry.and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse().ok());
            assert!(
                value.is_none_or(|value| !self.unapplied.contains(&value)),
                "something was applied that was told not to be"
            );
        }
        let last = self.known.map_or(Condition::Absent, Condition::AtRevision);
        let commit = Commit::new()
            .guard(lock(), Condition::HeldBySession)
            .guard(counter.clone(), last)
            .put(counter.clone(), count.to_string(), Lifetime::Permanent);
        let sent = self.dcs.commit(Some(session), commit);
        match self.calls.make("commit", sent).await {
            Ok(CommitOutcome::Applied { revision }) => {
                self.known = Some(revision);
                self.is_doubtful = false;
            }
            // The counter was put back with the store, or something was applied against what was
            // told: the next look shows which.
            Ok(CommitOutcome::NotApplied { .. }) => self.is_doubtful = true,
            // Promised: nothing was applied.
            Err(Error::Unavailable(_)) => _ = self.unapplied.insert(count),
            Err(_) => self.is_doubtful = true,
        }
    }
}

/// Follows the store, and tells which keys it has.
async fn follow(
    dcs: Arc<dyn Dcs>,
    told: watch::Sender<BTreeSet<Key>>,
    mut leaves: watch::Receiver<bool>,
) {
    let Ok(mut watch) = dcs.watch(&prefix()).await else {
        panic!("a watch is always given");
    };
    loop {
        let event = tokio::select! {
            event = watch.next() => event,
            _ = leaves.wait_for(|leaves| *leaves) => return,
        };
        match event {
            WatchEvent::Listed(snapshot) => {
                told.send_replace(snapshot.entries.into_keys().collect());
            }
            WatchEvent::Changed { changes, .. } => told.send_modify(|keys| {
                for Change { key, entry } in changes {
                    match entry {
                        Some(_) => keys.insert(key),
                        None => keys.remove(&key),
                    };
                }
            }),
            WatchEvent::Interrupted(_) => {}
        }
    }
}
