//! A store of three servers that loses one: the cluster carries on.

use std::time::{Duration, Instant};

use herdsman_tests::cluster::{Cluster, StoreKind, Writer, wait_for};
use herdsman_tests::keys::Keys;
use herdsman_tests::witness::Witness;

use super::{EVERY, assert_nothing_lost};

/// Both stores elect their next leader within seconds; a lease must outlive that.
const TTL: u64 = 10;
/// Far more than a client notices when only the store is in trouble.
const NO_GAP: Duration = Duration::from_secs(2);

/// What became of a server of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Killed,
    Hung,
}

/// Which server of the store is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Struck {
    Leader,
    Follower,
}

/// Strikes one server of the store.
fn strike(cluster: &Cluster, struck: Struck, blow: Blow) -> usize {
    let leader = wait_for("the store to have a leader", || cluster.store().leader());
    let number = match struck {
        Struck::Leader => leader,
        Struck::Follower => (leader + 1) % cluster.store().endpoints().len(),
    };
    let mut store = cluster.store();
    match blow {
        Blow::Killed => store.kill(number),
        Blow::Hung => store.stop(number),
    }
    number
}

fn heal(cluster: &Cluster, number: usize, blow: Blow) {
    let mut store = cluster.store();
    match blow {
        Blow::Killed => store.restart(number),
        Blow::Hung => store.cont(number),
    }
    store.wait_until_all_answer();
}

/// Waits until rows are acknowledged that were sent so long after `since` that a lease which was
/// not renewed from then on would have ended.
fn outlive_the_lease(writer: &Writer, since: Instant) {
    let late = since + Duration::from_secs(TTL + TTL / 2);
    wait_for("rows after the end of an old lease", || {
        let written = writer.written();
        written.acks.last().filter(|ack| ack.sent > late).map(drop)
    });
}

/// The members carry on as if nothing had happened, before and after each struck server is back.
fn check_that_nothing_happens(kind: StoreKind, blows: &[(Struck, Blow)]) {
    let cluster = Cluster::builder()
        .store(kind)
        .store_members(3)
        .ttl(TTL)
        .start();
    let leader = cluster.wait_until_settled();
    let postmaster = leader.postmaster_pid();
    let witness = Witness::of(&cluster);
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(50);

    for &(struck, blow) in blows {
        let since = Instant::now();
        let number = strike(&cluster, struck, blow);
        outlive_the_lease(&writer, since);
        heal(&cluster, number, blow);
        let healed = Instant::now();
        outlive_the_lease(&writer, healed);

        assert_eq!(cluster.wait_until_settled().name(), leader.name());
        assert_eq!(leader.postmaster_pid(), postmaster);
        assert_eq!(cluster.timeline(), 1);
        let gap = writer.gap_after(since);
        assert!(
            gap < NO_GAP,
            "{struck:?} {blow:?}: clients saw a gap of {gap:?}"
        );
    }
    assert_nothing_lost(&writer.stop(), &cluster);
    witness.assert_one_writer_at_a_time();
}

#[test]
fn lost_server_of_etcd_changes_nothing() {
    let blows = [
        (Struck::Follower, Blow::Killed),
        (Struck::Leader, Blow::Killed),
        (Struck::Follower, Blow::Hung),
    ];
    check_that_nothing_happens(StoreKind::Etcd, &blows);
}

#[test]
fn lost_server_of_zookeeper_changes_nothing() {
    let blows = [
        (Struck::Leader, Blow::Killed),
        (Struck::Follower, Blow::Hung),
    ];
    check_that_nothing_happens(StoreKind::ZooKeeper, &blows);
}

/// The hung server still believes to lead when it goes on, and etcd 3.4 then revokes leases that
/// were renewed at its successor. That costs the leadership, but never a second writer.
#[test]
fn hung_leader_of_the_store_is_survived() {
    let cluster = Cluster::builder().store_members(3).ttl(TTL).start();
    let before = cluster.wait_until_settled().name();
    let witness = Witness::of(&cluster);
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(50);

    let since = Instant::now();
    let number = strike(&cluster, Struck::Leader, Blow::Hung);
    outlive_the_lease(&writer, since);
    let gap_while_hung = writer.gap_after(since);
    heal(&cluster, number, Blow::Hung);
    let healed = Instant::now();
    outlive_the_lease(&writer, healed);

    let after = cluster.wait_until_settled().name();
    let (gap, timeline) = (writer.gap_after(healed), cluster.timeline());
    let revoked = if timeline == 1 {
        "kept its leases"
    } else {
        "revoked leases early"
    };
    eprintln!(
        "etcd's former leader {revoked}: {before} led, {after} leads on timeline {timeline}; \
         gap {gap_while_hung:?} while it hung, {gap:?} after it went on"
    );
    witness.assert_one_writer_at_a_time();
    let written = writer.stop();
    let lost = written.lost(&cluster);
    // A leadership that ends early loses what was on its way to the standbys, and nothing else.
    if timeline == 1 {
        assert_eq!(lost, Vec::<i64>::new());
    } else {
        assert_eq!(written.unexplained(&lost, healed), None);
    }
}

/// A member that is not the leader needs the store for nothing that clients see.
#[test]
fn standby_without_the_store_goes_on_streaming() {
    let cluster = Cluster::builder().relays().start();
    let leader = cluster.wait_until_settled();
    let standby = cluster.others(leader.name())[0];
    let writer = cluster.writer(EVERY);
    let since = Instant::now();

    standby.cut_store();
    outlive_the_lease(&writer, since);

    let streams = "SELECT count(*) FROM pg_catalog.pg_stat_replication WHERE state = 'streaming'";
    assert_eq!(leader.ask(streams).as_deref(), Some("2"));
    let gap = writer.gap_after(since);
    assert!(gap < NO_GAP, "clients saw a gap of {gap:?}");

    standby.heal_store();

    assert_eq!(cluster.wait_until_settled().name(), leader.name());
    assert_eq!(cluster.timeline(), 1);
    assert_nothing_lost(&writer.stop(), &cluster);
}

/// Somebody removes the leader key by hand.
#[test]
fn deleted_leader_key_leaves_one_writer() {
    let cluster = Cluster::builder().start();
    let before = cluster.wait_until_settled().name();
    let witness = Witness::of(&cluster);
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(50);
    let keys = Keys::of(&cluster);
    let leaders = keys.record_leaders();

    let deleted = Instant::now();
    keys.delete("leader");

    wait_for("somebody to take the leadership", || {
        let changes = leaders.changes();
        let last = changes.last()?;
        (last.at > deleted && last.leader.is_some()).then_some(())
    });
    let _ = witness.wait_for_row(Instant::now());
    let after = cluster.wait_until_settled().name();
    writer.wait_for_rows(50);
    eprintln!(
        "{before} led, {after} leads on timeline {}; gap {:?}; {:?}",
        cluster.timeline(),
        writer.gap_after(deleted),
        leaders.changes()
    );
    witness.assert_one_writer_at_a_time();
    // The fence kills the old leader: what no standby had received is lost.
    super::assert_only_the_newest_are_lost(&writer.stop(), &cluster, before);
}
