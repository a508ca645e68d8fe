//! Sessions on the store's clock, which is true time.
//!
//! A session may be revoked once its time to live has passed since the last renewal reached the
//! store; it is really removed when the store next looks: etcd at the first tick from then on,
//! ZooKeeper at the first one after it. The invariant: never before, whatever the tick.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use herdsman_ha_core::SessionName;

use super::Flavour;
use crate::ids::{At, Node};

/// The shortest time to live of etcd with its defaults.
const ETCD_SHORTEST: Duration = Duration::from_secs(2);
/// Two ticks of ZooKeeper's default length, and twenty.
const ZOOKEEPER_SHORTEST: Duration = Duration::from_secs(4);
const ZOOKEEPER_LONGEST: Duration = Duration::from_secs(40);
/// How many sessions that ended can come back with a restored store.
const ENDED_KEPT: usize = 64;

/// All sessions of one store.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    flavour: Flavour,
    tick: Duration,
    opened: u64,
    /// In the order in which they were opened; few, so that looking through is cheapest.
    living: Vec<Session>,
    ended: VecDeque<(At, Session)>,
}

#[derive(Clone, Debug)]
struct Session {
    name: Arc<SessionName>,
    owner: Node,
    ttl: Duration,
    opened_at: At,
    expires_at: At,
}

impl Sessions {
    pub(super) fn new(flavour: Flavour, tick: Duration) -> Self {
        Self {
            flavour,
            tick,
            opened: 0,
            living: Vec::new(),
            ended: VecDeque::new(),
        }
    }

    pub(super) fn open(
        &mut self,
        owner: Node,
        ttl: Duration,
        longest: Option<Duration>,
        now: At,
    ) -> (SessionName, Duration) {
        // No name is ever used twice, so that one of before a restore is never taken for another.
        self.opened += 1;
        let name = SessionName::from(format!("{owner}{}", self.opened));
        let ttl = self.granted(ttl, longest);
        self.living.push(Session {
            name: Arc::new(name.clone()),
            owner,
            ttl,
            opened_at: now,
            expires_at: now.plus(ttl),
        });
        (name, ttl)
    }

    /// Etcd grants what is asked for in whole seconds, ZooKeeper what lies between its two limits.
    fn granted(&self, wish: Duration, longest: Option<Duration>) -> Duration {
        match self.flavour {
            Flavour::Etcd => {
                // Its protocol knows whole seconds.
                let has_part = wish.subsec_nanos() > 0;
                let whole = Duration::from_secs(wish.as_secs() + u64::from(has_part));
                let granted = longest.map_or(whole, |longest| whole.min(longest));
                granted.max(ETCD_SHORTEST)
            }
            Flavour::ZooKeeper => {
                let longest = longest.unwrap_or(ZOOKEEPER_LONGEST);
                wish.min(longest).max(ZOOKEEPER_SHORTEST)
            }
        }
    }

    fn find(&self, name: &SessionName) -> Option<&Session> {
        self.living.iter().find(|session| *session.name == *name)
    }

    /// The shared name of a session that lives.
    pub(super) fn name(&self, name: &SessionName) -> Option<Arc<SessionName>> {
        self.find(name).map(|session| Arc::clone(&session.name))
    }

    pub(super) fn owner(&self, name: &SessionName) -> Option<Node> {
        self.find(name).map(|session| session.owner)
    }

    pub(super) fn is_owner(&self, node: Node) -> bool {
        self.living.iter().any(|session| session.owner == node)
    }

    pub(super) fn expires_at(&self, name: &SessionName) -> Option<At> {
        self.find(name).map(|session| session.expires_at)
    }

    /// Whether the session lives and so has its whole time to live again. One of etcd's whose time
    /// is up is not: etcd lets a renewal wait for the removal, and then fails it. ZooKeeper knows
    /// nothing of a time that is up before it removes the session.
    pub(super) fn renew(&mut self, name: &SessionName, now: At) -> bool {
        let mut living = self.living.iter_mut();
        let Some(session) = living.find(|session| *session.name == *name) else {
            return false;
        };
        if self.flavour == Flavour::Etcd && session.expires_at <= now {
            return false;
        }
        session.expires_at = now.plus(session.ttl);
        true
    }

    pub(super) fn extend_all(&mut self, now: At) {
        for session in &mut self.living {
            session.expires_at = now.plus(session.ttl);
        }
    }

    pub(super) fn close(&mut self, name: &SessionName, now: At) -> Option<Arc<SessionName>> {
        let mut living = self.living.iter();
        let index = living.position(|session| *session.name == *name)?;
        Some(self.end(index, now).0)
    }

    fn end(&mut self, index: usize, now: At) -> (Arc<SessionName>, Node) {
        let session = self.living.remove(index);
        let told = (Arc::clone(&session.name), session.owner);
        if self.ended.len() == ENDED_KEPT {
            self.ended.pop_front();
        }
        self.ended.push_back((now, session));
        told
    }

    /// When a session is removed unless it is renewed before.
    fn removal(&self, session: &Session) -> At {
        let due = session.expires_at.0;
        let tick = u64::try_from(self.tick.as_nanos()).unwrap_or(u64::MAX);
        if tick == 0 {
            return session.expires_at;
        }
        let ticks = match self.flavour {
            Flavour::Etcd => due.div_ceil(tick),
            Flavour::ZooKeeper => due / tick + 1,
        };
        At(ticks.saturating_mul(tick))
    }

    pub(super) fn next_removal(&self) -> Option<At> {
        let living = self.living.iter();
        living.map(|session| self.removal(session)).min()
    }

    /// Ends the session that was due first of those to be removed by now.
    pub(super) fn take_due(&mut self, now: At) -> Option<(Arc<SessionName>, Node)> {
        let living = self.living.iter().enumerate();
        let due = living.filter(|(_, session)| self.removal(session) <= now);
        let (index, _) = due.min_by_key(|(_, session)| session.expires_at)?;
        Some(self.end(index, now))
    }

    /// The sessions of an earlier instant live again with their whole time to live; those of
    /// later are gone.
    pub(super) fn restore(&mut self, back_to: At, now: At) {
        let was_open = |session: &Session| session.opened_at <= back_to;
        for index in (0..self.living.len()).rev() {
            if !was_open(&self.living[index]) {
                self.end(index, now);
            }
        }
        for (ended_at, session) in std::mem::take(&mut self.ended) {
            if was_open(&session) && back_to < ended_at {
                self.living.push(session);
            } else {
                self.ended.push_back((ended_at, session));
            }
        }
        self.extend_all(now);
    }
}
