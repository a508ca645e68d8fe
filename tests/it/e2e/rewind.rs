//! A leader that went on alone comes back: by a rewind, and by a copy where that fails.

use herdsman_tests::cluster::{Builder, Cluster, Member, wait_for};
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

/// What a member last decided with this code, in words.
fn sentence_of(member: &Member, code: &str) -> Option<String> {
    let decisions = member.decisions();
    let decision = decisions
        .iter()
        .rev()
        .find(|decision| decision["code"] == code)?;
    Some(decision.to_string())
}
