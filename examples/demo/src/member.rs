//! One member: an agent on a thread of its own.
//!
//! A service embeds one agent and needs no such thread. Here three agents share a process, and the
//! name of its thread tells in the log which of them speaks.

use std::thread::{self, JoinHandle};

use herdsman_agent::{Agent, Handle};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};

use crate::AnyError;
use crate::configuration::{self, Place, Shared};
use crate::store::Store;

/// A running member.
pub(crate) struct Member {
    pub(crate) place: Place,
    pub(crate) handle: Handle,
    end: watch::Receiver<Option<String>>,
    abandoned: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    /// Starts the agent of a member; its server is the agent's business.
    pub(crate) async fn start(
        shared: &Shared,
        place: Place,
        store: &Store,
    ) -> Result<Self, AnyError> {
        let settings = configuration::settings(shared, &place)?;
        let store = store.handle(&place.name, &settings)?;
        let agent = Agent::builder(settings)
            .store(store)
            .server_log(place.server_log());
        let (told, begun) = oneshot::channel();
        let (ended, end) = watch::channel(None);
        let (abandoned, given_up) = oneshot::channel();
        let runtime = runtime(&place.name)?;
        let thread = thread::Builder::new()
            .name(place.name.clone())
            .spawn(move || {
                let how = runtime.block_on(async {
                    let agent = match agent.build().await {
                        Ok(agent) => agent,
                        Err(error) => {
                            // Whoever waits for the handle is told; nobody else is there.
                            let _ = told.send(Err(error));
                            return "it did not begin".to_owned();
                        }
                    };
                    let _ = told.send(Ok(agent.handle()));
                    tokio::select! {
                        how = agent.run() => match how {
                            Ok(()) => "it left".to_owned(),
                            Err(error) => error.to_string(),
                        },
                        _ = given_up => "it was abandoned".to_owned(),
                    }
                });
                ended.send_replace(Some(how));
            })?;
        let handle = begun.await??;
        let (abandoned, thread) = (Some(abandoned), Some(thread));
        Ok(Self {
            place,
            handle,
            end,
            abandoned,
            thread,
        })
    }

    /// How the agent ended, if it did.
    pub(crate) fn end(&self) -> Option<String> {
        self.end.borrow().clone()
    }

    /// Waits until the agent has ended.
    pub(crate) async fn ended(&self) {
        // An error means that its thread panicked, which is an end as well.
        let _ = self.end.clone().wait_for(Option::is_some).await;
    }

    /// Ends the agent without asking it and waits for its thread; its server goes on.
    pub(crate) fn abandon(&mut self) {
        drop(self.abandoned.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the agent was told when it happened.
            let _ = thread.join();
        }
    }

    /// Where its REST API answers.
    pub(crate) fn api(&self) -> String {
        format!("http://127.0.0.1:{}", self.place.api_port)
    }
}

fn runtime(name: &str) -> std::io::Result<Runtime> {
    Builder::new_current_thread()
        .thread_name(name)
        .enable_all()
        .build()
}
