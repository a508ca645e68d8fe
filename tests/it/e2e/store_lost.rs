//! The way to the store is lost: a leader stops taking writes before its lease ends.

use std::time::{Duration, Instant};

use herdsman_tests::cluster::{Cluster, Member, StoreKind, wait_for};
use herdsman_tests::keys::Keys;
use herdsman_tests::witness::Witness;

use super::{EVERY, assert_nothing_lost};

const TTL: u64 = 5;

/// What a network does to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Connections break, and new ones are refused.
    Cut,
    /// Nothing arrives any more.
    Blackhole,
}

fn isolate(member: &Member, fault: Fault) {
    match fault {
        Fault::Cut => member.cut_store(),
        Fault::Blackhole => member.blackhole_store(),
    }
}

/// The leader alone loses the store: another member takes over, and not before the old leader has
/// stopped taking writes.
fn check_isolated_leader(kind: StoreKind, fault: Fault) {
    let cluster = Cluster::builder().store(kind).ttl(TTL).relays().start();
    let old = cluster.wait_until_settled();
    let leaders = Keys::of(&cluster).record_leaders();
    let witness = Witness::of(&cluster);
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(50);
    cluster.wait_until_caught_up();

    let since = Instant::now();
    isolate(old, fault);

    let new = cluster.wait_for_leader_other_than(old.name());
    let first = wait_for("a row by the new leader", || {
        witness.first_by(new.name(), since)
    });
    let last = witness
        .last_by(old.name())
        .expect("the old leader took writes");
    let ended = wait_for("the end of the lease in the record", || {
        leaders.end_of(old.name(), since)
    });
    eprintln!(
        "{kind:?}, {fault:?}: last row by {} after {:?}, its lease ended after {:?}, first row by {} after {:?}",
        old.name(),
        last.at.saturating_duration_since(since),
        ended - since,
        new.name(),
        first.at - since
    );
    assert!(last.at < ended, "{last:?} after the lease ended, {ended:?}");
    assert!(last.at < first.sent, "{last:?}, then {first:?}");
    assert!(
        ended - since < Duration::from_secs(TTL + 2),
        "a lease lives for {TTL} s"
    );

    // Without the store it is nobody's standby, and it lets itself be read.
    wait_for("the old leader to be read only", || {
        (old.is_primary() == Some(false)).then_some(())
    });
    old.heal_store();

    assert_eq!(cluster.wait_until_settled().name(), new.name());
    let _ = witness.wait_for_row(Instant::now());
    witness.assert_one_writer_at_a_time();
    assert_nothing_lost(&writer.stop(), &cluster);
}

#[test]
fn leader_cut_from_the_store_stops_before_its_lease_ends() {
    check_isolated_leader(StoreKind::Etcd, Fault::Cut);
}

#[test]
fn leader_cut_from_zookeeper_stops_before_its_session_ends() {
    check_isolated_leader(StoreKind::ZooKeeper, Fault::Cut);
}

#[test]
fn leader_whose_packets_vanish_stops_before_its_lease_ends() {
    check_isolated_leader(StoreKind::Etcd, Fault::Blackhole);
}

/// All servers of the store are away for longer than a lease lives.
fn check_lost_store(kind: StoreKind, take: fn(&Cluster), give: fn(&Cluster)) {
    let cluster = Cluster::builder().store(kind).ttl(TTL).start();
    let leader = cluster.wait_until_settled();
    let witness = Witness::of(&cluster);
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(50);

    let since = Instant::now();
    take(&cluster);

    wait_for("the leader to be read only", || {
        (leader.is_primary() == Some(false)).then_some(())
    });
    let last = witness
        .last_by(leader.name())
        .expect("the leader took writes");
    let lived = last.at.saturating_duration_since(since);
    assert!(
        lived < Duration::from_secs(TTL),
        "it took writes for {lived:?}"
    );
    let late = since + Duration::from_secs(2 * TTL);
    wait_for("the lease to be over for long", || {
        let is_read_only = cluster
            .members()
            .iter()
            .all(|m| m.is_primary() == Some(false));
        assert!(is_read_only, "a member became primary without a store");
        (Instant::now() > late).then_some(())
    });
    let gone = Instant::now();
    give(&cluster);

    let after = cluster.wait_until_settled();
    let row = witness.wait_for_row(gone);
    eprintln!(
        "{kind:?}: {} took writes for {lived:?} without the store; {} takes them {:?} after its return",
        leader.name(),
        after.name(),
        row.at - gone
    );
    writer.wait_for_rows(50);
    witness.assert_one_writer_at_a_time();
    assert_nothing_lost(&writer.stop(), &cluster);
}

#[test]
fn cluster_without_a_store_is_read_only_and_recovers() {
    check_lost_store(
        StoreKind::Etcd,
        |cluster| cluster.store().kill(0),
        |cluster| cluster.store().restart(0),
    );
}

#[test]
fn cluster_with_a_hung_store_is_read_only_and_recovers() {
    check_lost_store(
        StoreKind::Etcd,
        |cluster| cluster.store().stop(0),
        |cluster| cluster.store().cont(0),
    );
}

#[test]
fn cluster_without_zookeeper_is_read_only_and_recovers() {
    check_lost_store(
        StoreKind::ZooKeeper,
        |cluster| cluster.store().kill(0),
        |cluster| cluster.store().restart(0),
    );
}
