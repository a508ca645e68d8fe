//! The core's tasks, carried out: one match, one line per task.
//!
//! Nothing is decided here. What makes the server writable, or deletes data, checks its proof
//! once more at the moment of execution.

mod bootstrap;
mod copied;
mod rejoin;
mod replica;
mod server;
mod slots;
mod store;

pub(crate) use copied::Copied;
use replica::Copy;
pub(crate) use store::Sessions;

use std::sync::Arc;

use herdsman_dcs::{Dcs, Prefix};
use herdsman_ha_core::{Failure, MemberName, Outcome, Progress, Report, Task};
use herdsman_pgctl::Instance;

use crate::clock::Clock;
use crate::grants::Grants;
use crate::member::Effective;
use crate::observe;
use crate::peers;
use crate::settings::Settings;

/// Where a long task tells how far it is.
pub(crate) type Tell = dyn Fn(Progress) + Send + Sync;

/// What tasks are carried out on.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) name: MemberName,
    pub(crate) settings: Settings,
    pub(crate) effective: Effective,
    pub(crate) store: Arc<dyn Dcs>,
    pub(crate) prefix: Prefix,
    pub(crate) sessions: Sessions,
    pub(crate) instance: Instance,
    pub(crate) clock: Arc<Clock>,
    pub(crate) grants: Grants,
    /// Logical slots that were copied to this member and are not ready yet.
    pub(crate) copied: Copied,
}

impl Executor {
    /// Carries a task out and tells how it ended. Long ones tell how far they are meanwhile.
    pub(crate) async fn execute(&self, task: Task, tell: &Tell) -> Outcome {
        match task {
            Task::OpenSession { ttl } => self.open_session(ttl).await,
            Task::Renew {
                session,
                proves_leader,
                limit,
            } => self.renew(&session, proves_leader, limit).await,
            Task::CloseSession { session } => self.close_session(&session).await,
            Task::Commit(commit) => self.commit(commit).await,
            Task::PublishHistory {
                session,
                timeline,
                published,
                seen,
                keep,
            } => {
                let published = (published.as_slice(), seen);
                self.publish_history(&session, timeline, published, keep)
                    .await
            }
            Task::AskPeers {
                peers,
                expected,
                limit,
            } => Outcome::Done(Report::Peers(peers::ask(peers, &expected, limit).await)),
            Task::AskPromises {
                request,
                peers,
                limit,
            } => {
                let credentials = self.settings.rest_api.credentials();
                let reports = peers::ask_promises(&request, peers, credentials, limit).await;
                Outcome::Done(Report::Promises(reports))
            }
            Task::Identify { upstream, needs } => self.identify(&upstream, needs).await,
            Task::Bootstrap => self.bootstrap().await,
            Task::Clone { from } => self.clone_from(from.as_ref(), tell).await,
            Task::Rewind { witness, from } => self.rewind(&witness, &from).await,
            Task::Replace { witness, from } => {
                let copy = Copy::usual(&from);
                self.replace(&witness, &from, copy, tell).await
            }
            Task::Reinitialize {
                witness,
                leader,
                from,
                is_direct,
            } => {
                let copy = Copy {
                    is_direct,
                    ..Copy::usual(&from)
                };
                self.replace(&witness, &leader, copy, tell).await
            }
            Task::Start { role, limit } => self.start(role, limit).await,
            Task::Stop { mode } => self.stop(mode).await,
            Task::PrePromote { generation } => self.pre_promote(generation).await,
            Task::Promote {
                grant,
                timeline,
                slots,
                sync,
            } => self.promote(grant, timeline, slots, &sync).await,
            Task::WaitFor { names } => self.wait_for(&names).await,
            Task::Follow { upstream } => self.follow(upstream).await,
            Task::ProveGone | Task::Fence => self.kill_all().await,
            Task::Checkpoint => self.checkpoint().await,
            Task::SyncSlots(work) => self.sync_slots(work).await,
            Task::CopySlots { from, slots } => self.copy_slots(&from, slots).await,
        }
    }
}

/// A failure that may pass by itself.
fn transient(message: impl Into<String>) -> Outcome {
    Outcome::Failed(Failure {
        is_transient: true,
        message: message.into(),
    })
}

/// The end of a task on PostgreSQL that gives nothing back.
fn done<T>(result: herdsman_pgctl::Result<T>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done(Report::Nothing),
        Err(error) => failed(&error),
    }
}

/// A failure of PostgreSQL's side.
fn failed(error: &herdsman_pgctl::Error) -> Outcome {
    let is_transient = error.advice() != herdsman_pgctl::Advice::AskHuman;
    Outcome::Failed(Failure {
        is_transient,
        message: observe::chain(error),
    })
}
