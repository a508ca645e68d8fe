//! How long commits stand still when the standby dies that they wait for.

use std::time::{Duration, Instant};

use super::outage::{EVERY, WARM};
use crate::cluster::{Cluster, wait_for};
use crate::soak::synchronous::wait_for_listed;

/// The longest time without an acknowledged row around SIGKILL of everything on the host of the
/// synchronous standby. The run ends with all members back.
pub(super) fn measure(cluster: &Cluster) -> Duration {
    let leader = cluster.wait_until_settled();
    let listed = wait_for_listed(cluster, leader.name());
    let standby = cluster.member(listed.first().expect("somebody is listed"));
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(WARM);
    let since = standby.kill_host();
    writer.wait_for_row_after(since);
    // The other standby takes its place, and commits wait for that one.
    wait_for("another synchronous standby", || {
        (wait_for_listed(cluster, leader.name()) != listed).then_some(())
    });
    writer.wait_for_row_after(Instant::now());
    let gap = writer.gap_after(since);
    drop(writer);
    standby.start_daemon();
    cluster.wait_until_settled();
    gap
}
