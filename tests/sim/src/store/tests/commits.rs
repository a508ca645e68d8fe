//! Commits, tools and the log of changes.

use herdsman_ha_core::{HistoryLine, Lsn, MemberName, Revision, Timeline};

use super::super::Writer;
use super::*;

#[test]
fn a_guard_holds_only_for_the_state_it_names() {
    let (mut store, of_a) = led_by_a(etcd());
    let (of_b, _) = store.open(B, TTL, at(0));
    store.put_unguarded("status", "1", None, at(0));
    let written = Revision(store.entry("status").expect("it was put").modified);
    let mut before = store.clone();
    let cases = [
        (&of_a, "sync", KeyState::Absent, true),
        (&of_a, "leader", KeyState::Absent, false),
        (&of_a, "status", KeyState::At(written), true),
        (
            &of_a,
            "status",
            KeyState::At(Revision(written.0 - 1)),
            false,
        ),
        (&of_a, "sync", KeyState::At(written), false),
        (&of_a, "leader", KeyState::HeldBySession, true),
        (&of_b, "leader", KeyState::HeldBySession, false),
        (&of_b, "status", KeyState::HeldBySession, false),
        (&of_b, "sync", KeyState::HeldBySession, false),
    ];
    for (session, key, is, holds) in cases {
        let question = commit(Some(session), [guard(key, is)], []);
        let end = store.commit(&question, at(1));
        let expected = if holds {
            CommitEnd::Applied(before.revision())
        } else {
            CommitEnd::NotApplied
        };
        assert_eq!(end, expected, "{key} {is:?} for {session}");
    }
    assert_eq!(store.view(), before.view(), "questions change nothing");
}

#[test]
fn nothing_is_written_when_one_guard_fails() {
    let (mut store, of_a) = led_by_a(etcd());
    store.take_changes();
    let before = store.revision();
    let guards = [
        guard("leader", KeyState::HeldBySession),
        guard("leader", KeyState::Absent),
    ];
    let wish = commit(Some(&of_a), guards, [put("status", "1"), delete("leader")]);
    assert_eq!(store.commit(&wish, at(1)), CommitEnd::NotApplied);
    assert_eq!(store.revision(), before);
    assert_eq!(store.value("status"), None);
    assert_eq!(store.take_changes(), []);
}

#[test]
fn all_writes_of_a_commit_have_one_revision() {
    let (mut store, of_a) = led_by_a(etcd());
    let before = store.revision();
    let writes = [
        put("status", "1"),
        bound("initialize", ""),
        delete("members/a"),
    ];
    let end = store.commit(&commit(Some(&of_a), [], writes), at(1));
    let next = before.0 + 1;
    assert_eq!(end, CommitEnd::Applied(Revision(next)));
    for key in ["status", "initialize"] {
        let entry = store.entry(key).expect("it was put");
        assert_eq!((entry.created, entry.modified), (next, next), "{key}");
    }
    assert_eq!(store.holder("initialize"), Some(&of_a));
    assert_eq!(store.holder("status"), None);
    assert_eq!(store.value("members/a"), None);
}

#[test]
fn a_key_keeps_its_creation_until_it_is_removed() {
    let mut store = etcd();
    let life = |store: &Store| {
        let entry = store.entry("leader").expect("it was put");
        (entry.created, entry.modified)
    };
    store.put_unguarded("leader", "a", None, at(1));
    let (born, _) = life(&store);
    store.put_unguarded("leader", "a", None, at(2));
    assert_eq!(life(&store), (born, born + 1), "the same value is a change");
    store.delete_unguarded("leader", at(3));
    store.put_unguarded("leader", "a", None, at(4));
    assert_eq!(life(&store), (born + 3, born + 3));
}

#[test]
fn removing_what_is_not_there_is_no_change() {
    let mut store = etcd();
    let before = store.revision();
    store.delete_unguarded("leader", at(1));
    let end = store.commit(&commit(None, [], [delete("sync")]), at(1));
    assert_eq!(end, CommitEnd::Applied(before));
    assert_eq!(store.take_changes(), []);
}

#[test]
fn a_later_put_replaces_the_binding() {
    let (mut store, of_a) = led_by_a(etcd());
    store.put_unguarded("leader", "a", None, at(1));
    assert_eq!(store.leader(), Some(("a", None)));
    store.close(&of_a, at(2));
    assert_eq!(store.value("leader"), Some("a"), "it was bound to nothing");
    assert_eq!(store.value("members/a"), None);
}

#[test]
fn a_failed_guard_is_told_before_a_lost_session() {
    let (mut store, _) = led_by_a(etcd());
    let (of_b, _) = store.open(B, TTL, at(0));
    store.close(&of_b, at(1));
    let free = guard("leader", KeyState::Absent);
    let late = commit(Some(&of_b), [free], [bound("leader", "b")]);
    assert_eq!(store.commit(&late, at(2)), CommitEnd::NotApplied);
    store.delete_unguarded("leader", at(3));
    store.take_changes();
    assert_eq!(store.commit(&late, at(4)), CommitEnd::SessionLost);
    assert_eq!(store.value("leader"), None);
    assert_eq!(store.take_changes(), []);
}

#[test]
fn a_lost_session_undoes_the_unbound_writes_beside_it() {
    let mut store = etcd();
    let (of_a, _) = store.open(A, TTL, at(0));
    store.close(&of_a, at(1));
    let writes = [put("status", "1"), bound("leader", "a")];
    let end = store.commit(&commit(Some(&of_a), [], writes), at(2));
    assert_eq!(end, CommitEnd::SessionLost);
    assert_eq!(store.value("status"), None);
}

#[test]
#[should_panic(expected = "leader is written twice")]
fn a_commit_that_writes_a_key_twice_is_a_fault_of_its_author() {
    let writes = [put("leader", "a"), delete("leader")];
    etcd().commit(&commit(None, [], writes), at(0));
}

#[test]
#[should_panic(expected = "needs a session")]
fn a_commit_that_binds_without_a_session_is_a_fault_of_its_author() {
    etcd().commit(&commit(None, [], [bound("leader", "a")]), at(0));
}

#[test]
#[should_panic(expected = "is empty")]
fn an_empty_commit_is_a_fault_of_its_author() {
    etcd().commit(&commit(None, [], []), at(0));
}

#[test]
fn history_is_published_only_by_who_holds_the_leader_key() {
    let (mut store, of_a) = led_by_a(etcd());
    let (of_b, _) = store.open(B, TTL, at(0));
    let marked = HistoryLine {
        timeline: Timeline(1),
        switch: Lsn(100),
        reason: "r".to_owned(),
        at: Some("t0".to_owned()),
        new_leader: Some(MemberName::from("b")),
    };
    let own = [
        (Timeline(1), Lsn(100), "r".to_owned()),
        (Timeline(2), Lsn(200), "r".to_owned()),
    ];
    let name = MemberName::from("a");
    let publish = |store: &mut Store, session, millis| {
        let published = std::slice::from_ref(&marked);
        let published = (published, KeyState::Absent);
        store.publish_history(session, published, &own, &name, 0, at(millis))
    };
    assert_eq!(publish(&mut store, &of_b, 1000), CommitEnd::NotApplied);
    assert_eq!(store.value("history"), None);

    let end = publish(&mut store, &of_a, 2000);
    assert_eq!(end, CommitEnd::Applied(store.revision()));
    // An old request that comes late finds another key.
    assert_eq!(publish(&mut store, &of_a, 3000), CommitEnd::NotApplied);
    let lines = &store.view().history.value;
    assert_eq!(lines[0], marked);
    assert_eq!(lines[1].new_leader, Some(MemberName::from("a")));
    assert_eq!(lines[1].at.as_deref(), Some("T+2"));
}

#[test]
fn the_log_tells_what_changed_when_and_by_whom() {
    let (mut store, of_a) = led_by_a(etcd());
    let taken = store.take_changes();
    assert_eq!(taken.len(), 2);
    let Writer::Commit {
        purpose,
        session,
        guards,
    } = &taken[0].by
    else {
        panic!("{:?}", taken[0].by);
    };
    assert_eq!(*purpose, Some(Purpose::Acquire));
    assert_eq!(session.as_deref(), Some(&of_a));
    assert_eq!(**guards, [guard("leader", KeyState::Absent)]);
    assert_eq!(&*taken[0].key, "leader");
    assert_eq!(taken[0].before, None);
    assert_eq!(taken[0].after.as_ref(), store.entry("leader"));

    store.put_unguarded("leader", "b", Some(&of_a), at(7));
    store.close(&of_a, at(8));
    let log = store.take_changes();
    let told: Vec<_> = log
        .iter()
        .map(|change| (change.at, &*change.key, &change.by, change.after.is_some()))
        .collect();
    assert_eq!(
        told,
        [
            (at(7), "leader", &Writer::Tool, true),
            (at(8), "leader", &Writer::Close, false),
            (at(8), "members/a", &Writer::Close, false),
        ]
    );
    assert_eq!(log[0].before, taken[0].after);
    assert_eq!(store.take_changes(), [], "they are told once");
}
