//! How long clients cannot write: after a crash, during a planned move, after the loss of a host.
//!
//! Each run begins with a cluster in order and ends with all members back, so that runs do not
//! depend on each other.

use std::time::{Duration, Instant};

use crate::cluster::{Cluster, Load, Member, Writer};

/// How often the client writes: the resolution of what is measured.
pub(super) const EVERY: Duration = Duration::from_millis(10);
/// Rows before the fault: the client is connected and warm.
pub(super) const WARM: usize = 100;
/// How many clients keep the leader busy.
const BUSY_CLIENTS: u32 = 8;

/// What interrupts the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL of the first process of the leader's PostgreSQL.
    Crash,
    /// A switchover that somebody orders.
    Move,
    /// A switchover that somebody orders while eight clients of pgbench change rows.
    BusyMove,
    /// SIGKILL of everything on the leader's host.
    HostLoss,
}

impl Fault {
    /// What a cluster needs once before it can be measured.
    pub(super) fn prepare(self, cluster: &Cluster) {
        if self == Self::BusyMove {
            Load::prepare(cluster.wait_until_settled());
        }
    }
}

/// The longest time without an acknowledged row around one fault.
pub(super) fn measure(cluster: &Cluster, fault: Fault) -> Duration {
    let leader = cluster.wait_until_settled();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(WARM);
    let load = (fault == Fault::BusyMove).then(|| Load::start(leader, BUSY_CLIENTS));
    if load.is_none() {
        cluster.wait_until_caught_up();
    }
    let since = strike(cluster, leader, fault);
    let gap = gap(&writer, leader, since);
    drop((writer, load));
    if fault == Fault::HostLoss {
        leader.start_daemon();
    }
    cluster.wait_until_settled();
    gap
}

fn strike(cluster: &Cluster, leader: &Member, fault: Fault) -> Instant {
    match fault {
        Fault::Crash => leader.kill_postmaster(),
        Fault::HostLoss => leader.kill_host(),
        Fault::Move | Fault::BusyMove => {
            let ordered = Instant::now();
            let answer = cluster.switchover(leader.name(), None);
            assert_eq!(answer.status, 200, "the move was refused: {}", answer.body);
            ordered
        }
    }
}

fn gap(writer: &Writer, leader: &Member, since: Instant) -> Duration {
    writer.wait_for_other(leader.name(), since);
    // Some more rows: a second interruption would count as well.
    writer.wait_for_rows(WARM);
    writer.gap_after(since)
}
