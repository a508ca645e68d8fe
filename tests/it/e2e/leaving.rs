//! The leader's daemon is asked to stop.

use std::time::{Duration, Instant};

use herdsman_tests::cluster::Cluster;

use super::{EVERY, assert_nothing_lost, wait_for_rejoin};

/// Long, so that a lease that merely ends cannot be taken for one that was handed over.
const TTL: u64 = 45;

#[test]
fn stopped_leader_hands_over_and_loses_nothing() {
    let cluster = Cluster::builder().ttl(TTL).start();
    let old = cluster.wait_until_settled();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(50);

    let asked = Instant::now();
    old.terminate_daemon();

    let first = writer.wait_for_other(old.name(), asked);
    let took = first.at - asked;
    assert!(took < Duration::from_secs(TTL / 2), "it took {took:?}");
    let exit = old.wait_for_exit();
    assert_eq!(exit.code(), Some(0), "{exit}");
    assert!(
        old.server_processes().is_empty(),
        "its PostgreSQL still runs"
    );
    cluster.wait_until_settled();
    assert_nothing_lost(&writer.written(), &cluster);
    assert_eq!(cluster.timeline(), 2);

    old.start_daemon();

    wait_for_rejoin(&cluster, &first.by);
    writer.wait_for_rows(20);
    assert_nothing_lost(&writer.stop(), &cluster);
}

#[test]
fn stopped_standby_disturbs_nobody() {
    let cluster = Cluster::builder().start();
    let leader = cluster.wait_until_settled().name();
    let standby = cluster.others(leader)[0];
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);

    let exit = standby.stop_daemon();

    assert_eq!(exit.code(), Some(0), "{exit}");
    assert!(
        standby.server_processes().is_empty(),
        "its PostgreSQL still runs"
    );
    writer.wait_for_rows(20);
    standby.start_daemon();
    wait_for_rejoin(&cluster, leader);
    let written = writer.stop();
    assert_eq!(written.refusals.len(), 0, "{:?}", written.refusals);
    assert_nothing_lost(&written, &cluster);
    assert_eq!(cluster.timeline(), 1);
}
