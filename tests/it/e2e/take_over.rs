//! A cluster whose members were made by something else: a backup, or Patroni.

use std::process::Command;

use herdsman_tests::bench::Contender;
use herdsman_tests::cluster::{Cluster, Member, postgres_folder, wait_for};
use herdsman_tests::keys::Keys;
use serde_json::{Value, json};

use super::{EVERY, assert_nothing_lost, write};

/// Waits until all that this primary has written is in the archive.
fn wait_for_archive(member: &Member) {
    let ask = |query: &str| member.ask(query).expect("an answer");
    let newest = ask("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
    ask("SELECT pg_switch_wal()");
    wait_for(&format!("{newest} to be archived"), || {
        let query = format!("SELECT last_archived_wal >= '{newest}' FROM pg_stat_archiver");
        (member.ask(&query)? == "t").then_some(())
    });
}

#[test]
fn cluster_is_made_from_a_backup_and_what_its_archive_has_since() {
    let folder = tempfile::tempdir().expect("a folder");
    let (archive, backup) = (folder.path().join("archive"), folder.path().join("backup"));
    std::fs::create_dir(&archive).expect("a folder");
    let archive = archive.display();
    let before = Cluster::builder()
        .members(1)
        .config(&json!({"postgresql": {"parameters": {
            "archive_mode": "on",
            "archive_command": format!("cp %p {archive}/%f"),
        }}}))
        .start();
    let source = before.wait_until_settled();
    write(source, "CREATE TABLE kept (n int)");
    let endpoint = source.replication_endpoint();
    let copied = Command::new(postgres_folder().join("pg_basebackup"))
        .args([
            "-X",
            "none",
            "-c",
            "fast",
            "-h",
            "127.0.0.1",
            "-U",
            &endpoint.user,
        ])
        .arg("-p")
        .arg(source.port().to_string())
        .arg("-D")
        .arg(&backup)
        .env("PGPASSWORD", &endpoint.password)
        .status();
    assert!(copied.expect("the program runs").success());
    write(source, "INSERT INTO kept VALUES (1)");
    // Readers would have to be let in with as many connections.
    let keys = Keys::of(&before);
    keys.configure(
        "postgresql",
        json!({"parameters": {
            "max_connections": 60,
            "archive_mode": "on",
            "archive_command": format!("cp %p {archive}/%f"),
        }}),
    );
    wait_for("the setting to wait for a restart", || {
        (source.status()?["pending_restart"] == true).then_some(())
    });
    source.kill_postmaster();
    before.wait_until_settled();
    write(source, "INSERT INTO kept VALUES (2)");
    wait_for_archive(source);
    let system = source.status().expect("an answer")["database_system_identifier"].clone();
    drop(before);

    let backup = backup.display();
    let cluster = Cluster::builder()
        .members(2)
        .local(&json!({"bootstrap": {
            "method": "archive",
            "archive": {
                "command": format!("sh -c 'cp -a {backup}/. data/'"),
                "no_params": true,
                "recovery_conf": {
                    "restore_command": format!("cp {archive}/%f %p"),
                    "recovery_target_timeline": "latest",
                    "recovery_target_action": "promote",
                },
            },
        }}))
        .start();
    let leader = cluster.wait_until_settled();
    for member in cluster.members() {
        wait_for(&format!("the rows on {}", member.name()), || {
            (member.ask("SELECT count(*) FROM kept")? == "2").then_some(())
        });
        assert_eq!(member.ask("SHOW hot_standby").as_deref(), Some("on"));
    }
    let status = leader.status().expect("an answer");
    assert_eq!(status["database_system_identifier"], system);
    assert_eq!(status["pending_restart"], Value::Null, "{status}");
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);
    let other = cluster.others(leader.name())[0];
    assert_eq!(
        cluster.switchover(leader.name(), Some(other.name())).status,
        200
    );
    cluster.wait_for_leader(other.name());
    cluster.wait_until_settled();
    assert_nothing_lost(&writer.stop(), &cluster);
}

/// As docs/from-a-patroni-guide.md has it: in a pause, with servers that go on.
#[test]
fn running_cluster_of_patroni_is_taken_over_in_a_pause_without_a_stop() {
    let Ok(Contender::Patroni(program)) = Contender::patroni() else {
        eprintln!("skipped: Patroni is not installed");
        return;
    };
    let cluster = Cluster::builder()
        .ttl(20)
        .daemon(program, &[])
        .allow_errors()
        .start();
    let leader = cluster.wait_until_settled();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);
    let keys = Keys::of(&cluster);
    keys.configure("pause", true.into());
    wait_for("every member to know of the pause", || {
        let knows = |member: &Member| Some(member.status()?["pause"] == true);
        cluster
            .members()
            .iter()
            .all(|member| knows(member) == Some(true))
            .then_some(())
    });
    let postmasters = || -> Vec<_> {
        let members = cluster.members().iter();
        members.map(Member::postmaster_pid).collect()
    };
    let before = postmasters();

    for member in cluster.others(leader.name()).into_iter().chain([leader]) {
        member.stop_daemon();
        member.start_our_daemon();
    }
    wait_for("every member to be ours", || {
        let is_ours = |member: &Member| Some(!member.status()?["herdsman"].is_null());
        cluster
            .members()
            .iter()
            .all(|member| is_ours(member) == Some(true))
            .then_some(())
    });
    keys.configure("pause", Value::Null);
    assert_eq!(cluster.wait_until_settled().name(), leader.name());
    assert_eq!(postmasters(), before, "no server was stopped");

    let other = cluster.others(leader.name())[0];
    wait_for("the leadership to be handed over", || {
        let answer = cluster.switchover(leader.name(), Some(other.name()));
        (answer.status == 200).then_some(())
    });
    cluster.wait_for_leader(other.name());
    cluster.wait_until_settled();
    assert_nothing_lost(&writer.stop(), &cluster);
}
