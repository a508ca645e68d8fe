//! Commands of an operator's that change what is decided.

use std::fs;
use std::path::PathBuf;

use herdsman_tests::cluster::{Cluster, Member, wait_for};
use herdsman_tests::keys::Keys;
use serde_json::json;

use super::decided_at;

fn beside_configuration(member: &Member, name: &str) -> PathBuf {
    member.configuration().with_file_name(name)
}

#[test]
fn standby_is_promoted_only_when_the_script_agrees() {
    let script = "sh -c 'echo asked >> asked; test ! -e refuse' pre_promote";
    let cluster = Cluster::builder()
        .members(2)
        .local(&json!({"postgresql": {"pre_promote": script}}))
        // What the script says on its refusal.
        .allow_errors()
        .start();
    let old = cluster.wait_until_settled();
    let new = cluster.others(old.name())[0];
    let times_asked = || {
        let told = fs::read_to_string(beside_configuration(new, "asked")).unwrap_or_default();
        told.lines().count()
    };
    // The first promotion of a cluster is its making: nothing is asked.
    assert_eq!(times_asked(), 0);
    let refuse = beside_configuration(new, "refuse");
    fs::write(&refuse, "").unwrap();

    old.kill_host();

    wait_for("the refusal to be told", || {
        let decisions = new.decisions();
        let mut decisions = decisions.iter();
        let decision = decisions.find(|told| told["code"] == "released-after-failed-promotion")?;
        let sentence = decision["sentence"].as_str()?;
        sentence.contains("postgresql.pre_promote").then_some(())
    });
    wait_for("the leadership to be given up", || {
        Keys::of(&cluster).read("leader").is_none().then_some(())
    });
    assert_eq!(times_asked(), 1);
    assert_ne!(new.is_primary(), Some(true));

    fs::remove_file(&refuse).unwrap();
    wait_for("the promotion", || {
        new.is_primary().unwrap_or(false).then_some(())
    });
    assert!(times_asked() > 1);
    assert!(decided_at(new, "asking-about-promotion").is_some());
}

#[test]
fn empty_member_of_a_cluster_without_a_leader_restores_a_backup() {
    let restores = "sh -c 'echo \"$@\" > arguments; cp -a snapshot/. data' snapshot";
    let cluster = Cluster::builder()
        .members(2)
        .local(&json!({"postgresql": {
            "create_replica_methods": ["basebackup", "snapshot"],
            "snapshot": {"command": restores, "no_leader": true},
        }}))
        .start();
    let old = cluster.wait_until_settled();
    let rows = "CREATE TABLE t AS SELECT generate_series(1, 1000) AS id";
    old.session().unwrap().execute(rows).unwrap();
    cluster.wait_until_caught_up();
    let standby = cluster.others(old.name())[0];
    assert!(standby.stop_daemon().success());
    // A standby that was stopped in order is as good as a backup.
    let data = standby.data_dir();
    let snapshot = beside_configuration(standby, "snapshot");
    fs::rename(&data, &snapshot).unwrap();
    old.kill_host();
    wait_for("the leader's lease to end", || {
        Keys::of(&cluster).read("leader").is_none().then_some(())
    });

    standby.start_daemon();

    cluster.wait_for_leader(standby.name());
    assert!(decided_at(standby, "copy-from-backup").is_some());
    let count = standby.ask("SELECT count(*) FROM t");
    assert_eq!(count.as_deref(), Some("1000"));
    let arguments = fs::read_to_string(beside_configuration(standby, "arguments")).unwrap();
    let begins = "--no_leader=1 --scope=e2e --role=replica --datadir=";
    assert!(arguments.starts_with(begins), "{arguments}");
    assert!(
        arguments.trim_end().ends_with(" --connstring="),
        "{arguments}"
    );
    // With a leader there is something better to copy.
    old.start_daemon();
    cluster.wait_until_settled();
    assert!(decided_at(old, "copy-from-backup").is_none());
}
