//! Following the cluster's keys: every change becomes a complete view for the machine.
//!
//! The watch re-lists by itself after a gap, so a view is whole or announced as missing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use herdsman_dcs::{Dcs, Error, Mirror, Prefix};
use herdsman_ha_core::{ClusterView, Input};
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
    let mut doubts = Doubts::default();
    let mut mirror = Mirror::new(store, prefix.clone());
    loop {
        let Ok(seen) = timeout(REMIND, mirror.next()).await else {
            complaints.remind();
            continue;
        };
        let view = match seen {
            Ok(snapshot) => {
                complaints.over();
                let view = observe::cluster(&prefix, snapshot);
                doubts.tell(&view);
                Ok(Arc::new(view))
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

/// Names the keys that do not say what they should, each once for as long as it is so.
#[derive(Default)]
struct Doubts {
    told: BTreeSet<(String, String)>,
}

impl Doubts {
    fn tell(&mut self, view: &ClusterView) {
        for (key, reason) in self.news(view) {
            tracing::warn!(key, reason, "a key of the store is not used as it stands");
        }
    }

    /// What was not so in the view before.
    fn news(&mut self, view: &ClusterView) -> Vec<(String, String)> {
        let unread = view.unread.iter();
        let unread = unread.map(|(key, reason)| (key.clone(), reason.clone()));
        let of_config = view.config_warnings.iter();
        let of_config = of_config.map(|warning| ("config".to_owned(), warning.clone()));
        let now: BTreeSet<(String, String)> = unread.chain(of_config).collect();
        let news = now.difference(&self.told).cloned().collect();
        self.told = now;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_in_doubt_is_named_once_until_it_was_in_order() {
        let doubt = ("sync".to_owned(), "it is no JSON object".to_owned());
        let fine = ClusterView::default();
        let mut broken = fine.clone();
        broken.unread.extend([doubt]);
        let mut doubts = Doubts::default();
        let told: Vec<usize> = [&fine, &broken, &broken, &fine, &broken]
            .map(|view| doubts.news(view).len())
            .into();
        assert_eq!(told, [0, 1, 0, 0, 1]);
        broken.config_warnings.push("ttl is no number".to_owned());
        let warned = ("config".to_owned(), "ttl is no number".to_owned());
        assert_eq!(doubts.news(&broken), [warned]);
    }
}
