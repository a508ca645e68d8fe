//! A synchronous cluster whose leader goes away under clients that write: no acknowledged row may be
//! lost, whichever way it goes.
//!
//! Invariant: what is lost is judged by what the clients were told.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::cluster::processes::signal as signal_process;
use crate::cluster::{Cluster, Load, Member, Writer, Written, wait_for};
use crate::keys::Keys;

/// How a leader goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL of everything on its host.
    Kill,
    /// SIGSTOP of its daemon and of every process of its server, until another member leads.
    Freeze,
    /// Its packets to the store vanish, until another member leads.
    Partition,
}

/// What came of one.
#[derive(Debug)]
pub struct Struck {
    /// How the leader went away.
    pub blow: Blow,
    /// Acknowledged rows.
    pub acknowledged: usize,
    /// Acknowledged rows that the new leader does not have.
    pub lost: usize,
    /// The longest time without an acknowledgement.
    pub gap: Duration,
}

impl Blow {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kill, Self::Freeze, Self::Partition];
}

impl fmt::Display for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            blow,
            acknowledged,
            lost,
            gap,
        } = self;
        write!(
            f,
            "{blow:?}: {acknowledged} rows acknowledged, {lost} lost, longest gap {gap:.3?}"
        )
    }
}

/// A synchronous cluster of three whose members reach the store by relays, with tables for a load.
#[must_use]
pub fn cluster() -> Cluster {
    let cluster = Cluster::builder()
        .config(&json!({"synchronous_mode": true, "primary_start_timeout": 0}))
        .relays()
        // A frozen leader that goes on finds its lease over.
        .allow_errors()
        .start();
    Load::prepare(cluster.wait_until_settled());
    cluster
}

/// Waits until the store says that a standby has every commit of this leader; tells which.
#[must_use]
pub fn wait_for_listed(cluster: &Cluster, leader: &str) -> Vec<String> {
    let keys = Keys::of(cluster);
    wait_for("a synchronous standby", || {
        let text = keys.read("sync")?;
        let value: serde_json::Value = serde_json::from_str(&text).ok()?;
        let names = value["sync_standby"].as_str()?;
        let is_of_leader = value["leader"] == leader;
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        is_of_leader.then_some(names)
    })
}

/// Strikes the leader of a cluster in order, brings everything back, and counts what was lost.
///
/// # Panics
/// When nobody takes over in time, somebody does who was not listed, or the cluster does not recover.
#[must_use]
pub fn strike(cluster: &Cluster, blow: Blow) -> Struck {
    let leader = cluster.wait_until_settled();
    let listed = wait_for_listed(cluster, leader.name());
    let load = Load::start(leader, BUSY_CLIENTS);
    let writers: Vec<_> = (0..CLIENTS).map(|_| cluster.writer(EVERY)).collect();
    for writer in &writers {
        writer.wait_for_rows(20);
    }
    let since = Instant::now();
    let frozen = begin(leader, blow);
    let new = cluster.wait_for_leader_other_than(leader.name());
    assert!(
        listed.iter().any(|name| name == new.name()),
        "{} leads, of {listed:?}",
        new.name()
    );
    for writer in &writers {
        let _ = writer.wait_for_other(leader.name(), since);
    }
    end(leader, blow, &frozen);
    drop(load);
    cluster.wait_until_settled();
    let written: Vec<Written> = writers.into_iter().map(Writer::stop).collect();
    Struck {
        blow,
        acknowledged: written.iter().map(|written| written.acks.len()).sum(),
        lost: written
            .iter()
            .map(|written| written.lost(cluster).len())
            .sum(),
        gap: written
            .iter()
            .map(|written| written.gap_after(since))
            .max()
            .unwrap_or_default(),
    }
}

/// How many clients write at once.
const CLIENTS: usize = 4;
/// How many clients of pgbench keep the leader busy beside them.
const BUSY_CLIENTS: u32 = 4;
/// How often each of them writes.
const EVERY: Duration = Duration::from_millis(5);

fn begin(leader: &Member, blow: Blow) -> Vec<u32> {
    match blow {
        Blow::Kill => {
            leader.kill_host();
            Vec::new()
        }
        Blow::Freeze => {
            let frozen = leader.server_processes();
            leader.freeze_daemon();
            for pid in &frozen {
                signal_process(*pid, Signal::STOP);
            }
            frozen
        }
        Blow::Partition => {
            leader.blackhole_store();
            Vec::new()
        }
    }
}

fn end(leader: &Member, blow: Blow, frozen: &[u32]) {
    match blow {
        Blow::Kill => leader.start_daemon(),
        Blow::Freeze => {
            for pid in frozen {
                signal_process(*pid, Signal::CONT);
            }
            leader.thaw_daemon();
        }
        Blow::Partition => leader.heal_store(),
    }
}

/// Strikes so many times in each way.
///
/// # Panics
/// When a row is lost, or the cluster does not recover.
pub fn run(times: u32, tell: impl Fn(&str)) {
    for blow in Blow::ALL {
        let cluster = cluster();
        let mut total = (0, 0, Duration::ZERO);
        for number in 1..=times {
            let struck = strike(&cluster, blow);
            tell(&format!("{number}: {struck}"));
            total.0 += struck.acknowledged;
            total.1 += struck.lost;
            total.2 = total.2.max(struck.gap);
            assert_eq!(struck.lost, 0, "{struck}");
        }
        let (acknowledged, lost, gap) = total;
        tell(&format!(
            "{times} x {blow:?}: {acknowledged} rows acknowledged, {lost} lost, longest gap {gap:.3?}"
        ));
    }
}
