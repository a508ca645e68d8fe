//! What kind of world a seed gives, and which kinds of faults are enabled in it at all.
//!
//! A world with everything enabled hides what only shows when something is absent: a fault that
//! never happens lets another one last.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::{Focus, Kind, Wish};
use crate::chance::Chance;
use crate::options::{Flavour, Latency, Options};

/// A world and the faults that are possible in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swarm {
    /// The world.
    pub options: Options,
    /// The faults.
    pub kinds: BTreeSet<Kind>,
    /// The story that is told between other faults.
    pub focus: Option<Focus>,
    /// The usual pause between two of them.
    pub pause: Duration,
}

impl fmt::Display for Swarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        writeln!(f, "{}", self.options)?;
        let pause = self.pause.as_secs();
        if let Some(focus) = self.focus {
            write!(f, "focus {focus}; ")?;
        }
        write!(f, "faults every {pause} s of: {}", kinds.join(" "))
    }
}

impl Swarm {
    /// The swarm of a seed.
    #[must_use]
    pub fn of(seed: u64, wish: &Wish) -> Self {
        Self::draw(&mut Chance::new(seed), wish)
    }

    pub(super) fn draw(chance: &mut Chance, wish: &Wish) -> Self {
        // Draws of its own, so that a new option does not change all faults.
        let mut own = Chance::new(chance.draw());
        let mut options = options(&mut own, wish);
        let mut own = Chance::new(chance.draw());
        let drawn = own.one_of(Focus::usual());
        let is_drawn = own.once_in(2);
        // Draws of their own: worlds without failsafe mode go on to mean what they meant.
        let mut apart = Chance::new(own.clone().draw());
        let drawn = if options.is_failsafe && apart.once_in(2) {
            apart.one_of(Focus::WITHOUT_STORE)
        } else if apart.once_in(20) {
            Focus::Hearsay
        } else if apart.once_in(30) {
            Focus::SlowBeginning
        } else {
            drawn
        };
        options.replicatefrom = cascade(&mut Chance::new(apart.clone().draw()), options.nodes);
        options.has_logical_slot = Chance::new(apart.clone().draw() ^ 1).once_in(4);
        let mut apart = Chance::new(apart.clone().draw() ^ 2);
        let drawn = match apart.once_in(24) {
            true => apart.one_of(Focus::OF_STANDBYS),
            false => drawn,
        };
        let mut apart = Chance::new(apart.clone().draw() ^ 3);
        let drawn = match apart.once_in(30) {
            true => apart.one_of(Focus::LATEST),
            false => drawn,
        };
        let mut apart = Chance::new(apart.clone().draw() ^ 4);
        let drawn = match apart.once_in(40) {
            true => Focus::LeftOrder,
            false => drawn,
        };
        let focus = wish.focus.or_else(|| is_drawn.then_some(drawn));
        if let Some(focus) = focus {
            focus.favours(&mut own, &mut options);
        }
        let mut own = Chance::new(chance.draw());
        let enabled = Kind::ALL.iter().filter(|kind| own.once_in(kind.odds()));
        let mut kinds: BTreeSet<Kind> = enabled.copied().collect();
        if kinds.is_empty() {
            kinds.insert(Kind::CrashHost);
        }
        // Rare faults show what a cluster makes of one, frequent ones what it makes of several.
        let halves = own.one_of(&[1, 2, 4, 4, 8, 12]);
        Self {
            focus,
            pause: options.ttl * halves / 2,
            options,
            kinds,
        }
    }
}

fn options(chance: &mut Chance, wish: &Wish) -> Options {
    let nodes = chance.one_of(&[1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 5, 5, 6, 7]);
    let drawn = chance.one_of(&[Flavour::Etcd, Flavour::Etcd, Flavour::ZooKeeper]);
    let flavour = wish.flavour.unwrap_or(drawn);
    let ttl = chance.one_of(&[5, 6, 8, 10, 15, 20, 30, 30]);
    let loop_wait = chance.one_of(&[ttl / 3, ttl / 3, ttl / 5, ttl / 10]).max(1);
    let drawn = (Duration::from_secs(ttl), Duration::from_secs(loop_wait));
    let (ttl, loop_wait) = wish.timings.unwrap_or(drawn);
    let start_timeout = chance.one_of(&[Duration::ZERO, ttl, Duration::from_secs(300)]);
    let latency = chance.one_of(&[Latency::Fixed, Latency::Near, Latency::Near, Latency::Far]);
    let write_every = chance.one_of(&[200, 500, 1000, 2000, 5000]);
    let tick = chance.one_of(&[100, 500, 1000]);
    let is_synchronous = chance.once_in(8) || wish.synchronous;
    Options {
        flavour,
        nodes,
        ttl,
        loop_wait,
        is_synchronous,
        // No draw of its own: a seed goes on to mean what it meant.
        rewinds: write_every < 1000,
        lag_limit: chance.one_of(&[1 << 10, 4 << 10, 64 << 10, 1 << 20, 1 << 20]),
        primary_start_timeout: start_timeout,
        latency,
        drift_ppm: drifts(chance, nodes),
        has_guardian: chance.once_in(2),
        write_every: Duration::from_millis(write_every),
        nofailover: reluctant(chance, nodes),
        replicatefrom: BTreeMap::new(),
        has_logical_slot: false,
        expiry_tick: Duration::from_millis(match flavour {
            Flavour::Etcd => tick,
            Flavour::ZooKeeper => 2 * tick,
        }),
        max_ttl: max_ttl(chance, flavour),
        checks_timeline: chance.once_in(3),
        begins_empty: chance.once_in(8),
        is_strict: chance.once_in(3) && is_synchronous,
        sync_nodes: chance.one_of(&[1, 1, 1, 2, 2, 3]),
        is_failsafe: chance.once_in(8) || wish.failsafe,
        has_pre_promote: chance.once_in(8),
        safety: wish.safety,
        mutant: wish.mutant,
        driver_mutant: wish.driver_mutant,
    }
}

/// Who should stream from another standby, in one of four worlds: also chains and rings.
fn cascade(chance: &mut Chance, nodes: u8) -> BTreeMap<u8, u8> {
    let mut pairs = BTreeMap::new();
    if nodes < 3 || !chance.once_in(4) {
        return pairs;
    }
    for taker in 0..nodes {
        let source = u8::try_from(chance.below(nodes.into())).expect("a small number");
        if chance.once_in(2) && source != taker {
            pairs.insert(taker, source);
        }
    }
    pairs
}

/// Clocks that are right in one half of the worlds.
fn drifts(chance: &mut Chance, nodes: u8) -> Vec<i32> {
    const MOST: u64 = 400;
    let has_drift = chance.once_in(2);
    let mut drifts: Vec<i32> = (0..nodes)
        .map(|_| i32::try_from(chance.below(2 * MOST + 1)).expect("a small number") - 400)
        .collect();
    if !has_drift {
        drifts.clear();
    }
    // One form for equal options: a clock that is missing is right.
    while drifts.last() == Some(&0) {
        drifts.pop();
    }
    drifts
}

/// A member that does not lead, in some of the worlds with enough others.
fn reluctant(chance: &mut Chance, nodes: u8) -> BTreeSet<u8> {
    let is_there = chance.once_in(8);
    let letters: Vec<u8> = (0..nodes).collect();
    let chosen = chance.one_of(&letters);
    (is_there && nodes > 2)
        .then_some(chosen)
        .into_iter()
        .collect()
}

/// A store may grant less than it is asked for.
fn max_ttl(chance: &mut Chance, flavour: Flavour) -> Option<Duration> {
    let seconds = chance.one_of(&[4, 8, 12, 40]);
    let is_there = chance.once_in(3) && flavour == Flavour::ZooKeeper;
    is_there.then(|| Duration::from_secs(seconds))
}
