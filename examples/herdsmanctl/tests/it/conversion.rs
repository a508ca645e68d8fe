//! `demote-cluster` and `promote-cluster` against keys in a real store and a member that only answers.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::support::{Ended, LEADER, Member, Running, Store, nobody, run};

fn answered(store: &Store, arguments: &[&str], input: &str) -> Ended {
    run(store.command(arguments), input)
}

#[test]
fn conversion_that_makes_no_sense_is_refused_before_anybody_is_asked() {
    let store = Store::with_cluster(nobody());
    for (arguments, why) in [
        (
            &["demote-cluster", "--force"][..],
            "At least --host, --port or --restore-command should be specified",
        ),
        (
            &["demote-cluster", "--primary-slot-name", "x", "--force"],
            "At least --host, --port or --restore-command should be specified",
        ),
        (
            &["promote-cluster", "--force"],
            "Cluster is already in the required state",
        ),
    ] {
        let ended = store.run(arguments);
        assert_eq!(ended.code, Some(1), "{arguments:?}");
        assert_eq!(ended.err, format!("Error: {why}\n"));
    }
    let nobody_leads = Store::empty();
    let ended = nobody_leads.run(&["demote-cluster", "--host", "h", "--force"]);
    let why = "Error: Cluster has no leader, demotion is not possible\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), why));
}

#[test]
fn without_a_yes_nothing_is_asked_for() {
    let member = Member::answering(200, "{}");
    let store = Store::with_cluster(member.address);
    let ended = answered(&store, &["demote-cluster", "--host", "h"], "n\n");
    let question = "Are you sure you want to demote batman cluster? [y/N]: ";
    assert_eq!(ended.out, question);
    assert_eq!(ended.err, "Error: Aborted cluster demotion\n");
    assert_eq!(ended.code, Some(1));
    assert_eq!(member.received().len(), 0);
}

#[test]
fn refusal_of_the_member_is_told_with_its_status() {
    let member = Member::answering(500, "no");
    let store = Store::with_cluster(member.address);
    let arguments = ["demote-cluster", "--port", "5433", "--force"];
    let ended = store.run(&arguments);
    let why = "Error: Failed to demote batman cluster: /config PATCH status code=500, no\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), why));
    let received = member.received();
    let request = format!("{} {}", received[0].line, received[0].body);
    let wanted = r#"PATCH /config HTTP/1.1 {"standby_cluster":{"port":5433}}"#;
    assert_eq!(request, wanted);
}

#[test]
fn success_is_told_when_the_store_shows_the_new_role() {
    let member = Member::answering(200, "{}");
    let store = Store::with_cluster(member.address);
    let arguments = ["demote-cluster", "--host", "h", "--port", "5433", "--force"];
    let child = store
        .command(&arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let mut program = Running(child);
    let out = program.0.stdout.take().expect("the output is a pipe");
    let mut lines = BufReader::new(out).lines().map_while(Result::ok);
    let first = lines.next().expect("a line each second");
    let progress = " cluster is unlocked: False, leader role: primary, leader state: 'running'";
    assert!(first.ends_with(progress), "{first}");

    store.put_member(LEADER, member.address, r#""role":"standby_leader""#);

    let rest: Vec<String> = lines.collect();
    let is_told = rest
        .iter()
        .any(|line| line.ends_with(" cluster is successfully demoted"));
    assert!(is_told, "{rest:?}");
    let ended = program.0.wait().expect("the program ends");
    assert_eq!(ended.code(), Some(0));
    let body = &member.received()[0].body;
    assert_eq!(body, r#"{"standby_cluster":{"host":"h","port":5433}}"#);
}
