//! The store of a small world, with what follows from it, and a memory of what it did.
//!
//! Like machines, equal stores are one: a call that reaches the same store in the same instant is
//! carried out once.

use std::sync::Arc;
use std::time::Duration;

use herdsman_ha_core::{
    ClusterView, Commit, HistoryLine, Lsn, MemberName, Outcome, Report, SessionName, Task, Timeline,
};

use super::form::Form;
use super::minds::{Ask, Told};
use super::mix::Mix;
use super::table::Table;
use crate::ids::{At, Node};
use crate::store::{Change, CommitEnd, Flavour, Renewal, Store};

/// So many states of the store are remembered at most.
const STORES_KEPT: usize = 40_000;

/// What the store shows at one revision.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) view: Arc<ClusterView>,
    pub(super) form: Form,
    pub(super) exact: u128,
}

/// The store at one moment.
#[derive(Debug)]
pub(super) struct Kept {
    store: Store,
    pub(super) seen: Arc<Seen>,
    /// The sessions that live: whose, and until when.
    pub(super) sessions: Vec<(SessionName, Node, At)>,
    pub(super) revision: u64,
    exact: u128,
}

/// What became of a call, or of the end of sessions.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) kept: Arc<Kept>,
    pub(super) told: Option<Arc<Told>>,
    pub(super) changes: Vec<Change>,
}

/// What is done to the store.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doing<'a> {
    Call {
        by: Node,
        ask: &'a Ask,
        /// The timelines of the caller's server, for the history.
        own: &'a [(Timeline, Lsn)],
    },
    Expire,
}

/// Everything that stores were seen to do.
#[derive(Debug)]
pub(super) struct Stores {
    known: Table<Arc<Kept>>,
    done: Table<Arc<Called>>,
}

impl Stores {
    pub(super) fn new() -> Self {
        Self {
            known: Table::new(),
            done: Table::new(),
        }
    }

    pub(super) fn empty() -> Arc<Kept> {
        let mut store = Store::new(Flavour::Etcd, Duration::ZERO);
        let view = store.view();
        Arc::new(Kept::new(store, Arc::new(Seen::new(view)), Vec::new()))
    }

    pub(super) fn act(&mut self, kept: &Kept, doing: Doing<'_>, now: At) -> Arc<Called> {
        let key = key(kept, doing, now);
        if let Some(done) = self.done.find(key) {
            return Arc::clone(done);
        }
        if self.known.len() > STORES_KEPT {
            self.known.clear();
            self.done.clear();
        }
        let called = Arc::new(self.carry_out(kept, doing, now));
        self.done.insert(key, Arc::clone(&called));
        called
    }

    fn carry_out(&mut self, kept: &Kept, doing: Doing<'_>, now: At) -> Called {
        let mut store = kept.store.clone();
        let mut sessions = kept.sessions.clone();
        let outcome = match doing {
            Doing::Call { by, ask, own } => {
                let outcome = call(&mut store, by, &ask.task, own, now);
                if let Outcome::Done(Report::Session { name, .. }) = &outcome {
                    sessions.push((name.clone(), by, now));
                }
                Some(outcome)
            }
            Doing::Expire => {
                store.expire(now);
                None
            }
        };
        let changes = store.take_changes();
        let seen = if changes.is_empty() {
            Arc::clone(&kept.seen)
        } else {
            Arc::new(Seen::new(store.view()))
        };
        let kept = Kept::new(store, seen, sessions);
        let kept = match self.known.find(kept.exact) {
            Some(known) => Arc::clone(known),
            None => {
                let kept = Arc::new(kept);
                self.known.insert(kept.exact, Arc::clone(&kept));
                kept
            }
        };
        Called {
            kept,
            told: outcome.map(Told::new),
            changes,
        }
    }
}

impl Seen {
    fn new(view: Arc<ClusterView>) -> Self {
        let form = Form::of(&*view);
        Self {
            exact: form.exact(),
            view,
            form,
        }
    }
}

impl Kept {
    fn new(store: Store, seen: Arc<Seen>, mut sessions: Vec<(SessionName, Node, At)>) -> Self {
        sessions.retain_mut(|(name, _, until)| {
            let expires_at = store.expires_at(name);
            *until = expires_at.unwrap_or_default();
            expires_at.is_some()
        });
        let mut mix = Mix::new();
        mix.add_wide(seen.exact);
        for (name, _, until) in &sessions {
            mix.add_text(name.as_str());
            mix.add(until.0);
        }
        Self {
            exact: mix.end(),
            revision: store.revision().0,
            store,
            seen,
            sessions,
        }
    }

    /// When the first session is due.
    pub(super) fn next_expiry(&self) -> Option<At> {
        self.sessions.iter().map(|(.., until)| *until).min()
    }

    /// Whose live session holds the leader key.
    pub(super) fn holder(&self) -> Option<Node> {
        let (_, session) = self.store.leader()?;
        self.store.owner(session?)
    }
}

fn key(kept: &Kept, doing: Doing<'_>, now: At) -> u128 {
    let mut mix = Mix::new();
    mix.add_wide(kept.exact);
    mix.add(now.0);
    match doing {
        Doing::Call { by, ask, own } => {
            mix.add(u64::from(by.0));
            mix.add_wide(ask.form.exact());
            if matches!(ask.task, Task::PublishHistory { .. }) {
                for (timeline, end) in own {
                    mix.add(u64::from(timeline.0));
                    mix.add(end.0);
                }
            }
        }
        Doing::Expire => mix.add(1001),
    }
    mix.end()
}

fn call(store: &mut Store, by: Node, task: &Task, own: &[(Timeline, Lsn)], now: At) -> Outcome {
    let done = Outcome::Done(Report::Nothing);
    match task {
        Task::OpenSession { ttl } => {
            let (name, ttl) = store.open(by, *ttl, now);
            Outcome::Done(Report::Session { name, ttl })
        }
        Task::Renew {
            session,
            proves_leader,
            ..
        } => match store.renew(session, *proves_leader, now) {
            Renewal::Held => done,
            Renewal::Refused => Outcome::NotApplied,
            Renewal::Gone => Outcome::SessionLost,
        },
        Task::CloseSession { session } => {
            store.close(session, now);
            done
        }
        Task::Commit(commit) => commit_to(store, commit, now),
        Task::PublishHistory {
            session,
            timeline,
            published,
            seen,
            keep,
        } => {
            let own: Vec<_> = own
                .iter()
                .filter(|(ended, _)| ended < timeline)
                .map(|(ended, at)| (*ended, *at, "no recovery target specified".to_owned()))
                .collect();
            let published: &[HistoryLine] = published;
            let leader = MemberName::from(by.to_string());
            match store.publish_history(session, (published, *seen), &own, &leader, *keep, now) {
                CommitEnd::Applied(_) => done,
                CommitEnd::NotApplied => Outcome::NotApplied,
                CommitEnd::SessionLost => Outcome::SessionLost,
            }
        }
        Task::AskPeers { .. }
        | Task::AskPromises { .. }
        | Task::Identify { .. }
        | Task::Bootstrap
        | Task::Clone { .. }
        | Task::Replace { .. }
        | Task::Reinitialize { .. }
        | Task::Rewind { .. }
        | Task::Start { .. }
        | Task::Stop { .. }
        | Task::PrePromote { .. }
        | Task::Promote { .. }
        | Task::Follow { .. }
        | Task::ProveGone
        | Task::Fence
        | Task::Checkpoint
        | Task::SyncSlots { .. }
        | Task::CopySlots { .. }
        | Task::WaitFor { .. } => unreachable!("{} is no call to the store", task.name()),
    }
}

fn commit_to(store: &mut Store, commit: &Commit, now: At) -> Outcome {
    match store.commit(commit, now) {
        CommitEnd::Applied(revision) => Outcome::Done(Report::Committed(revision)),
        CommitEnd::NotApplied => Outcome::NotApplied,
        CommitEnd::SessionLost => Outcome::SessionLost,
    }
}
