//! From a started task to its first event: calls go to the store, questions to other members, and
//! work on the server begins a moment later.

use std::sync::Arc;

use herdsman_ha_core::{Failure, OpId, Outcome, Task};

use super::event::AgentEvent;
use super::{Shared, World};
use crate::ids::Node;

impl World {
    pub(super) fn begin(&mut self, node: Node, op: OpId, task: &Shared) {
        match &**task {
            Task::OpenSession { .. }
            | Task::Renew { .. }
            | Task::CloseSession { .. }
            | Task::Commit(_)
            | Task::PublishHistory { .. } => self.call_store(node, op, task),
            Task::AskPeers {
                peers,
                expected,
                limit,
            } => self.ask(node, op, peers, expected, *limit),
            Task::AskPromises {
                request,
                peers,
                limit,
            } => self.ask_promises(node, op, request, peers, *limit),
            Task::Identify { .. }
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
            | Task::WaitFor { .. } => {
                let late = self.draws.jitter(node);
                self.plan_agent(node, late, AgentEvent::Stage { op, stage: 0 });
            }
        }
    }

    /// The task of a job that still runs.
    pub(super) fn task_of(&self, node: Node, op: OpId) -> Option<Shared> {
        let job = self.host(node).agent.as_ref()?.jobs.get(&op)?;
        let is_cancelled = job.awaits == Some(super::host::Awaits::Cancelled);
        (!is_cancelled).then(|| Arc::clone(&job.task))
    }

    /// The end of a task comes after a moment.
    pub(super) fn end_soon(&mut self, node: Node, op: OpId, outcome: Outcome) {
        let takes = self.draws.jitter(node);
        let outcome = Box::new(outcome);
        self.plan_agent(node, takes, AgentEvent::End { op, outcome });
    }
}

/// A failure that may pass by itself.
pub(super) fn transient(message: &str) -> Outcome {
    Outcome::Failed(Failure {
        is_transient: true,
        message: message.to_owned(),
    })
}
