//! What kind of world a run has: everything that is chosen once, before the first event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

mod names;
mod text;

/// Which store the members share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flavour {
    /// Leases on the server, linearizable reads, every change watched.
    Etcd,
    /// Sessions, reads that may be old on a follower, changes that may be skipped over.
    ZooKeeper,
}

/// How long messages and looks take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Latency {
    /// One millisecond each, always.
    Fixed,
    /// A local network: a few milliseconds, now and then tens.
    Near,
    /// Tens of milliseconds, now and then seconds.
    Far,
}

/// A way to break the driver around the machine, for showing that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriverMutant {
    /// What makes a server writable is not checked again when it is carried out.
    NoSecondLookAtTheGrant,
    /// A kill is told as done before it is.
    KillToldBeforeItIsDone,
    /// Data is deleted without asking the leader's server once more.
    NoSecondLookAtTheWitness,
    /// A task that a fence pushed out goes on.
    FencedTaskGoesOn,
    /// A task's end is never told.
    EndIsNeverTold,
    /// A new cluster is started without a second look at the claim.
    NoSecondLookAtTheClaim,
    /// A standby one of whose processes has crashed recovers by itself.
    CrashedStandbyRecoversByItself,
}

/// Everything that is chosen once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The store.
    pub flavour: Flavour,
    /// How many members, at least one.
    pub nodes: u8,
    /// The time to live of sessions.
    pub ttl: Duration,
    /// The pause between routine looks.
    pub loop_wait: Duration,
    /// Whether commits wait for a standby.
    pub is_synchronous: bool,
    /// Whether they wait also when no standby is there.
    pub is_strict: bool,
    /// How many standbys they wait for.
    pub sync_nodes: u8,
    /// Whether a leader goes on without the store while all others hold back.
    pub is_failsafe: bool,
    /// The lag in bytes up to which a standby may take over.
    pub lag_limit: u64,
    /// How long a crashed primary may take to start again; zero: another one takes over.
    pub primary_start_timeout: Duration,
    /// How long things take.
    pub latency: Latency,
    /// By how many millionths each member's clock runs too fast; missing: 0.
    pub drift_ppm: Vec<i32>,
    /// Whether diverged data is rewound; otherwise it is copied anew, as what a rewind left is.
    pub rewinds: bool,
    /// Whether a guardian beside each agent kills the server when its lease ends.
    pub has_guardian: bool,
    /// The pause between two writes of the model client.
    pub write_every: Duration,
    /// Members whose operator does not want them to lead.
    pub nofailover: BTreeSet<u8>,
    /// Members whose operator wants them to stream from another one, by that one.
    pub replicatefrom: BTreeMap<u8, u8>,
    /// Whether the configuration has a logical slot, which standbys copy.
    pub has_logical_slot: bool,
    /// The size of the store's expiry tick: how late a session may be removed.
    pub expiry_tick: Duration,
    /// The longest session the store grants; none: any.
    pub max_ttl: Option<Duration>,
    /// Whether the configuration keeps a standby from leading on a timeline that was left.
    pub checks_timeline: bool,
    /// Whether a script must agree to each promotion.
    pub has_pre_promote: bool,
    /// Whether faults begin before there is a cluster.
    pub begins_empty: bool,
    /// How long faults go on.
    pub safety: Duration,
    /// The rule of the machines that is broken, by its name; needs the feature `mutants`.
    pub mutant: Option<&'static str>,
    /// The rule of the driver that is broken.
    pub driver_mutant: Option<DriverMutant>,
}

impl Default for Options {
    /// Three members as most clusters have them, and nothing special.
    fn default() -> Self {
        Self {
            flavour: Flavour::Etcd,
            nodes: 3,
            ttl: Duration::from_secs(30),
            loop_wait: Duration::from_secs(10),
            is_synchronous: false,
            is_strict: false,
            sync_nodes: 1,
            is_failsafe: false,
            lag_limit: 1 << 20,
            primary_start_timeout: Duration::from_secs(300),
            latency: Latency::Fixed,
            drift_ppm: Vec::new(),
            rewinds: false,
            has_guardian: true,
            write_every: Duration::from_secs(2),
            nofailover: BTreeSet::new(),
            replicatefrom: BTreeMap::new(),
            has_logical_slot: false,
            expiry_tick: Duration::from_millis(500),
            max_ttl: None,
            checks_timeline: false,
            has_pre_promote: false,
            begins_empty: false,
            safety: Duration::from_secs(600),
            mutant: None,
            driver_mutant: None,
        }
    }
}
