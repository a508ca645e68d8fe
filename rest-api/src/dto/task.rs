//! What is being done to the server at the moment, for whoever waits for it.

use herdsman_ha_core::{Bytes, Lane, Status};
use serde::Serialize;

/// The task on the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Task {
    name: &'static str,
    /// For how long it has been running.
    seconds: u64,
    /// How much it has done, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    done_bytes: Option<u64>,
    /// How much there is to do, as it was estimated.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_bytes: Option<u64>,
}

impl Task {
    pub(crate) fn of(status: &Status) -> Option<Self> {
        let task = status.tasks.iter().find(|task| task.lane == Lane::Server)?;
        let progress = task.progress.as_ref();
        Some(Self {
            name: task.task,
            seconds: status.now.mono.since(task.since).as_secs(),
            done_bytes: progress.map(|progress| progress.done),
            total_bytes: progress.and_then(|progress| progress.total),
        })
    }

    /// How far it is, in words.
    pub(crate) fn sentence(&self) -> Option<String> {
        let done = Bytes(self.done_bytes?);
        Some(match self.total_bytes {
            Some(total) => format!("{done} of {} done", Bytes(total)),
            None => format!("{done} done"),
        })
    }
}
