//! Reading is lenient: the shapes that other writers leave behind.

use super::*;
use crate::value::InstanceId;
use alloc::borrow::ToOwned;
use alloc::string::ToString;
use alloc::vec;
use serde_json::json;

fn entry<'a>(key: &'a str, value: &'a str) -> RawEntry<'a> {
    RawEntry {
        key,
        value: value.as_bytes(),
        created: Revision(3),
        modified: Revision(7),
        session: Some("s1"),
    }
}

fn read(entries: Vec<RawEntry<'_>>) -> ClusterView {
    read_cluster(Revision(9), entries)
}

#[test]
fn a_leader_key_gives_its_name_and_generation() {
    let view = read(vec![entry("leader", "n1")]);
    let leader = view.leader.expect("a leader");
    assert_eq!(leader.name, MemberName::from("n1"));
    assert_eq!(leader.generation, Generation(3));
    assert_eq!(leader.session, Some(SessionName::from("s1")));
    let unbound = RawEntry {
        session: None,
        ..entry("leader", "")
    };
    assert_eq!(read(vec![unbound]).leader, None);
    let emptied = read(vec![entry("leader", "")]).leader.expect("it is held");
    assert_eq!(emptied.session, Some(SessionName::from("s1")));
}

#[test]
fn an_initialize_key_is_a_claim_until_it_holds_an_identifier() {
    let claimed = read(vec![entry("initialize", "")]);
    assert!(matches!(
        claimed.initialize.value,
        Initialize::Claimed { session: Some(_) }
    ));
    let known = read(vec![entry("initialize", "7277694203142172922")]);
    assert_eq!(
        known.initialize.value,
        Initialize::Known(SystemId(7_277_694_203_142_172_922))
    );
    assert_eq!(read(vec![]).initialize.value, Initialize::Absent);
}

#[test]
fn a_member_value_is_read_field_by_field() {
    let value = json!({
        "conn_url": "postgres://10.0.0.2:5433/postgres", "api_url": "http://10.0.0.2:8008/patroni",
        "state": "running", "role": "replica", "timeline": 2, "receive_lsn": 67395656,
        "replay_lsn": 67395600, "replication_state": "streaming", "tags": {"nofailover": true},
        "herdsman": {"instance": "abc"},
    });
    let view = read(vec![entry("members/n2", &value.to_string())]);
    let member = &view.members[&MemberName::from("n2")];
    assert_eq!(member.endpoint, Some(("10.0.0.2".to_owned(), 5433)));
    assert_eq!(member.timeline, Some(Timeline(2)));
    assert_eq!(member.instance, Some(InstanceId::from("abc")));
    assert!(member.tags.is_nofailover());
}

#[test]
fn broken_values_do_not_hide_the_other_keys() {
    let view = read(vec![
        entry("members/n1", "{broken"),
        entry("config", "[]"),
        entry("sync", "nonsense"),
        entry("history", "{}"),
        entry("leader", "n1"),
    ]);
    assert_eq!(view.members.len(), 1);
    assert_eq!(view.rules, None);
    assert!(view.leader.is_some());
}

#[test]
fn old_forms_are_understood() {
    let view = read(vec![
        entry("failover", "n1:n2"),
        entry("status", "67395656"),
        entry(
            "members/n3",
            "postgres://u:p@h:5432/postgres?application_name=http://h:8008/patroni",
        ),
    ]);
    let request = view.failover.value.expect("a request");
    assert_eq!(request.leader, Some(MemberName::from("n1")));
    assert_eq!(request.candidate, Some(MemberName::from("n2")));
    assert_eq!(view.status.value.optime, Lsn(67_395_656));
    let old = &view.members[&MemberName::from("n3")];
    assert_eq!(old.api_url.as_deref(), Some("http://h:8008/patroni"));
}

#[test]
fn an_empty_failover_key_is_no_request_but_has_a_revision() {
    let view = read(vec![entry("failover", "{}")]);
    assert_eq!(
        view.failover,
        Keyed {
            revision: Some(Revision(7)),
            value: None
        }
    );
}

#[test]
fn sync_names_are_split_and_quorum_needs_a_leader() {
    let view = read(vec![entry(
        "sync",
        r#"{"leader":"n1","quorum":1,"sync_standby":"n2, n3"}"#,
    )]);
    assert_eq!(view.sync.value.standbys.len(), 2);
    assert_eq!(view.sync.value.quorum, 1);
    let off = read(vec![entry(
        "sync",
        r#"{"leader":null,"quorum":1,"sync_standby":null}"#,
    )]);
    assert_eq!(off.sync.value, SyncKey::default());
}

#[test]
fn history_gives_the_cluster_timeline() {
    let view = read(vec![entry(
        "history",
        r#"[[1,25623960,"no recovery target specified","2026-01-01T00:00:00+00:00","n1"],[2,25624000,"x"]]"#,
    )]);
    assert_eq!(view.timeline(), Some(Timeline(3)));
    assert_eq!(
        view.history.value[0].new_leader,
        Some(MemberName::from("n1"))
    );
    assert_eq!(view.history.value[1].at, None);
}

#[test]
fn a_sync_key_that_cannot_be_read_lets_nobody_take_over_on_its_own() {
    for wrong in ["[", "17", r#"{"leader": 1}"#] {
        let view = read(vec![entry("sync", wrong)]);
        let sync = &view.sync.value;
        assert!(sync.is_in_force(), "{wrong}");
        assert!(!sync.names(&MemberName::from("n1")), "{wrong}");
        assert!(view.unread.contains_key("sync"), "{wrong}");
    }
    let nobody = read(vec![entry("sync", r#"{"leader": null}"#)]);
    assert!(!nobody.sync.value.is_in_force());
    assert!(nobody.unread.is_empty());
}

#[test]
fn bytes_that_are_no_text_are_named_and_hold_what_they_bind() {
    let raw = RawEntry {
        value: &[0xff, 0x00],
        ..entry("leader", "")
    };
    let view = read(vec![raw]);
    let leader = view.leader.expect("the key is there");
    assert_eq!(leader.session, Some(SessionName::from("s1")));
    assert_eq!(view.unread["leader"], "it is not UTF-8");
}

#[test]
fn a_commit_shows_in_a_view_that_a_later_one_of_ours_has_touched() {
    let commit = |purpose, key: &str, value: &str| Commit {
        purpose,
        session: Some(SessionName::from("s1")),
        guards: vec![],
        writes: vec![StoreWrite::PutBound {
            key: key.to_owned(),
            value: value.to_owned(),
        }],
    };
    let record = r#"{"owner":"n1","from_timeline":3,"timeline":5,"promotion":true}"#;
    let mut view = read(vec![]);
    // The answer to the later one came first.
    let member = commit(crate::Purpose::PublishMember, "members/n1", "{}");
    apply(&mut view, &member, Revision(12));
    let acquired = commit(crate::Purpose::Acquire, "herdsman/leadership", record);
    apply(&mut view, &acquired, Revision(11));
    assert_eq!(view.revision, Revision(12));
    let record = view.leadership.value.expect("a record");
    assert_eq!(record.timeline, Timeline(5));
}
