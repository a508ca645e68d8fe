//! A leader that went on alone comes back: by a rewind, and by a copy where that fails.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use herdsman_tests::cluster::{Builder, Cluster, Member, postgres_folder, wait_for};
use herdsman_tests::diverged;
use serde_json::{Value, json};

use super::decided_at;

fn cluster(rejoin: &Value) -> Builder {
    Cluster::builder()
        .ttl(5)
        .config(&json!({"postgresql": rejoin}))
}

fn rewinds() -> Value {
    json!({
        "use_pg_rewind": true,
        "remove_data_directory_on_rewind_failure": null,
        "remove_data_directory_on_diverged_timelines": null,
    })
}

fn check_return_by_rewind(cluster: &Cluster) {
    let old = diverged::diverge(cluster);
    let took = diverged::come_back(cluster, old).elapsed();
    eprintln!("{} is back after {took:?}", old.name());
    assert!(decided_at(old, "rewinding-to-leader").is_some());
    assert_eq!(decided_at(old, "diverged-from-leader"), None);
    cluster.wait_until_settled();
}

#[test]
fn diverged_leader_comes_back_by_a_rewind() {
    check_return_by_rewind(&cluster(&rewinds()).start());
}

#[test]
fn sockets_in_the_data_directory_do_not_keep_a_diverged_leader_away() {
    let sockets = json!({"postgresql": {"parameters": {"unix_socket_directories": "."}}});
    check_return_by_rewind(&cluster(&rewinds()).local(&sockets).start());
}

#[test]
fn diverged_leader_that_may_not_be_touched_says_what_to_do() {
    let cluster = cluster(&json!({
        "use_pg_rewind": false,
        "remove_data_directory_on_diverged_timelines": false,
    }))
    .start();
    let old = diverged::diverge(&cluster);
    old.start_daemon();
    let sentence = wait_for("the reason", || sentence_of(old, "diverged-barred"));
    assert!(sentence.contains("use_pg_rewind"), "{sentence}");
    let rows = old.ask("SELECT count(*) FROM alone");
    assert_eq!(
        rows.as_deref(),
        Some("1000"),
        "its own rows are still there"
    );
}

/// A `pg_rewind` that looks like the real one and does as it, but for the part that changes data:
/// there it empties a file of the configuration, as the real one does on its way, and then goes on
/// with `rest`.
struct Broken {
    folder: tempfile::TempDir,
}

impl Broken {
    fn new(rest: &str) -> Self {
        let broken = Self {
            folder: tempfile::tempdir().expect("a folder for temporary files can be made"),
        };
        let real = postgres_folder().join("pg_rewind");
        let text = format!(
            "#!/bin/sh\ncase \"$*\" in *--dry-run*) exec {} \"$@\";; esac\n\
             : > pg_hba.conf\n: > {}\n{rest}\n",
            real.display(),
            broken.has_begun().display()
        );
        fs::write(broken.program(), text).expect("the folder is writable");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(broken.program(), executable).expect("it is ours");
        broken
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("pg_rewind")
    }

    /// There once the changes have begun.
    fn has_begun(&self) -> PathBuf {
        self.folder.path().join("begun")
    }

    /// What makes a member use it.
    fn local(&self) -> Value {
        json!({"postgresql": {"bin_name": {"pg_rewind": self.program()}}})
    }
}

fn own_rules(member: &Member) -> String {
    fs::read_to_string(member.data_dir().join("pg_hba.conf")).unwrap_or_default()
}

#[test]
fn interrupted_rewind_is_never_started_and_is_replaced_once_that_is_permitted() {
    let broken = Broken::new("exec sleep 600");
    let cluster = cluster(&rewinds()).local(&broken.local()).start();
    let old = diverged::diverge(&cluster);
    let rules = own_rules(old);
    old.start_daemon();
    wait_for("the rewind to begin", || {
        broken.has_begun().exists().then_some(())
    });
    old.kill_host();
    assert_eq!(own_rules(old), "", "it was interrupted in its middle");
    old.start_daemon();
    let sentence = wait_for("the reason", || sentence_of(old, "wreck-barred"));
    let advice = "remove_data_directory_on_rewind_failure";
    assert!(sentence.contains(advice), "{sentence}");
    assert_eq!(own_rules(old), rules, "its own files are given back");
    assert!(old.server_processes().is_empty(), "nothing runs on it");
    let permitted = json!({"postgresql": {advice: true}});
    let answer = old.send("PATCH", "/config", &permitted).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    diverged::wait_until_back(&cluster, old);
    assert!(decided_at(old, "wreck-replaced").is_some());
    cluster.wait_until_settled();
}

#[test]
fn failed_rewind_is_followed_by_a_copy_where_that_is_permitted() {
    let broken = Broken::new("echo 'pg_rewind: error: the disk is full' >&2; exit 1");
    let mut rejoin = rewinds();
    rejoin["remove_data_directory_on_rewind_failure"] = json!(true);
    let cluster = cluster(&rejoin)
        .local(&broken.local())
        .allow_errors()
        .start();
    let old = diverged::diverge(&cluster);
    diverged::come_back(&cluster, old);
    let sentence = sentence_of(old, "wreck-replaced").expect("what came of the rewind");
    assert!(sentence.contains("the disk is full"), "{sentence}");
    cluster.wait_until_settled();
}

#[test]
fn nothing_of_a_diverged_leader_is_touched_while_no_primary_proves_itself() {
    let everything = json!({
        "use_pg_rewind": true,
        "remove_data_directory_on_rewind_failure": true,
        "remove_data_directory_on_diverged_timelines": true,
        "remove_data_directory_on_missing_wal": true,
    });
    let cluster = cluster(&everything)
        .config(&json!({"check_timeline": true}))
        .start();
    let old = diverged::diverge(&cluster);
    let others = cluster.others(old.name());
    wait_for("the new history to be published", || {
        let history = cluster.primary()?.get("/history").ok()?.json();
        (!history.as_array()?.is_empty()).then_some(())
    });
    for other in &others {
        other.kill_host();
    }
    old.start_daemon();
    wait_for("the leadership to run out", || {
        let answer = old.get("/cluster").ok()?.json();
        let members = answer["members"].as_array()?;
        let is_led = members.iter().any(|member| member["role"] == "leader");
        (!members.is_empty() && !is_led).then_some(())
    });
    let rows = wait_for("its own rows", || old.ask("SELECT count(*) FROM alone"));
    assert_eq!(rows, "1000");
    assert_eq!(old.is_primary(), Some(false), "its history is not the last");
    for other in &others {
        other.start_daemon();
    }
    diverged::wait_until_back(&cluster, old);
    assert!(decided_at(old, "rewinding-to-leader").is_some());
    cluster.wait_until_settled();
}

/// A standby that was away while the log that it needs was removed from its leader, which keeps
/// nothing for it.
fn left_behind(rejoin: &Value) -> (Cluster, String) {
    let keeps_nothing = json!({
        "member_slots_ttl": 0,
        "postgresql": {
            "use_slots": false,
            "parameters": {"wal_keep_size": "0", "max_wal_size": "32MB", "min_wal_size": "32MB"},
        },
    });
    let cluster = cluster(rejoin).config(&keeps_nothing).start();
    let leader = cluster.wait_until_settled();
    cluster.wait_until_caught_up();
    let behind = cluster.others(leader.name())[0];
    behind.kill_host();
    let needed = leader
        .ask("SELECT pg_walfile_name(pg_current_wal_lsn())")
        .expect("the primary answers");
    wait_for("the needed log to be removed", || {
        leader.ask("SELECT count(*) FROM (SELECT pg_logical_emit_message(true, 'x', 'x'), pg_switch_wal()) s")?;
        leader.ask("CHECKPOINT")?;
        let there = leader.ask(&format!(
            "SELECT count(*) FROM pg_ls_waldir() WHERE name = '{needed}'"
        ))?;
        (there == "0").then_some(())
    });
    behind.start_daemon();
    let name = behind.name().to_owned();
    (cluster, name)
}

#[test]
fn standby_whose_log_is_gone_everywhere_names_the_segment() {
    let (cluster, name) = left_behind(&rewinds());
    let behind = cluster.member(&name);
    let sentence = wait_for("the reason", || sentence_of(behind, "missing-wal"));
    assert!(sentence.contains("WAL segment 0000000"), "{sentence}");
    assert!(behind.is_primary().is_some(), "its server still runs");
    assert_eq!(decided_at(behind, "missing-wal-replaced"), None);
}

#[test]
fn standby_whose_log_is_gone_everywhere_is_copied_anew_where_that_is_permitted() {
    let (cluster, name) = left_behind(&json!({"remove_data_directory_on_missing_wal": true}));
    let behind = cluster.member(&name);
    wait_for("a new copy", || decided_at(behind, "missing-wal-replaced"));
    cluster.wait_until_settled();
}

/// What a member last decided with this code, in words.
fn sentence_of(member: &Member, code: &str) -> Option<String> {
    let decisions = member.decisions();
    let decision = decisions
        .iter()
        .rev()
        .find(|decision| decision["code"] == code)?;
    Some(decision.to_string())
}
