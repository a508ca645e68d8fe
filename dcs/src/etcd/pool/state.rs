//! What is known of the servers, and which of them is the next to be asked.
//!
//! Invariant: the given servers come before the learned ones, and nobody is asked twice before all
//! have been.

use std::time::Duration;

use etcd_client::Client;
use tokio::time::Instant;

use super::Chosen;
use crate::{Cause, Limits};

/// How long DNS is not asked again when it is of no help, or when its servers are not.
const DISCOVER_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct State {
    pub(super) limits: Limits,
    /// The endpoints that the options or DNS give. Empty until DNS has been asked.
    pub(super) given: Vec<String>,
    /// The given ones and the learned ones.
    pub(super) servers: Vec<Server>,
    pub(super) current: usize,
    pub(super) learn_next: Option<Instant>,
    /// When DNS may be asked for the given ones; never, when it is no matter of DNS.
    pub(super) discover_next: Option<Instant>,
}

pub(super) struct Server {
    pub(super) url: String,
    pub(super) client: Option<Client>,
    /// Which connection of this server it is; a new one is another life.
    pub(super) life: u64,
    pub(super) out_until: Option<Instant>,
    /// When it failed last.
    pub(super) failed_at: Option<Instant>,
    /// When a call on its present connection was answered last.
    pub(super) heard_at: Option<Instant>,
    /// The same on any of its connections.
    pub(super) answered_at: Option<Instant>,
}

impl State {
    /// How long to ask DNS for the servers, if it is time to: with others at hand not for long.
    pub(super) fn time_to_discover(&self) -> Option<Duration> {
        let is_due = self
            .discover_next
            .is_some_and(|next| next <= Instant::now());
        let limit = if self.servers.is_empty() {
            self.limits.call
        } else {
            self.limits.attempt
        };
        is_due.then_some(limit)
    }

    /// Takes what DNS said. That it said nothing matters only when there is no server to be asked.
    pub(super) fn discovered(&mut self, asked: Result<Vec<String>, Cause>) -> Result<(), Cause> {
        match asked {
            Ok(found) => {
                self.discover_next = None;
                self.give(found);
                Ok(())
            }
            Err(cause) if self.servers.is_empty() => Err(cause),
            Err(cause) => {
                tracing::warn!(%cause, "the etcd servers that are known stay in use");
                self.discover_next = Some(Instant::now() + DISCOVER_INTERVAL);
                Ok(())
            }
        }
    }

    /// DNS is asked again before long.
    pub(super) fn discover_later(&mut self) {
        let next = &mut self.discover_next;
        next.get_or_insert_with(|| Instant::now() + DISCOVER_INTERVAL);
    }

    /// Uses these servers as the given ones, and the learned ones beside them. What is known of
    /// those that were there stays known.
    pub(super) fn give(&mut self, given: Vec<String>) {
        let before = std::mem::replace(&mut self.given, given);
        self.keep(|url, given| given.contains(url) || !before.contains(url));
        for url in self.given.clone() {
            self.add(url);
        }
    }

    /// Uses these servers beside the given ones.
    pub(super) fn learn(&mut self, learned: Vec<String>) {
        self.keep(|url, given| given.contains(url) || learned.contains(url));
        for url in learned {
            self.add(url);
        }
    }

    fn keep(&mut self, is_kept: impl Fn(&String, &[String]) -> bool) {
        let current = self
            .servers
            .get(self.current)
            .map(|server| server.url.clone());
        self.servers
            .retain(|server| is_kept(&server.url, &self.given));
        let is_current = |server: &Server| Some(&server.url) == current.as_ref();
        self.current = self.servers.iter().position(is_current).unwrap_or(0);
    }

    fn add(&mut self, url: String) {
        if !self.servers.iter().any(|server| server.url == url) {
            self.servers.push(Server::new(url));
        }
    }

    /// The limit of an attempt, and the number of servers to try in a round. An
    /// attempt leaves time for others, as far as there are others.
    pub(super) fn begin(&self) -> (Duration, usize) {
        let count = self.servers.len();
        let share = self.limits.call / u32::try_from(count.clamp(1, 3)).unwrap_or(1);
        (self.limits.attempt.min(share), count)
    }

    /// The current server unless it is out; then the next given one, then a learned one; if all
    /// are out, the one that failed the longest time ago.
    pub(super) fn preferred(&self, now: Instant) -> usize {
        let count = self.servers.len();
        let is_in = |index: &usize| {
            let until = self.servers[*index].out_until;
            until.is_none_or(|until| until <= now)
        };
        let after_current = (0..count).map(|step| (self.current + step) % count);
        let (first, later): (Vec<usize>, Vec<usize>) = after_current.partition(|&index| {
            index == self.current || self.given.contains(&self.servers[index].url)
        });
        let mut order = first.into_iter().chain(later);
        order.find(is_in).unwrap_or_else(|| {
            let longest_ago = (0..count).min_by_key(|&index| self.servers[index].failed_at);
            longest_ago.unwrap_or(self.current)
        })
    }
}

impl Server {
    pub(super) const fn new(url: String) -> Self {
        Self {
            url,
            client: None,
            life: 0,
            out_until: None,
            failed_at: None,
            heard_at: None,
            answered_at: None,
        }
    }

    pub(super) fn is(&self, chosen: &Chosen) -> bool {
        self.url == chosen.url && self.life == chosen.life
    }
}
