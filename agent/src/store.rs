//! Following the cluster's keys: every change becomes a complete view for the machine.
//!
//! The watch re-lists by itself after a gap, so a view is whole or announced as missing.

use std::sync::Arc;
use std::time::Duration;

use herdsman_dcs::{Dcs, Error, Mirror, Prefix};
use herdsman_ha_core::Input;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::driver::Event;
use crate::observe;

/// Sends every view of the keys below `prefix` until the receiver is gone.
pub(crate) async fn follow(
    store: Arc<dyn Dcs>,
    prefix: Prefix,
    events: mpsc::UnboundedSender<Event>,
) {
    let mut complaints = Complaints::default();
    let mut mirror = Mirror::new(store, prefix.clone());
    loop {
        let Ok(seen) = timeout(REMIND, mirror.next()).await else {
            complaints.remind();
            continue;
        };
        let view = match seen {
            Ok(snapshot) => {
                complaints.over();
                Ok(Arc::new(observe::cluster(&prefix, snapshot)))
            }
            Err(error) => {
                complaints.make(&error);
                Err(observe::fault(&error))
            }
        };
        if events.send(Event::Input(Input::Cluster(view))).is_err() {
            return;
        }
    }
}

/// How often an outage that goes on is mentioned again.
const REMIND: Duration = Duration::from_secs(10);

/// Says that the store is out of reach, once and then now and again.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
}

impl Complaints {
    fn make(&mut self, error: &Error) {
        if self.last.is_none_or(|last| last.elapsed() >= REMIND) {
            let error = observe::chain(error);
            tracing::warn!(error, "the store cannot be watched: trying again");
            self.last = Some(Instant::now());
        }
    }

    /// An outage that is told once goes on.
    fn remind(&mut self) {
        if self.last.is_some() {
            tracing::warn!("the store is still out of reach: trying again");
        }
    }

    fn over(&mut self) {
        if self.last.take().is_some() {
            tracing::info!("the store is watched again");
        }
    }
}
