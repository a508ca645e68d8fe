//! Members that are not who they seem: a name that is taken, data of another cluster.

use std::process::{Command, Stdio};

use herdsman_tests::cluster::{Cluster, Member, postgres_folder};
use serde_json::json;

use super::EVERY;

/// Whoever comes second under a name goes away, and changes nothing. `n1` leads, `n2` follows.
fn check_second_of(name: &str) {
    let configuration = json!({"name": name});
    let cluster = Cluster::builder().local_of("n3", configuration).prepare();
    cluster.member("n1").start_daemon();
    cluster.wait_for_leader("n1");
    cluster.member("n2").start_daemon();
    cluster.wait_until_settled();
    let first = cluster.member(name);
    let (daemon, postmaster) = (first.daemon_pid(), first.postmaster_pid());
    let writer = cluster.writer(EVERY);

    // It has a folder and ports of its own.
    let second = cluster.member("n3");
    second.start_daemon();
    let status = second.wait_for_exit();

    assert_eq!(status.code(), Some(1), "{}", second.log());
    let told = format!("another agent runs under the name {name}: give this member another name");
    assert!(second.log().contains(&told), "{}", second.log());
    assert!(!second.data_dir().exists(), "it made a data directory");
    writer.wait_for_rows(100);
    assert_eq!(cluster.wait_until_settled().name(), "n1");
    assert_eq!(first.daemon_pid(), daemon);
    assert_eq!(first.postmaster_pid(), postmaster);
    assert_eq!(writer.stop().refusals.len(), 0);
    assert_eq!(cluster.timeline(), 1);
}

#[test]
fn second_daemon_under_the_leaders_name_is_refused() {
    check_second_of("n1");
}

#[test]
fn second_daemon_under_a_standbys_name_is_refused() {
    check_second_of("n2");
}

fn make_foreign_cluster(member: &Member) {
    let made = Command::new(postgres_folder().join("initdb"))
        .arg("-D")
        .arg(member.data_dir())
        .args(["-U", "postgres", "-A", "trust", "--no-sync"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    assert!(made.is_ok_and(|status| status.success()), "initdb fails");
}

/// A data directory of another cluster is neither started nor replaced.
#[test]
fn data_of_another_cluster_is_refused_and_left_alone() {
    let cluster = Cluster::builder().prepare();
    let [first, second, foreign] = cluster.members() else {
        panic!("there are three members");
    };
    first.start_daemon();
    second.start_daemon();
    cluster.wait_until_settled();
    make_foreign_cluster(foreign);
    let control = foreign.data_dir().join("global/pg_control");
    let before = std::fs::read(&control).expect("there is a cluster");

    foreign.start_daemon();
    let status = foreign.wait_for_exit();

    assert_eq!(status.code(), Some(1), "{}", foreign.log());
    assert!(foreign.log().contains("system"), "{}", foreign.log());
    assert_eq!(std::fs::read(&control).expect("it is still there"), before);
    assert!(foreign.server_processes().is_empty());
    let has = |name: &str| foreign.data_dir().join(name).exists();
    assert!(!has("postmaster.pid") && !has("standby.signal"));
    cluster.wait_until_settled();
    assert_eq!(cluster.timeline(), 1);
}
