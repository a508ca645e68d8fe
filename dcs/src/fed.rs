//! The reader's end of a watch whose events a task finds.
//!
//! Invariant: the task ends with the reader, and a wait that is abandoned takes no event with it.

use std::future::Future;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::{WatchEvent, WatchSource};

pub(crate) struct Fed {
    events: mpsc::Receiver<WatchEvent>,
    task: JoinHandle<()>,
}

impl Fed {
    /// Starts a task that sends events as far ahead of its reader as the room permits.
    pub(crate) fn start<Running>(
        room: usize,
        task: impl FnOnce(mpsc::Sender<WatchEvent>) -> Running,
    ) -> Self
    where
        Running: Future<Output = ()> + Send + 'static,
    {
        let (sender, events) = mpsc::channel(room);
        let task = tokio::spawn(task(sender));
        Self { events, task }
    }
}

#[async_trait]
impl WatchSource for Fed {
    async fn next(&mut self) -> WatchEvent {
        match self.events.recv().await {
            Some(event) => event,
            // The task ends only with its runtime; nothing can follow any more.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        self.task.abort();
    }
}
