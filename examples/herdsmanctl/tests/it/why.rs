//! `why` against keys in a real store and members that only answer.

use crate::support::{LEADER, Member, Reply, STANDBY, Store, nobody};

const DECISIONS: &str = r#"{"current": {"code": "not-candidate",
    "sentence": "there is no leader and this member may not lead: lagging by 18 MiB",
    "verdict": "hold", "since": "2020-01-01T00:00:00.000Z", "repeats": 2,
    "data": {"vetoes": [{"veto": "lagging", "by": 18874368, "limit": 1048576}]}},
    "decisions": []}"#;

#[test]
fn each_member_is_shown_with_its_decision_or_as_what_it_is() {
    let ours = Member::answering(200, DECISIONS);
    let other = Member::answering(503, r#"{"state": "running", "role": "replica"}"#);
    let young = Member::answering(200, r#"{"current": null, "decisions": []}"#);
    let store = Store::with_cluster(other.address);
    store.put_member(STANDBY, ours.address, r#""replication_state":"streaming""#);
    store.put_member("postgresql2", young.address, r#""role":"replica""#);
    let absent = nobody();
    store.put_member("postgresql3", absent, r#""role":"replica""#);
    let ended = store.run(&["why"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(
        lines[0],
        "postgresql0 (Leader, running): runs Patroni 4.1.4, which does not tell its decisions"
    );
    let begin = "postgresql1 (Replica, streaming): not-candidate, for ";
    assert!(
        lines[1].starts_with(begin) && lines[1].ends_with(" h"),
        "{}",
        lines[1]
    );
    assert_eq!(
        lines[2..5],
        [
            "  there is no leader and this member may not lead: lagging by 18 MiB",
            "  - lagging: by 18874368, limit 1048576",
            "postgresql2 (Replica, running): has decided nothing yet",
        ]
    );
    let begin = format!("postgresql3 (Replica, running): no connection to {absent}: ");
    assert!(lines[5].starts_with(&begin), "{}", lines[5]);
    assert_eq!(lines.len(), 6);
    assert_eq!(ours.received()[0].line, "GET /decisions HTTP/1.1");
}

#[test]
fn one_member_of_ours_may_be_named() {
    let ours = Member::answering(500, "");
    let store = Store::with_cluster(nobody());
    store.put_member(STANDBY, ours.address, r#""herdsman":{"instance":"i"}"#);
    let ended = store.run(&["why", STANDBY]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.out,
        "postgresql1 (Replica, running): does not tell its decisions (it answered with status 500)\n"
    );
    let ended = store.run(&["why", "x"]);
    let error = "Error: x is not a member of cluster batman\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), error));
}

#[test]
fn silence_of_all_members_is_a_failure() {
    let silent = Member::with(Reply::HangUp);
    let store = Store::with_cluster(silent.address);
    let ended = store.run(&["why", LEADER]);
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (Some(1), "Error: no member answered\n")
    );
    let begin = format!(
        "postgresql0 (Leader, running): no answer from {}",
        silent.address
    );
    assert!(ended.out.starts_with(&begin), "{}", ended.out);
}

#[test]
fn an_empty_cluster_has_nobody_to_ask() {
    let ended = Store::empty().run(&["why"]);
    let error = "Error: batman cluster doesn't have any members\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), error));
}
