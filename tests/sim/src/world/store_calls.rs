//! Calls to the store: sent, carried out when they arrive, and answered, each part on its own.

use std::time::Duration;

use herdsman_ha_core::schema::with_skipped;
use herdsman_ha_core::{OpId, Outcome, Purpose, Report, Task};

use super::draws::What;
use super::driver::transient;
use super::event::{AgentEvent, Event};
use super::{Shared, World};
use crate::fault::{Call, End};
use crate::ids::Node;
use crate::store::{CommitEnd, Renewal};
use crate::trace::Kind;

/// How long a call may take that brings no limit of its own.
const LIMIT: Duration = Duration::from_secs(10);

/// Which kind of call a task is.
fn kind(task: &Task) -> Call {
    match task {
        Task::OpenSession { .. } => Call::Open,
        Task::Renew { .. } => Call::Renew,
        Task::Commit(commit) => match commit.purpose {
            Purpose::Acquire | Purpose::RecordCluster | Purpose::Resume => Call::Acquire,
            Purpose::Release => Call::Release,
            Purpose::AdoptCluster
            | Purpose::ClaimInitialize
            | Purpose::PublishMember
            | Purpose::PublishStatus
            | Purpose::RestoreConfig
            | Purpose::RequestMove
            | Purpose::ClearMove
            | Purpose::BeginMove
            | Purpose::FlushMove
            | Purpose::ChangeConfig
            | Purpose::PublishSync
            | Purpose::PublishFailsafe => Call::Commit,
        },
        Task::CloseSession { .. }
        | Task::PublishHistory { .. }
        | Task::AskPeers { .. }
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
        | Task::WaitFor { .. } => Call::Commit,
    }
}

impl World {
    pub(super) fn call_store(&mut self, node: Node, op: OpId, task: &Shared) {
        let kind = kind(task);
        let limit = if let Task::Renew { limit, .. } = &**task {
            *limit
        } else {
            LIMIT.min(self.options.ttl / 2)
        };
        let is_refused =
            self.store_outages > 0 && self.draws.below(What::Choice, Some(node), 2) == 0;
        if is_refused {
            self.end_soon(node, op, transient("the store refuses the connection"));
            return;
        }
        self.plan_agent(node, limit, AgentEvent::Timeout { op });
        if !self.net.passes(End::Node(node), End::Store) {
            return;
        }
        let is_mute = take_one(&mut self.mute_next, kind);
        let delay = self.delay_next.get_mut(&kind).and_then(Vec::pop);
        let travel = self.draws.message(What::ToStore, node)
            + self.net.delay(End::Node(node), End::Store)
            + delay.unwrap_or_default();
        if delay.is_some() {
            self.last_late_call = self.last_late_call.max(self.now.plus(travel));
        }
        let run = self.host(node).run().unwrap_or_default();
        let task = Shared::clone(task);
        self.plan(
            travel,
            Event::StoreCall {
                node,
                run,
                op,
                task,
                is_mute,
            },
        );
    }

    pub(super) fn call_arrives(
        &mut self,
        node: Node,
        run: u32,
        op: OpId,
        task: &Shared,
        is_mute: bool,
    ) {
        if self.store_outages > 0 || !self.net.passes(End::Node(node), End::Store) {
            return;
        }
        let outcome = self.carry_out(node, task);
        if is_mute {
            self.line(Some(node), Kind::Fault, |_| {
                let what = format!("store applies {} of {op}, its reply is lost", task.name());
                (what, String::new())
            });
            return;
        }
        if !self.net.passes(End::Store, End::Node(node)) {
            return;
        }
        let travel =
            self.draws.message(What::FromStore, node) + self.net.delay(End::Store, End::Node(node));
        let outcome = Box::new(outcome);
        self.plan(
            travel,
            Event::Agent {
                node,
                run,
                event: AgentEvent::Reply { op, outcome },
            },
        );
    }

    fn carry_out(&mut self, node: Node, task: &Shared) -> Outcome {
        let now = self.now;
        let done = Outcome::Done(Report::Nothing);
        let outcome = match &**task {
            Task::OpenSession { ttl } => {
                let (name, ttl) = self.store.open(node, *ttl, now);
                Outcome::Done(Report::Session { name, ttl })
            }
            Task::Renew {
                session,
                proves_leader,
                ..
            } => match self.store.renew(session, *proves_leader, now) {
                Renewal::Held => done,
                Renewal::Refused => Outcome::NotApplied,
                Renewal::Gone => Outcome::SessionLost,
            },
            Task::CloseSession { session } => {
                self.store.close(session, now);
                done
            }
            Task::Commit(commit) => ended(self.store.commit(commit, now)),
            Task::PublishHistory {
                session,
                timeline,
                published,
                seen,
                keep,
            } => {
                let Some(own) = self.own_history(node, *timeline) else {
                    return transient("the history file is gone");
                };
                let end = self.store.publish_history(
                    session,
                    (published, *seen),
                    &own,
                    &self.hosts[node.index()].name,
                    *keep,
                    now,
                );
                let end = ended(end);
                if matches!(end, Outcome::Done(_)) {
                    done
                } else {
                    end
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
            | Task::WaitFor { .. } => transient("no task for the store"),
        };
        self.plan_expiry();
        outcome
    }

    fn own_history(
        &self,
        node: Node,
        timeline: herdsman_ha_core::Timeline,
    ) -> Option<Vec<(herdsman_ha_core::Timeline, herdsman_ha_core::Lsn, String)>> {
        let wal = self.host(node).server.wal()?;
        let own = self
            .tree
            .history(wal.branch)
            .iter()
            .filter(|(ended, _)| *ended < timeline)
            .map(|(ended, at)| (*ended, *at, "no recovery target specified".to_owned()))
            .collect();
        Some(with_skipped(own, timeline))
    }

    pub(super) fn timed_out(&mut self, node: Node, op: OpId) {
        let Some(task) = self.task_of(node, op) else {
            return;
        };
        if matches!(&*task, Task::AskPeers { .. }) {
            self.peers_are_in(node, op);
        } else if matches!(&*task, Task::AskPromises { .. }) {
            self.promises_are_in(node, op);
        } else if matches!(&*task, Task::OpenSession { .. }) {
            self.finish(node, op, transient("no answer in time"));
        } else {
            self.finish(node, op, Outcome::Unknown);
        }
    }

    pub(super) fn plan_expiry(&mut self) {
        if let Some(at) = self.store.next_expiry() {
            self.queue.plan(at.max(self.now), Event::Expiry);
        }
    }

    pub(super) fn expire(&mut self) {
        // A store that elects its leader or is down ends no session meanwhile.
        if self.store_outages > 0 {
            return;
        }
        let ended = self.store.expire(self.now);
        if ended.is_empty() {
            return;
        }
        for end in ended {
            self.line(Some(end.owner), Kind::Store, |_| {
                let keys = end.keys.join(", ");
                (
                    format!("session {} ended: {keys}", end.session),
                    String::new(),
                )
            });
        }
        self.plan_expiry();
    }
}

fn ended(end: CommitEnd) -> Outcome {
    match end {
        CommitEnd::Applied(revision) => Outcome::Done(Report::Committed(revision)),
        CommitEnd::NotApplied => Outcome::NotApplied,
        CommitEnd::SessionLost => Outcome::SessionLost,
    }
}

fn take_one(counts: &mut std::collections::BTreeMap<Call, u32>, kind: Call) -> bool {
    match counts.get_mut(&kind) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        Some(_) | None => false,
    }
}
