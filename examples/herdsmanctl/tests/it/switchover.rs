//! `switchover` against keys in a real store and a member that only answers.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::support::{Ended, LEADER, Member, Reply, Running, STANDBY, Store, nobody, run};

const DONE: &str = "Successfully switched over to \"postgresql1\"";

fn answered(store: &Store, arguments: &[&str], input: &str) -> Ended {
    run(store.command(arguments), input)
}

fn bodies(member: &Member) -> Vec<String> {
    let received = member.received().into_iter();
    received
        .map(|request| format!("{} {}", request.line, request.body))
        .collect()
}

#[test]
fn forced_switchover_asks_nothing_and_shows_the_answer_and_the_table() {
    let member = Member::answering(200, DONE);
    let store = Store::with_cluster(member.address);
    let arguments = [
        "switchover",
        "--master",
        LEADER,
        "--candidate",
        STANDBY,
        "--force",
    ];
    let ended = store.run(&arguments);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines[0], "Current cluster topology");
    let (time, text) = lines[7].split_at(29);
    assert!(time.ends_with("+00:00"), "{time}");
    assert_eq!(text, format!(" {DONE}"));
    assert_eq!(lines[1..7], lines[8..14], "{}", ended.out);
    assert_eq!(
        bodies(&member),
        [r#"POST /switchover HTTP/1.1 {"candidate":"postgresql1","leader":"postgresql0"}"#]
    );
}

#[test]
fn without_a_candidate_the_members_choose() {
    let member = Member::answering(202, "Switchover scheduled");
    let store = Store::with_cluster(member.address);
    assert_eq!(store.run(&["switchover", "--force"]).code, Some(0));
    let wanted = r#"POST /switchover HTTP/1.1 {"leader":"postgresql0"}"#;
    assert_eq!(bodies(&member), [wanted]);
}

#[test]
fn questions_are_answered_through_a_pipe() {
    let member = Member::answering(200, DONE);
    let store = Store::with_cluster(member.address);
    let ended = answered(&store, &["switchover"], "\npostgresql1\n\ny\n");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let before = "Primary [postgresql0]: Candidate ['postgresql1'] []: \
                  When should the switchover take place (e.g. ";
    let (_, after) = ended.out.split_once(before).expect("it was asked");
    let (example, after) = after.split_at(16);
    assert_eq!(example.as_bytes()[10], b'T', "{example}");
    let questions = " )  [now]: Are you sure you want to switchover cluster batman, \
                     demoting current leader postgresql0? [y/N]: ";
    assert!(after.starts_with(questions), "{after}");
    assert_eq!(member.received().len(), 1);
}

#[test]
fn nothing_is_asked_for_without_a_yes() {
    let member = Member::answering(200, DONE);
    let store = Store::with_cluster(member.address);
    for (input, error) in [
        ("\n\n\n\n", "Error: Aborting switchover\n"),
        ("\n\n\nn\n", "Error: Aborting switchover\n"),
        ("\n\n\nperhaps\nno\n", "Error: Aborting switchover\n"),
        ("\n\n\n", "Aborted!\n"),
        ("", "Aborted!\n"),
    ] {
        let ended = answered(&store, &["switchover"], input);
        assert_eq!(
            (ended.code, ended.err.as_str()),
            (Some(1), error),
            "{input:?}"
        );
    }
    assert_eq!(member.received(), []);
}

#[test]
fn moves_that_make_no_sense_are_refused_before_anybody_is_asked() {
    let member = Member::answering(200, DONE);
    let store = Store::with_cluster(member.address);
    store.put_member(
        "postgresql2",
        member.address,
        r#""tags":{"nofailover":true}"#,
    );
    let no_such = "Member x does not exist in cluster batman or is tagged as nofailover";
    let tagged = "Member postgresql2 does not exist in cluster batman or is tagged as nofailover";
    for (arguments, error) in [
        (
            ["--leader", STANDBY],
            "Member postgresql1 is not the leader of cluster batman",
        ),
        (
            ["--candidate", LEADER],
            "Member postgresql0 is already the leader of cluster batman",
        ),
        (["--candidate", "x"], no_such),
        (["--candidate", "postgresql2"], tagged),
        (
            ["--scheduled", "soon"],
            "Unable to parse scheduled timestamp (soon). \
             It should be in an unambiguous format (e.g. ISO 8601)",
        ),
    ] {
        let ended = store.run(&["switchover", "--force", arguments[0], arguments[1]]);
        assert_eq!(
            (ended.code, ended.err),
            (Some(1), format!("Error: {error}\n"))
        );
    }
    assert_eq!(member.received(), []);
}

#[test]
fn a_cluster_without_a_leader_cannot_switch_over() {
    let store = Store::empty();
    let ended = store.run(&["switchover", "--force"]);
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (Some(1), "Error: This cluster has no leader\n")
    );
    store.put("leader", LEADER);
    store.put_member(LEADER, nobody(), r#""role":"primary""#);
    let ended = store.run(&["switchover", "--force"]);
    assert_eq!(ended.err, "Error: No candidates found to switchover to\n");
}

#[test]
fn a_refusal_of_the_members_is_a_failure() {
    let member = Member::answering(412, "candidate does not exists\n");
    let store = Store::with_cluster(member.address);
    let ended = store.run(&["switchover", "--force"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.err,
        "Error: Switchover failed, details: 412, candidate does not exists\n"
    );
}

#[test]
fn another_member_is_asked_when_the_leader_is_not_there() {
    let member = Member::answering(200, DONE);
    let store = Store::with_cluster(member.address);
    store.put_member(LEADER, nobody(), r#""role":"primary""#);
    let ended = store.run(&["switchover", "--force"]);
    assert_eq!(ended.code, Some(0));
    assert!(
        ended
            .err
            .starts_with("Warning: member postgresql0: no connection to"),
        "{}",
        ended.err
    );
    assert_eq!(member.received().len(), 1);
}

#[test]
fn nobody_else_is_asked_when_the_leader_may_have_begun() {
    let leader = Member::with(Reply::HangUp);
    let other = Member::answering(200, DONE);
    let store = Store::with_cluster(other.address);
    store.put_member(LEADER, leader.address, r#""role":"primary""#);
    let ended = store.run(&["switchover", "--force"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.starts_with("Error: Switchover result unknown"),
        "{}",
        ended.err
    );
    assert_eq!((leader.received().len(), other.received().len()), (1, 0));
}

#[test]
fn a_planned_switchover_is_sent_with_its_offset() {
    let member = Member::answering(202, "Switchover scheduled");
    let store = Store::with_cluster(member.address);
    let when = ["--scheduled", "2030-01-01 10:00+01"];
    let ended = store.run(&["switchover", "--force", when[0], when[1]]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let wanted = r#"POST /switchover HTTP/1.1 {"leader":"postgresql0","scheduled_at":"2030-01-01T10:00:00+01:00"}"#;
    assert_eq!(bodies(&member), [wanted]);

    let ended = answered(&store, &["switchover", when[0], when[1]], "\n\nn\n");
    let question = "Are you sure you want to schedule switchover of cluster batman at \
                    2030-01-01T10:00:00+01:00, demoting current leader postgresql0? [y/N]: ";
    assert!(ended.out.contains(question), "{}", ended.out);
    assert_eq!(ended.err, "Error: Aborting scheduled switchover\n");

    store.put("config", r#"{"pause":true}"#);
    let ended = store.run(&["switchover", "--force", when[0], when[1]]);
    let error = "Error: Can't schedule switchover in the paused state\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), error));
    assert_eq!(member.received().len(), 1);
}

#[test]
fn while_no_member_answers_the_request_goes_to_the_store() {
    let store = Store::with_cluster(nobody());
    let when = ["--scheduled", "2030-01-01T10:00Z"];
    let ended = store.run(&["switchover", "--force", when[0], when[1]]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let told = "Could not switchover using Patroni api, falling back to DCS";
    assert!(ended.out.contains(told), "{}", ended.out);
    let wanted = json!({"leader": LEADER, "scheduled_at": "2030-01-01T10:00:00+00:00"});
    assert_eq!(store.json("failover"), wanted);
}

#[test]
fn what_becomes_of_a_request_in_the_store_is_waited_for() {
    let store = Store::with_cluster(nobody());
    let mut command = store.command(&["switchover", "--force", "--candidate", STANDBY]);
    let child = command.stdout(Stdio::piped()).spawn();
    let mut running = Running(child.expect("the program can be started"));
    let out = running.0.stdout.take().expect("the output is a pipe");
    let mut lines = BufReader::new(out)
        .lines()
        .map(|line| line.expect("it is text"));
    assert!(lines.any(|line| line.ends_with("falling back to DCS")));
    store.wait_for("failover", &json!({"leader": LEADER, "member": STANDBY}));
    store.put("leader", STANDBY);
    assert!(lines.any(|line| line.ends_with(DONE)));
    assert!(lines.any(|line| line.starts_with("| postgresql1 |") && line.contains("Leader")));
    assert!(running.0.wait().expect("it ends").success());
}

#[test]
fn members_are_told_who_asks() {
    let member = Member::answering(200, DONE);
    let store = Store::with_cluster(member.address);
    let mut command = store.command(&["switchover", "--force"]);
    command
        .env("PATRONI_RESTAPI_USERNAME", "admin")
        .env("PATRONI_RESTAPI_PASSWORD", "s:cret");
    let ended = run(command, "");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let headers = &member.received()[0].headers;
    assert_eq!(headers["authorization"], "Basic YWRtaW46czpjcmV0");
    assert_eq!(headers["content-type"], "application/json");
}
