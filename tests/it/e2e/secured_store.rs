//! Stores that want to be spoken to in TLS, and to know who asks.

use herdsman_tests::cluster::{Cluster, Control, StoreKind, wait_for};
use serde_json::json;

use super::{EVERY, assert_only_the_newest_are_lost, wait_for_rejoin};

/// A cluster of two loses its leader, gets it back as a standby, and is seen by the command line.
fn assert_survives(kind: StoreKind) {
    let cluster = Cluster::builder().members(2).store(kind).secured().start();
    let first = cluster.wait_until_settled();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);
    first.kill_host();
    let second = cluster.wait_for_leader_other_than(first.name());
    first.start_daemon();
    wait_for_rejoin(&cluster, second.name());
    writer.wait_for_rows(20);
    assert_only_the_newest_are_lost(&writer.stop(), &cluster, first.name());
    assert_eq!(cluster.timeline(), 2);

    let control = Control::with(second.configuration());
    let listed = control.run(&["list", cluster.scope()]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    for member in cluster.members() {
        assert!(listed.out.contains(member.name()), "{listed:?}");
    }
}

#[test]
fn daemon_names_a_file_that_is_missing_and_does_not_start() {
    let file = json!({"etcd3": {"protocol": "https", "cacert": "/nowhere/ca.pem"}});
    let cluster = Cluster::builder().members(1).local(&file).prepare();
    let member = cluster.member("n1");
    member.start_daemon();
    assert_eq!(member.wait_for_exit().code(), Some(1));
    let log = member.log();
    let told = "etcd3.cacert: /nowhere/ca.pem cannot be read";
    assert!(log.lines().any(|line| line.contains(told)), "{log}");
}

#[test]
fn daemon_names_what_is_wrong_with_a_store_and_waits() {
    let wrong = json!({"etcd3": {"password": "guess-7", "cacert": null}});
    let cluster = Cluster::builder().members(1).secured();
    let cluster = cluster.local(&wrong).allow_errors().prepare();
    let member = cluster.member("n1");
    member.start_daemon();
    let told = wait_for("the daemon to say what is wrong", || {
        let log = member.log();
        let mut lines = log.lines().map(str::to_owned);
        lines.find(|line| line.contains("does cacert name its authority"))
    });
    assert!(told.contains("https://127.0.0.1:"), "{told}");
    assert!(member.is_daemon_running());
    assert!(!member.log().contains("guess-7"));
}

#[test]
fn cluster_on_etcd_with_certificates_and_a_password_survives_its_leader() {
    assert_survives(StoreKind::Etcd);
}

#[test]
fn cluster_on_zookeeper_with_certificates_and_access_lists_survives_its_leader() {
    assert_survives(StoreKind::ZooKeeper);
}
