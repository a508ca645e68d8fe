//! A whole machine is lost: daemon and PostgreSQL, at once and without a word.

use std::time::{Duration, Instant};

use herdsman_tests::cluster::{Cluster, LONG};

use super::{EVERY, assert_nothing_lost, wait_for_rejoin};

const TTL: u64 = 5;

#[test]
fn lost_leader_is_replaced_when_its_lease_ends_and_rejoins() {
    let cluster = Cluster::builder().ttl(TTL).start();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(100);
    let written = writer.stop();
    cluster.wait_until_caught_up();
    let old = cluster.wait_until_settled().name();

    let killed = cluster.member(old).kill_host();

    let new = cluster.wait_for_leader_other_than(old).name();
    let took = killed.elapsed();
    let usual = Duration::from_secs(TTL);
    assert!(took < usual + LONG / 4, "it took {took:?}");
    assert_nothing_lost(&written, &cluster);
    cluster.wait_until_settled();
    assert_eq!(cluster.timeline(), 2);

    cluster.member(old).start_daemon();

    wait_for_rejoin(&cluster, new);
    assert_eq!(cluster.timeline(), 2);
    assert_nothing_lost(&written, &cluster);
}

#[test]
fn standby_that_missed_rows_does_not_replace_the_leader() {
    let cluster = Cluster::builder().ttl(TTL).start();
    let leader = cluster.wait_until_settled();
    let others = cluster.others(leader.name());
    let [complete, behind] = others[..] else {
        panic!("there are two standbys");
    };
    behind.kill_host();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(100);
    let written = writer.stop();
    cluster.wait_until_caught_up();

    leader.kill_host();
    behind.start_daemon();

    cluster.wait_for_leader(complete.name());
    wait_for_rejoin(&cluster, complete.name());
    assert_nothing_lost(&written, &cluster);
    assert_eq!(cluster.timeline(), 2);
    let since = Instant::now();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(10);
    assert!(
        writer
            .stop()
            .acks
            .iter()
            .all(|ack| *ack.by == *complete.name() && ack.at > since)
    );
}
