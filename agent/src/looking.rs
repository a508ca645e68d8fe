//! Looking at the local server, one look at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use herdsman_ha_core::{Input, LocalView};
use herdsman_pgctl::{Facts, Instance, ServerRole, backend_ended};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

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
    awaited: Mutex<Awaited>,
}

/// Connections to standbys that commits wait for. While one of them is gone commits stand still, so
/// its end is seen at once, and not only by the next look.
#[derive(Default)]
struct Awaited {
    senders: Vec<u32>,
    watch: Option<AbortHandle>,
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
        self.watch(awaited_senders(&facts));
        *lock(&self.shared.facts) = Some(Arc::new(facts));
        local
    }

    fn watch(&self, senders: Vec<u32>) {
        let mut awaited = lock(&self.shared.awaited);
        if awaited.senders == senders {
            return;
        }
        if let Some(before) = awaited.watch.take() {
            before.abort();
        }
        awaited.senders.clone_from(&senders);
        if senders.is_empty() {
            return;
        }
        let events = self.sender.clone();
        let watch = tokio::spawn(async move {
            backend_ended(&senders).await;
            let _ = events.send(Event::SenderEnded);
        });
        awaited.watch = Some(watch.abort_handle());
    }

    /// What was seen last.
    pub(crate) fn facts(&self) -> Option<Arc<Facts>> {
        lock(&self.shared.facts).clone()
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
    }
}

fn awaited_senders(facts: &Facts) -> Vec<u32> {
    let Some(server) = &facts.server else {
        return Vec::new();
    };
    if !matches!(server.role, ServerRole::Primary { .. }) {
        return Vec::new();
    }
    let awaited = server.senders.iter().filter(|it| it.sync_priority > 0);
    awaited.map(|sender| sender.pid).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
