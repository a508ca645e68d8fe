//! Views of the present, views of the past, and the way back.

use std::sync::Arc;

use herdsman_ha_core::schema::key;

use super::super::{Renewal, Writer, sight};
use super::*;
use crate::chance::Chance;

#[test]
fn a_view_is_read_once_for_each_revision_and_shared() {
    let (mut store, of_a) = led_by_a(etcd());
    let first = store.view();
    assert!(Arc::ptr_eq(&first, &store.view()));
    store.renew(&of_a, true, at(1));
    assert!(Arc::ptr_eq(&first, &store.view()), "no key changed");
    store.put_unguarded("status", "7", None, at(2));
    let second = store.view();
    assert_eq!(second.revision, store.revision());
    assert_eq!(second.status.value.optime.0, 7);
    assert_eq!(first.status.value.optime.0, 0, "who looked still sees it");
}

#[test]
fn a_view_is_what_reading_all_keys_gives_and_stays_what_it_was() {
    let mut chance = Chance::new(7);
    let mut store = etcd();
    let (of_a, _) = store.open(A, TTL, at(0));
    let keys = [
        key::INITIALIZE,
        key::CONFIG,
        key::LEADER,
        "members/a",
        "members/b",
        key::STATUS,
        key::FAILOVER,
        key::SYNC,
        key::HISTORY,
        key::FAILSAFE,
        key::LEADERSHIP,
        "optime/leader",
    ];
    let values = [
        "",
        "a",
        "42",
        "7277694203142172922",
        "{}",
        r#"{"ttl": 5, "loop_wait": "x"}"#,
        r#"{"leader": "a", "sync_standby": "b", "member": "b"}"#,
        r#"{"optime": 9, "slots": {"b": 5}}"#,
        r#"{"owner": "a", "from_timeline": 3}"#,
        r#"{"role": "replica", "state": "running", "timeline": 2, "tags": {"nofailover": true}}"#,
        r#"[[1, 100, "r", "t", "a"]]"#,
    ];
    let mut seen = Vec::new();
    for step in 0..4000 {
        for _ in 0..=chance.below(3) {
            let key = chance.one_of(&keys);
            if chance.once_in(4) {
                store.delete_unguarded(key, at(step));
            } else {
                let session = chance.once_in(2).then_some(&of_a);
                store.put_unguarded(key, chance.one_of(&values), session, at(step));
            }
        }
        if chance.once_in(50) {
            store.restore(at(step.saturating_sub(chance.below(20))), at(step));
        }
        let whole = sight::read_all(store.content.revision(), store.content.entries());
        assert_eq!(*store.view(), whole, "step {step}");
        seen.push(store.view());
        let back = chance.below(30).min(step);
        let earlier = usize::try_from(step - back).expect("few steps");
        assert_eq!(
            store.old_view(at(step - back)).as_ref(),
            Some(&seen[earlier])
        );
    }
}

#[test]
fn an_old_view_shows_the_state_of_its_instant() {
    let (mut store, of_a) = led_by_a(etcd());
    let mut views = vec![(at(0), store.view())];
    for (millis, optime) in [(10, "1"), (20, "2"), (30, "3")] {
        store.put_unguarded("status", optime, None, at(millis));
        store.put_unguarded("sync", "{}", None, at(millis));
        views.push((at(millis), store.view()));
    }
    store.close(&of_a, at(40));
    for (instant, view) in &views {
        let just_before_the_next = At(instant.0 + 9_999_999);
        assert_eq!(store.old_view(*instant).as_ref(), Some(view));
        assert_eq!(store.old_view(just_before_the_next).as_ref(), Some(view));
    }
    assert_eq!(store.old_view(at(40)), Some(store.view()));
    assert_eq!(store.old_view(at(99)), Some(store.view()));
}

#[test]
fn what_is_long_ago_is_forgotten() {
    let mut store = etcd();
    store.put_unguarded("sync", "{}", None, at(0));
    for step in 1..=1000 {
        store.put_unguarded("status", &step.to_string(), None, at(step));
    }
    assert_eq!(store.old_view(at(1)), None);
    let shown = |store: &Store, step: u64| {
        let view = store.old_view(at(step)).expect("it is remembered");
        view.status.value.optime.0
    };
    for step in 936..=1000 {
        assert_eq!(shown(&store, step), step);
    }
    let back_to = store.restore(at(1), at(2000));
    assert!(back_to > at(1), "as far as it goes: {back_to}");
    let optime = store.view().status.value.optime.0;
    assert_eq!(at(optime), back_to);
}

#[test]
fn wiping_removes_every_key_and_no_session() {
    let (mut store, of_a) = led_by_a(etcd());
    store.put_unguarded("config", "{}", None, at(0));
    let before = store.revision();
    store.wipe(at(1));
    assert_eq!(store.revision().0, before.0 + 1);
    assert!(store.content.entries().is_empty());
    assert_eq!(store.renew(&of_a, false, at(2)), Renewal::Held);
    assert_eq!(store.renew(&of_a, true, at(2)), Renewal::Refused);
}

#[test]
fn a_restore_goes_back_with_content_and_revision() {
    let (mut store, _) = led_by_a(etcd());
    store.put_unguarded("status", "1", None, at(10));
    let then = store.view();
    store.put_unguarded("status", "2", None, at(20));
    store.put_unguarded("sync", "{}", None, at(21));
    store.delete_unguarded("leader", at(22));
    let lost = store.view();
    store.take_changes();

    assert_eq!(store.restore(at(15), at(30)), at(15));
    assert_eq!(store.view(), then);
    let changes = store.take_changes();
    let keys: Vec<_> = changes.iter().map(|change| &*change.key).collect();
    assert_eq!(keys, ["leader", "status", "sync"]);
    assert!(changes.iter().all(|change| change.by == Writer::Tool));
    assert_eq!(changes[0].after.as_ref(), store.entry("leader"));

    store.put_unguarded("status", "3", None, at(40));
    assert_eq!(
        store.revision().0,
        then.revision.0 + 1,
        "it counts from there"
    );
    assert_eq!(store.old_view(at(25)), Some(lost), "what was is remembered");
    assert_eq!(store.old_view(at(35)), Some(then));
}

#[test]
fn a_restore_brings_the_sessions_of_its_time_back_and_ends_later_ones() {
    let (mut store, of_a) = led_by_a(etcd());
    let (of_b, _) = store.open(B, TTL, at(0));
    store.put_unguarded("members/b", "{}", Some(&of_b), at(0));
    let (early, _) = store.open(A, TTL, at(100));
    store.close(&early, at(400));
    store.close(&of_a, at(1000));
    let (later, _) = store.open(A, TTL, at(1100));
    store.put_unguarded("leader", "a", Some(&later), at(1100));

    store.restore(at(500), at(2000));
    assert_eq!(store.leader(), Some(("a", Some(&of_a))));
    assert_eq!(store.expires_at(&of_a), Some(at(7000)));
    assert_eq!(store.expires_at(&of_b), Some(at(7000)));
    for gone in [&early, &later] {
        assert_eq!(store.renew(gone, false, at(2000)), Renewal::Gone, "{gone}");
    }
    assert_eq!(store.renew(&of_b, false, at(3000)), Renewal::Held);

    let ended = store.expire(at(7000));
    assert_eq!(ended.len(), 1, "nobody renews what its owner has closed");
    assert_eq!(ended[0].session, of_a);
    assert_eq!(store.leader(), None);
    assert_eq!(store.holder("members/b"), Some(&of_b));
    let (newest, _) = store.open(A, TTL, at(7000));
    assert!(newest != later && newest != of_a, "{newest}");
}

#[test]
fn a_copy_goes_its_own_way() {
    let (mut store, of_a) = led_by_a(etcd());
    let mut copy = store.clone();
    copy.close(&of_a, at(1));
    assert_eq!(copy.view().leader, None);
    assert_eq!(store.leader(), Some(("a", Some(&of_a))));
    assert_eq!(store.view().members.len(), 1);
}
