//! What can happen, and what of it explains a lost row.
//!
//! Invariant: a fault is undone by [`Struck::heal`], whatever became of the cluster meanwhile.

use std::fmt;
use std::time::Instant;

use crate::cluster::{Cluster, Member, wait_for};
use herdsman_sim::chance::Chance;

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL of the leader's postmaster.
    LeaderCrash,
    /// SIGKILL of everything on the leader's host.
    LeaderHost,
    /// SIGKILL of everything on a standby's host.
    StandbyHost,
    /// SIGKILL of the leader's daemon alone, and a new one at once.
    LeaderDaemon,
    /// SIGTERM to the leader's daemon.
    LeaderLeaves,
    /// SIGTERM to a standby's daemon.
    StandbyLeaves,
    /// A switchover to whoever is best.
    Switchover,
    /// A switchover to one member.
    SwitchoverTo,
    /// SIGKILL of the store's leading server.
    StoreLeaderKilled,
    /// SIGKILL of another server of the store.
    StoreFollowerKilled,
    /// SIGSTOP of the store's leading server.
    StoreLeaderHung,
    /// SIGSTOP of another server of the store.
    StoreFollowerHung,
}

/// What was struck, and when.
pub(super) struct Struck<'a> {
    pub(super) since: Instant,
    undo: Undo<'a>,
}

enum Undo<'a> {
    Nothing,
    StartDaemon(&'a Member),
    RestartStore(usize),
    ContinueStore(usize),
}

impl Fault {
    pub(super) const ALL: [Self; 12] = [
        Self::LeaderCrash,
        Self::LeaderHost,
        Self::StandbyHost,
        Self::LeaderDaemon,
        Self::LeaderLeaves,
        Self::StandbyLeaves,
        Self::Switchover,
        Self::SwitchoverTo,
        Self::StoreLeaderKilled,
        Self::StoreFollowerKilled,
        Self::StoreLeaderHung,
        Self::StoreFollowerHung,
    ];

    pub(super) fn draw(chance: &mut Chance) -> Self {
        chance.one_of(&Self::ALL)
    }

    /// Whether a row may be lost: only when a primary was killed before its standbys had all. A
    /// store without a leader may cost the lease, and its end kills as well.
    pub(super) const fn may_lose_rows(self) -> bool {
        match self {
            Self::LeaderCrash
            | Self::LeaderHost
            | Self::StoreLeaderKilled
            | Self::StoreLeaderHung => true,
            Self::StandbyHost
            | Self::LeaderDaemon
            | Self::LeaderLeaves
            | Self::StandbyLeaves
            | Self::Switchover
            | Self::SwitchoverTo
            | Self::StoreFollowerKilled
            | Self::StoreFollowerHung => false,
        }
    }

    /// Whether the leader must be another one afterwards.
    pub(super) const fn moves_the_leader(self) -> bool {
        match self {
            Self::LeaderHost | Self::LeaderLeaves | Self::Switchover | Self::SwitchoverTo => true,
            Self::LeaderCrash
            | Self::StandbyHost
            | Self::LeaderDaemon
            | Self::StandbyLeaves
            | Self::StoreLeaderKilled
            | Self::StoreFollowerKilled
            | Self::StoreLeaderHung
            | Self::StoreFollowerHung => false,
        }
    }

    /// Does it. The leader leads a cluster in order.
    pub(super) fn strike<'a>(
        self,
        cluster: &'a Cluster,
        leader: &'a Member,
        chance: &mut Chance,
    ) -> Struck<'a> {
        let standby = chance.one_of(&cluster.others(leader.name()));
        let since = Instant::now();
        let undo = match self {
            Self::LeaderCrash => {
                leader.kill_postmaster();
                Undo::Nothing
            }
            Self::LeaderHost => kill_host(leader),
            Self::StandbyHost => kill_host(standby),
            Self::LeaderDaemon => {
                leader.kill_daemon();
                leader.start_daemon();
                Undo::Nothing
            }
            Self::LeaderLeaves => leave(leader),
            Self::StandbyLeaves => leave(standby),
            Self::Switchover => order(cluster, leader, None),
            Self::SwitchoverTo => order(cluster, leader, Some(standby.name())),
            Self::StoreLeaderKilled => kill_store(cluster, store_leader(cluster)),
            Self::StoreFollowerKilled => kill_store(cluster, store_follower(cluster)),
            Self::StoreLeaderHung => hang_store(cluster, store_leader(cluster)),
            Self::StoreFollowerHung => hang_store(cluster, store_follower(cluster)),
        };
        Struck { since, undo }
    }
}

impl Struck<'_> {
    /// Brings back what was taken away.
    pub(super) fn heal(&self, cluster: &Cluster) {
        match self.undo {
            Undo::Nothing => {}
            Undo::StartDaemon(member) => member.start_daemon(),
            Undo::RestartStore(number) => {
                let mut store = cluster.store();
                store.restart(number);
                store.wait_until_all_answer();
            }
            Undo::ContinueStore(number) => {
                let mut store = cluster.store();
                store.cont(number);
                store.wait_until_all_answer();
            }
        }
    }
}

fn kill_host(member: &Member) -> Undo<'_> {
    member.kill_host();
    Undo::StartDaemon(member)
}

fn leave(member: &Member) -> Undo<'_> {
    let status = member.stop_daemon();
    assert!(status.success(), "{} left with {status}", member.name());
    Undo::StartDaemon(member)
}

fn order<'a>(cluster: &Cluster, leader: &Member, candidate: Option<&str>) -> Undo<'a> {
    let answer = cluster.switchover(leader.name(), candidate);
    assert_eq!(answer.status, 200, "the move was refused: {}", answer.body);
    Undo::Nothing
}

fn store_leader(cluster: &Cluster) -> usize {
    wait_for("the store to have a leader", || cluster.store().leader())
}

fn store_follower(cluster: &Cluster) -> usize {
    let count = cluster.store().endpoints().len();
    (store_leader(cluster) + 1) % count
}

fn kill_store<'a>(cluster: &Cluster, number: usize) -> Undo<'a> {
    cluster.store().kill(number);
    Undo::RestartStore(number)
}

fn hang_store<'a>(cluster: &Cluster, number: usize) -> Undo<'a> {
    cluster.store().stop(number);
    Undo::ContinueStore(number)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeaderCrash => "PostgreSQL of the leader killed",
            Self::LeaderHost => "host of the leader lost",
            Self::StandbyHost => "host of a standby lost",
            Self::LeaderDaemon => "daemon of the leader killed and started",
            Self::LeaderLeaves => "leader stopped by SIGTERM",
            Self::StandbyLeaves => "standby stopped by SIGTERM",
            Self::Switchover => "switchover",
            Self::SwitchoverTo => "switchover to one member",
            Self::StoreLeaderKilled => "leading etcd server killed",
            Self::StoreFollowerKilled => "following etcd server killed",
            Self::StoreLeaderHung => "leading etcd server hung",
            Self::StoreFollowerHung => "following etcd server hung",
        })
    }
}
