//! Following the cluster's keys: every change becomes a complete view for the machine.
//!
//! The watch re-lists by itself after a gap, so a view is whole or announced as missing.

use std::sync::Arc;
use std::time::Duration;

use herdsman_dcs::{Dcs, Prefix, Snapshot, WatchEvent};
use herdsman_ha_core::Input;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::driver::Event;
use crate::observe;

/// How long to wait before a watch that could not begin is begun again.
const PAUSE: Duration = Duration::from_millis(500);

/// Sends every view of the keys below `prefix` until the receiver is gone.
pub(crate) async fn follow(
    store: Arc<dyn Dcs>,
    prefix: Prefix,
    clock: Arc<Clock>,
    events: mpsc::UnboundedSender<Event>,
) {
    loop {
        match store.watch(&prefix).await {
            Ok(mut watch) => {
                let mut mirror = Snapshot::default();
                loop {
                    // The view is at least as new as this instant only for a change that is being
                    // delivered: stamped when it arrives.
                    let event = watch.next().await;
                    let input = match event {
                        WatchEvent::Listed(snapshot) => {
                            mirror = snapshot;
                            view(&clock, &prefix, &mirror)
                        }
                        WatchEvent::Changed { revision, changes } => {
                            mirror.apply(revision, changes);
                            view(&clock, &prefix, &mirror)
                        }
                        WatchEvent::Interrupted(error) => {
                            tracing::warn!(error = observe::chain(&error), "watch interrupted");
                            Input::Cluster(Err(observe::fault(&error)))
                        }
                    };
                    if events.send(Event::Input(input)).is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = observe::chain(&error),
                    "the store cannot be watched"
                );
                let input = Input::Cluster(Err(observe::fault(&error)));
                if events.send(Event::Input(input)).is_err() {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn view(clock: &Clock, prefix: &Prefix, mirror: &Snapshot) -> Input {
    Input::Cluster(Ok(Box::new(observe::cluster(clock.mono(), prefix, mirror))))
}
