//! Failsafe mode: the store goes away, and the primary goes on exactly while all members hold back.

use std::time::{Duration, Instant};

use herdsman_tests::cluster::{Cluster, StoreKind, wait_for};
use herdsman_tests::soak::failsafe::{TTL, cluster, ride_out, stop_in_time, wait_until_active};

use super::{EVERY, assert_nothing_lost};

/// Longer than two leases.
const OUTAGE: Duration = Duration::from_secs(2 * TTL + 1);

fn check(cluster: &Cluster) {
    let gap = ride_out(cluster, OUTAGE);
    eprintln!("longest time without a row {gap:?}");
    assert!(gap < Duration::from_secs(1), "{gap:?} without a row");
}

#[test]
fn primary_goes_on_without_etcd_while_all_hold_back_and_stops_when_one_is_gone() {
    let cluster = cluster(StoreKind::Etcd);
    check(&cluster);
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);
    let took = stop_in_time(&cluster, &writer);
    eprintln!("the last row came {took:?} after the store went away");
    assert!(took < Duration::from_secs(TTL), "{took:?}");
    writer.wait_for_row_after(Instant::now());
    assert_nothing_lost(&writer.stop(), &cluster);
}

#[test]
fn primary_goes_on_without_zookeeper_while_all_hold_back() {
    check(&cluster(StoreKind::ZooKeeper));
}

#[test]
fn leader_whose_agent_is_restarted_without_the_store_stops_and_nobody_else_begins() {
    let cluster = cluster(StoreKind::Etcd);
    let leader = cluster.wait_until_settled();
    let others = cluster.others(leader.name());
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);
    cluster.store().kill(0);
    wait_until_active(leader);
    leader.kill_daemon();
    leader.start_daemon();
    wait_for("the server to be stopped", || {
        leader.postmaster_pid().is_none().then_some(())
    });
    let are_standbys = others.iter().all(|other| other.is_primary() == Some(false));
    assert!(are_standbys, "nobody may lead without the store");
    cluster.store().restart(0);
    cluster.store().wait_until_all_answer();
    cluster.wait_until_settled();
    writer.wait_for_row_after(Instant::now());
    drop(writer.stop());
}
