//! The life of a cluster on ZooKeeper: made, failed over, moved, asked and read by the tools of
//! others.

use herdsman_tests::cluster::{Cluster, Control, StoreKind};
use herdsman_tests::keys::Keys;
use herdsman_tests::witness::Witness;

use super::{EVERY, assert_only_the_newest_are_lost, wait_for_rejoin};

#[test]
fn cluster_on_zookeeper_survives_its_leader_and_moves_on_demand() {
    let cluster = Cluster::builder()
        .store(StoreKind::ZooKeeper)
        .store_members(3)
        .start();
    let first = cluster.wait_until_settled();
    let witness = Witness::of(&cluster);
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(50);

    first.kill_host();
    let second = cluster.wait_for_leader_other_than(first.name());
    first.start_daemon();
    wait_for_rejoin(&cluster, second.name());
    assert_eq!(cluster.timeline(), 2);
    writer.wait_for_rows(50);
    witness.assert_one_writer_at_a_time();
    assert_only_the_newest_are_lost(&writer.stop(), &cluster, first.name());

    let control = Control::with(second.configuration());
    let order = ["switchover", cluster.scope(), "--force"];
    let candidate = ["--candidate", first.name()];
    let moved = control.run(&[&order[..], &candidate].concat());
    assert_eq!(moved.code, Some(0), "{moved:?}");
    wait_for_rejoin(&cluster, first.name());
    assert_eq!(cluster.timeline(), 3);

    // What Patroni's tools read there.
    let keys = Keys::of(&cluster);
    assert_eq!(keys.read("leader").as_deref(), Some(first.name()));
    assert!(
        keys.read("initialize")
            .is_some_and(|id| id.parse::<u64>().is_ok())
    );
    let history = keys.read("history").unwrap_or_default();
    assert!(history.contains(first.name()), "{history}");
    let history = control.run(&["history", cluster.scope(), "-f", "tsv"]);
    assert_eq!(history.out.lines().count(), 3, "{history:?}");
}
