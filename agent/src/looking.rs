//! Looking at the local server, one look at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use herdsman_ha_core::{Input, LocalView};
use herdsman_pgctl::{Facts, Instance};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::driver::Event;
use crate::observe;

/// Looks at the server and tells the loop.
#[derive(Clone)]
pub(crate) struct Looking {
    instance: Instance,
    clock: Arc<Clock>,
    sender: mpsc::UnboundedSender<Event>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Somebody is on the way already: another look right now would see the same.
    is_pending: AtomicBool,
    /// Looks go one after the other: while one hangs, one more waits and no others.
    turn: tokio::sync::Mutex<()>,
    facts: Mutex<Option<Arc<Facts>>>,
}

impl Looking {
    pub(crate) fn new(
        instance: Instance,
        clock: Arc<Clock>,
        sender: mpsc::UnboundedSender<Event>,
    ) -> Self {
        Self {
            instance,
            clock,
            sender,
            shared: Arc::default(),
        }
    }

    /// Looks in the background; the view arrives as an event.
    pub(crate) fn look(&self) {
        if self.shared.is_pending.swap(true, Ordering::SeqCst) {
            return;
        }
        let looking = self.clone();
        tokio::spawn(async move {
            let _turn = looking.shared.turn.lock().await;
            // From here on a new request means a new look: this one may miss what caused it.
            looking.shared.is_pending.store(false, Ordering::SeqCst);
            let local = looking.now().await;
            let _ = looking.sender.send(Event::Input(Input::Local(local)));
        });
    }

    /// Looks and waits for what is seen.
    pub(crate) async fn now(&self) -> LocalView {
        let seen_at = self.clock.mono();
        let facts = self.instance.facts().await;
        let local = observe::local(seen_at, &facts);
        let mut latest = self
            .shared
            .facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *latest = Some(Arc::new(facts));
        local
    }

    /// What was seen last.
    pub(crate) fn facts(&self) -> Option<Arc<Facts>> {
        self.shared
            .facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
