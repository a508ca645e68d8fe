//! When tasks ended: statuses show what runs, so somebody has to watch them go.
//!
//! Decisions carry their own instant and need no watching. What is recorded here is late by at
//! most the pause between two looks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herdsman_ha_core::{Lane, Mono, OpId};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::cluster::{Cluster, Index};

const PAUSE: Duration = Duration::from_millis(1);
/// How many tasks are remembered.
const KEPT: usize = 256;

/// A task on a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) member: Index,
    pub(crate) task: &'static str,
    pub(crate) began: Mono,
    pub(crate) ended: Option<Mono>,
    op: OpId,
}

/// Watches the members' tasks.
pub(crate) struct Recorder {
    spans: Arc<Mutex<Vec<Span>>>,
    task: JoinHandle<()>,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Recorder {
    pub(crate) fn start(cluster: Arc<Cluster>) -> Self {
        let spans = Arc::default();
        let task = tokio::spawn(watch(cluster, Arc::clone(&spans)));
        Self { spans, task }
    }

    /// The first task of this name that a member began after `since`.
    pub(crate) fn first(&self, member: Index, task: &str, since: Mono) -> Option<Span> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = spans
            .iter()
            .filter(|span| (span.member, span.task) == (member, task));
        wanted.find(|span| span.began >= since).copied()
    }
}

async fn watch(cluster: Arc<Cluster>, spans: Arc<Mutex<Vec<Span>>>) {
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let statuses = cluster.statuses();
        let now = cluster.clock.mono();
        let mut spans = spans.lock().unwrap_or_else(PoisonError::into_inner);
        let surplus = spans.len().saturating_sub(KEPT);
        spans.drain(..surplus);
        for (index, status) in statuses.iter().enumerate() {
            let member = Index(index);
            for span in spans.iter_mut().filter(|span| span.member == member) {
                let is_running = status.tasks.iter().any(|task| task.op == span.op);
                if span.ended.is_none() && !is_running {
                    span.ended = Some(now);
                }
            }
            for task in &status.tasks {
                let is_known = spans.iter().any(|s| s.member == member && s.op == task.op);
                if matches!(task.lane, Lane::Server) && !is_known {
                    let (task, began, op) = (task.task, task.since, task.op);
                    spans.push(Span {
                        member,
                        task,
                        began,
                        ended: None,
                        op,
                    });
                }
            }
        }
    }
}
