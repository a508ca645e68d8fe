//! What every chapter of the story works with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use herdsman_ha_core::Mono;
use tokio::time::{Instant, sleep};

use crate::AnyError;
use crate::client::Servers;
use crate::cluster::Cluster;
use crate::recorder::Recorder;
use crate::screen::Screen;
use crate::text;

const PAUSE: Duration = Duration::from_millis(5);

/// The cluster, and those who look at it.
pub(crate) struct Stage {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) recorder: Recorder,
    pub(crate) screen: Arc<Screen>,
    pub(crate) servers: Servers,
    began: Mono,
    is_told: AtomicBool,
}

impl Stage {
    pub(crate) fn new(cluster: Arc<Cluster>, screen: Arc<Screen>, began: Mono) -> Self {
        let recorder = Recorder::start(Arc::clone(&cluster));
        let addresses = cluster.addresses();
        let password = cluster.superuser_password().to_owned();
        let servers = Servers {
            addresses,
            password,
        };
        Self {
            cluster,
            recorder,
            screen,
            servers,
            began,
            is_told: AtomicBool::new(false),
        }
    }

    /// Notes that the story was told to its end.
    pub(crate) fn mark_told(&self) {
        self.is_told.store(true, Ordering::SeqCst);
    }

    /// Whether the story was told to its end.
    pub(crate) fn is_told(&self) -> bool {
        self.is_told.load(Ordering::SeqCst)
    }

    pub(crate) fn now(&self) -> Mono {
        self.cluster.clock.mono()
    }

    /// Says a sentence with the time since the beginning.
    pub(crate) fn tell(&self, sentence: &str) {
        self.tell_at(self.now(), sentence);
    }

    /// Says a sentence about an instant.
    pub(crate) fn tell_at(&self, at: Mono, sentence: &str) {
        let head = format!("  {:>6} s   ", text::seconds(self.began, at));
        self.screen
            .say(&text::beside(&head, sentence, self.screen.width()));
    }

    /// Waits until `look` finds what is waited for; `what` names it if that does not happen.
    pub(crate) async fn until<T>(
        &self,
        limit: Duration,
        what: &str,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<T, AnyError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            if let Some(end) = self.cluster.first_end() {
                return Err(end.into());
            }
            if Instant::now() >= deadline {
                return Err(format!("{what}: not within {} s", limit.as_secs()).into());
            }
            sleep(PAUSE).await;
        }
    }
}
