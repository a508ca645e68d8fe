//! Keeps the server set up as the member's file and the cluster's configuration say.
//!
//! One worker applies the newest wish, so that two changes in a row cannot overtake each other. It
//! never waits for a server that starts, stops or is silent: it comes back. The invariant: after a
//! change, or the end of a task on the server, the worker has compared the files once more.

use std::collections::BTreeSet;
use std::time::Duration;

use herdsman_pgctl as pgctl;
use serde_json::Value;
use tokio::sync::watch;

use crate::callbacks::Callbacks;
use crate::kept_config;
use crate::looking::Looking;
use crate::member::{self, Setup};
use crate::settings::Settings;

/// When to come back to a server that could not be told.
const AGAIN: Duration = Duration::from_secs(1);

/// A configuration that the server is to be told, which the instance has already.
#[derive(Clone, Debug)]
struct Wish {
    /// The cluster's, of which it was made.
    dynamic: Value,
    /// What of it is not in force.
    warnings: Vec<String>,
}

/// The end of the worker that the loop holds.
#[derive(Debug)]
pub(crate) struct Applying {
    instance: pgctl::Instance,
    wish: watch::Sender<Option<Wish>>,
}

impl Applying {
    /// Starts the worker; it ends with the loop.
    pub(crate) fn start(instance: pgctl::Instance, looking: Looking, callbacks: Callbacks) -> Self {
        let (wish, wishes) = watch::channel(None);
        let worker = Worker::new(instance.clone(), looking, callbacks);
        tokio::spawn(worker.work(wishes));
        Self { instance, wish }
    }

    /// Wishes for another configuration. A server that is started from now on has it.
    pub(crate) fn wish(&self, settings: &Settings, dynamic: &Value, setup: Setup) {
        self.set(member::config(settings, dynamic, setup), dynamic);
    }

    /// What the machine says has changed: most configurations are the same in every role, and then
    /// a server is not asked in the middle of a failover.
    pub(crate) fn wish_if_new(&self, settings: &Settings, dynamic: &Value, setup: Setup) {
        let made = member::config(settings, dynamic, setup);
        if *self.instance.config() != made.0 {
            self.set(made, dynamic);
        }
    }

    fn set(&self, (wanted, warnings): (pgctl::Config, Vec<String>), dynamic: &Value) {
        self.instance.set_config(wanted);
        let dynamic = dynamic.clone();
        self.wish.send_replace(Some(Wish { dynamic, warnings }));
    }

    /// Compares once more: a server that has just come up may have been started with less.
    pub(crate) fn again(&self) {
        self.wish.send_modify(|_| {});
    }
}

struct Worker {
    instance: pgctl::Instance,
    looking: Looking,
    callbacks: Callbacks,
    /// What was said last, so that it is said once.
    said: BTreeSet<String>,
}

/// How far an attempt came.
enum Applied {
    /// The server is set up, or its next start will do it.
    Done,
    /// It can be told later.
    Later,
}

impl Worker {
    fn new(instance: pgctl::Instance, looking: Looking, callbacks: Callbacks) -> Self {
        Self {
            instance,
            looking,
            callbacks,
            said: BTreeSet::new(),
        }
    }

    async fn work(mut self, mut wishes: watch::Receiver<Option<Wish>>) {
        while wishes.changed().await.is_ok() {
            loop {
                let Some(wish) = wishes.borrow_and_update().clone() else {
                    break;
                };
                let applied = match self.apply(&wish).await {
                    Ok(applied) => applied,
                    Err(error) => {
                        self.say(vec![format!("the configuration is not applied: {error}")]);
                        Applied::Later
                    }
                };
                match applied {
                    Applied::Done => break,
                    Applied::Later => {
                        let changed = tokio::time::timeout(AGAIN, wishes.changed()).await;
                        if changed.is_ok_and(|changed| changed.is_err()) {
                            return;
                        }
                    }
                }
            }
        }
    }

    async fn apply(&mut self, wish: &Wish) -> pgctl::Result<Applied> {
        self.say(wish.warnings.clone());
        let facts = self.instance.facts().await;
        if matches!(facts.data, pgctl::DataDirectory::Cluster(_)) {
            kept_config::write(self.instance.data_dir(), &wish.dynamic).await;
        }
        match (&facts.data, &facts.process, &facts.server) {
            (pgctl::DataDirectory::Cluster(_), pgctl::Process::Running { .. }, Some(_)) => {
                self.tell_server().await?;
                Ok(Applied::Done)
            }
            // Its next start writes the files.
            (_, pgctl::Process::Down, _) => Ok(Applied::Done),
            // It comes up, goes down, is silent, or is being made.
            (_, _, _) => Ok(Applied::Later),
        }
    }

    async fn tell_server(&mut self) -> pgctl::Result<()> {
        if self.instance.apply_config().await? {
            tracing::info!("PostgreSQL has read its configuration anew");
            self.callbacks.reloaded();
            // What waits for a restart is known from here on.
            self.looking.look();
        }
        Ok(())
    }

    /// Says what was not said the time before.
    fn say(&mut self, sentences: Vec<String>) {
        let sentences: BTreeSet<String> = sentences.into_iter().collect();
        for sentence in sentences.difference(&self.said) {
            tracing::warn!("{sentence}");
        }
        self.said = sentences;
    }
}
