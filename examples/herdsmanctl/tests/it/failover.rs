//! `failover` against keys in a real store and a member that only answers.

use crate::support::{LEADER, Member, STANDBY, Store, run};

const DONE: &str = "Successfully failed over to \"postgresql1\"";

#[test]
fn forced_failover_names_only_the_candidate() {
    let member = Member::answering(200, DONE);
    let store = Store::with_cluster(member.address);
    let ended = store.run(&["failover", "batman", "--candidate", STANDBY, "--force"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(
        ended
            .out
            .starts_with("Current cluster topology\n+ Cluster: batman")
    );
    assert!(ended.out.contains(DONE), "{}", ended.out);
    let received = member.received();
    assert_eq!(received[0].line, "POST /failover HTTP/1.1");
    assert_eq!(received[0].body, r#"{"candidate":"postgresql1"}"#);
}

#[test]
fn failover_wants_a_candidate_and_a_yes() {
    let member = Member::answering(200, DONE);
    let store = Store::with_cluster(member.address);
    let nobody = "Error: Failover could be performed only to a specific candidate\n";
    for (arguments, input, error) in [
        (&["failover", "--force"][..], "", nobody),
        (&["failover"], "\n", nobody),
        (
            &["failover", "--candidate", LEADER, "--force"],
            "",
            "Error: Member postgresql0 is already the leader of cluster batman\n",
        ),
        (
            &["failover"],
            "postgresql1\nn\n",
            "Error: Aborting failover\n",
        ),
        (&["failover"], "postgresql1\n", "Aborted!\n"),
    ] {
        let ended = run(store.command(arguments), input);
        assert_eq!((ended.code, ended.err.as_str()), (Some(1), error));
    }
    assert_eq!(member.received(), []);
    let ended = run(store.command(&["failover"]), "postgresql1\ny\n");
    let questions = "Candidate ['postgresql1'] []: Are you sure you want to failover cluster \
                     batman, demoting current leader postgresql0? [y/N]: ";
    assert!(ended.out.contains(questions), "{}", ended.out);
    assert_eq!((ended.code, member.received().len()), (Some(0), 1));
}

#[test]
fn an_asynchronous_candidate_needs_a_yes_of_its_own() {
    let member = Member::answering(200, DONE);
    let store = Store::with_cluster(member.address);
    store.put("config", r#"{"synchronous_mode":true}"#);
    store.put("sync", r#"{"leader":"postgresql0","sync_standby":"other"}"#);
    let arguments = ["failover", "--candidate", STANDBY];
    let ended = run(store.command(&arguments), "n\n");
    let question = "failover to the asynchronous node postgresql1? [y/N]: ";
    assert!(ended.out.contains(question), "{}", ended.out);
    assert_eq!(ended.err, "Error: Aborting failover\n");
    store.put(
        "sync",
        r#"{"leader":"postgresql0","sync_standby":"PostgreSQL1"}"#,
    );
    let ended = run(store.command(&arguments), "y\n");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(member.received().len(), 1);
}

#[test]
fn a_cluster_without_a_leader_asks_the_candidate() {
    let (candidate, other) = (Member::answering(200, DONE), Member::answering(500, ""));
    let store = Store::empty();
    store.put("config", "{}");
    store.put_member(LEADER, other.address, r#""role":"replica""#);
    store.put_member(STANDBY, candidate.address, r#""role":"replica""#);
    let ended = run(store.command(&["failover", "--candidate", STANDBY]), "y\n");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let question = "Are you sure you want to failover cluster batman? [y/N]: ";
    assert!(ended.out.contains(question), "{}", ended.out);
    assert_eq!((candidate.received().len(), other.received().len()), (1, 0));
}

#[test]
fn a_refusal_of_the_members_is_a_failure() {
    let member = Member::answering(412, "candidate does not exists");
    let store = Store::with_cluster(member.address);
    let ended = store.run(&["failover", "--candidate", STANDBY, "--force"]);
    let error = "Error: Failover failed, details: 412, candidate does not exists\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), error));
}
