//! Tasks on the store.
//!
//! An outcome that is not certain is told as unknown; nothing is repeated here.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use herdsman_dcs as dcs;
use herdsman_ha_core as core;
use herdsman_ha_core::schema::{history_text, key, merge_history, with_skipped};
use herdsman_ha_core::{
    Failure, HistoryLine, KeyState, Outcome, Report, SessionName, StoreGuard, StoreWrite, Timeline,
};

use super::{Executor, transient};
use crate::observe;
use crate::text;

/// The sessions that this process opened, by name.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<BTreeMap<SessionName, dcs::Session>>,
}

impl Sessions {
    fn keep(&self, session: dcs::Session) -> SessionName {
        let name = SessionName::from(session.id.to_string());
        self.lock().insert(name.clone(), session);
        name
    }

    fn get(&self, name: &SessionName) -> Option<dcs::Session> {
        self.lock().get(name).cloned()
    }

    fn forget(&self, name: &SessionName) {
        self.lock().remove(name);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<SessionName, dcs::Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executor {
    pub(super) async fn open_session(&self, ttl: Duration) -> Outcome {
        match self.store.open(ttl).await {
            Ok(session) => {
                let ttl = session.ttl;
                let name = self.sessions.keep(session);
                Outcome::Done(Report::Session { name, ttl })
            }
            Err(error) => failed(&error),
        }
    }

    pub(super) async fn renew(
        &self,
        session: &SessionName,
        proves_leader: bool,
        limit: Duration,
    ) -> Outcome {
        let Some(session) = self.sessions.get(session) else {
            return Outcome::SessionLost;
        };
        let mut proof = Vec::new();
        if proves_leader {
            match self.prefix.key(key::LEADER) {
                Ok(key) => proof.push(dcs::Guard::new(key, dcs::Condition::HeldBySession)),
                Err(error) => return failed(&error.into()),
            }
        }
        match tokio::time::timeout(limit, self.store.renew(&session, &proof)).await {
            Ok(Ok(dcs::Renewal::Held)) => Outcome::Done(Report::Nothing),
            Ok(Ok(dcs::Renewal::Refused { .. })) => Outcome::NotApplied,
            Ok(Err(error)) => failed(&error),
            Err(_) => Outcome::Unknown,
        }
    }

    pub(super) async fn close_session(&self, name: &SessionName) -> Outcome {
        let Some(session) = self.sessions.get(name) else {
            return Outcome::SessionLost;
        };
        self.sessions.forget(name);
        match self.store.release(session).await {
            Ok(()) => Outcome::Done(Report::Nothing),
            Err(error) => failed(&error),
        }
    }

    pub(super) async fn commit(&self, commit: core::Commit) -> Outcome {
        let session = commit.session.as_ref();
        self.change(session, &commit.guards, &commit.writes).await
    }

    async fn change(
        &self,
        name: Option<&SessionName>,
        guards: &[StoreGuard],
        writes: &[StoreWrite],
    ) -> Outcome {
        let session = name.and_then(|name| self.sessions.get(name));
        if name.is_some() && session.is_none() {
            return Outcome::SessionLost;
        }
        match self.translate(guards, writes) {
            Ok(changes) => self.apply(session.as_ref(), changes).await,
            Err(error) => failed(&error),
        }
    }

    async fn apply(&self, session: Option<&dcs::Session>, changes: dcs::Commit) -> Outcome {
        match self.store.commit(session, changes).await {
            Ok(dcs::CommitOutcome::Applied { revision }) => {
                Outcome::Done(Report::Committed(observe::revision(revision)))
            }
            Ok(dcs::CommitOutcome::NotApplied { .. }) => Outcome::NotApplied,
            Err(error) => failed(&error),
        }
    }

    fn translate(
        &self,
        guards: &[StoreGuard],
        writes: &[StoreWrite],
    ) -> Result<dcs::Commit, dcs::Error> {
        let mut commit = dcs::Commit::new();
        for guard in guards {
            let condition = match guard.is {
                KeyState::Absent => dcs::Condition::Absent,
                KeyState::At(revision) => {
                    dcs::Condition::AtRevision(dcs::Revision::new(revision.0))
                }
                KeyState::HeldBySession => dcs::Condition::HeldBySession,
            };
            commit = commit.guard(self.prefix.key(&guard.key)?, condition);
        }
        for write in writes {
            commit = match write {
                StoreWrite::PutBound { key, value } => {
                    commit.put(self.prefix.key(key)?, value.clone(), dcs::Lifetime::Session)
                }
                StoreWrite::Put { key, value } => commit.put(
                    self.prefix.key(key)?,
                    value.clone(),
                    dcs::Lifetime::Permanent,
                ),
                StoreWrite::Delete { key } => commit.delete(self.prefix.key(key)?),
            };
        }
        Ok(commit)
    }

    /// The history file of the server, with what was published before, as the `history` key.
    pub(super) async fn publish_history(
        &self,
        session: &SessionName,
        timeline: Timeline,
        (published, seen): (&[HistoryLine], KeyState),
        keep: usize,
    ) -> Outcome {
        let read = self
            .instance
            .own_history(herdsman_pgctl::Timeline(timeline.0));
        let lines = match read.await {
            Ok(lines) => lines,
            Err(error) => return transient(observe::chain(&error)),
        };
        // A timeline that begins a cluster has no history, and every later one has ancestors.
        if lines.is_empty() {
            return transient(format!("the history of timeline {timeline} tells nothing"));
        }
        let own: Vec<_> = lines
            .into_iter()
            .map(|line| {
                (
                    Timeline(line.timeline.0),
                    core::Lsn(line.switch_lsn.0),
                    line.reason,
                )
            })
            .collect();
        let own = with_skipped(own, timeline);
        let at = text::iso_8601(self.clock.now().wall);
        let merged = merge_history(published, &own, &self.name, &at, keep);
        let leader = StoreGuard {
            key: key::LEADER.to_owned(),
            is: KeyState::HeldBySession,
        };
        let history = StoreGuard {
            key: key::HISTORY.to_owned(),
            is: seen,
        };
        let write = StoreWrite::Put {
            key: key::HISTORY.to_owned(),
            value: history_text(&merged),
        };
        self.change(Some(session), &[leader, history], &[write])
            .await
    }
}

/// How a call to the store failed, by what may have happened.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else a store refuses needs a human"
)]
fn failed(error: &dcs::Error) -> Outcome {
    match error {
        dcs::Error::Unknown(_) => Outcome::Unknown,
        dcs::Error::SessionLost { .. } => Outcome::SessionLost,
        dcs::Error::Unavailable(_) => transient(observe::chain(error)),
        other => {
            tracing::warn!(error = observe::chain(other), "the store refused a call");
            Outcome::Failed(Failure {
                is_transient: false,
                message: observe::chain(other),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use dcs::{Cause, Error};

    use super::*;

    /// What the machine is told of each kind of error, as the end of a call and of a watch.
    #[test]
    fn every_kind_of_error_is_told_by_what_may_have_happened() {
        let cause = || Cause::new("because");
        let id = dcs::SessionId::from(7);
        let replaced = Error::StoreReplaced {
            seen: dcs::Revision::new(2),
            found: dcs::Revision::new(1),
        };
        let is_failure = |error: &Error, is_transient: bool| {
            let told = failed(error);
            matches!(told, Outcome::Failed(failure) if failure.is_transient == is_transient)
        };
        assert!(is_failure(&Error::Unavailable(cause()), true));
        for refused in [
            Error::Denied(cause()),
            Error::Invalid(cause()),
            Error::Unsupported { what: "it" },
            replaced.clone(),
        ] {
            assert!(is_failure(&refused, false), "{refused:?}");
        }
        assert!(matches!(failed(&Error::Unknown(cause())), Outcome::Unknown));
        let lost = Error::SessionLost { id };
        assert!(matches!(failed(&lost), Outcome::SessionLost));

        let unreachable =
            |error: &Error| matches!(observe::fault(error), core::Fault::Unreachable(_));
        for error in [
            Error::Unavailable(cause()),
            Error::Unknown(cause()),
            Error::Invalid(cause()),
            Error::Unsupported { what: "it" },
            lost,
        ] {
            assert!(unreachable(&error), "{error:?}");
        }
        let denied = observe::fault(&Error::Denied(cause()));
        assert!(matches!(denied, core::Fault::Denied(_)));
        assert_eq!(observe::fault(&replaced), core::Fault::StoreReplaced);
    }
}
