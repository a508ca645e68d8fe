//! Sessions: what they are granted, when they end, and what goes with them.

use super::super::{Renewal, Writer};
use super::*;

#[test]
fn the_granted_time_is_what_the_store_can_give() {
    let secs = Duration::from_secs;
    let millis = Duration::from_millis;
    let cases = [
        (Flavour::Etcd, millis(1), None, secs(2)),
        (Flavour::Etcd, secs(5), None, secs(5)),
        (Flavour::Etcd, millis(4500), None, secs(5)),
        (Flavour::Etcd, secs(300), None, secs(300)),
        (Flavour::Etcd, secs(30), Some(secs(10)), secs(10)),
        (Flavour::ZooKeeper, secs(2), None, secs(4)),
        (Flavour::ZooKeeper, millis(4500), None, millis(4500)),
        (Flavour::ZooKeeper, secs(300), None, secs(40)),
        (Flavour::ZooKeeper, secs(30), Some(secs(8)), secs(8)),
        (Flavour::ZooKeeper, secs(30), Some(secs(1)), secs(4)),
    ];
    for (flavour, wish, max_ttl, granted) in cases {
        let mut store = Store::new(flavour, TICK);
        store.max_ttl = max_ttl;
        let (session, ttl) = store.open(A, wish, at(10));
        assert_eq!(ttl, granted, "{flavour:?} {wish:?} {max_ttl:?}");
        assert_eq!(store.expires_at(&session), Some(at(10).plus(granted)));
    }
}

#[test]
fn sessions_have_names_of_their_own_and_an_owner() {
    let mut store = etcd();
    let (first, _) = store.open(A, TTL, at(0));
    store.close(&first, at(1));
    let (second, _) = store.open(A, TTL, at(2));
    let (third, _) = store.open(B, TTL, at(2));
    assert!(first != second && second != third && first != third);
    assert_eq!(store.owner(&first), None);
    assert_eq!(store.owner(&second), Some(A));
    assert_eq!(store.owner(&third), Some(B));
}

#[test]
fn an_expired_session_goes_at_a_tick_and_takes_its_keys_along_in_one_step() {
    let (mut store, of_a) = led_by_a(etcd());
    store.put_unguarded("status", "1", None, at(0));
    assert_eq!(store.renew(&of_a, true, at(1100)), Renewal::Held);
    assert_eq!(store.expires_at(&of_a), Some(at(6100)));
    assert_eq!(store.next_expiry(), Some(at(6500)), "not before the tick");
    assert_eq!(store.expire(at(6499)), []);
    store.take_changes();
    let before = store.revision();

    let ended = store.expire(at(6500));
    assert_eq!(ended.len(), 1);
    assert_eq!((&ended[0].session, ended[0].owner), (&of_a, A));
    let keys: Vec<&str> = ended[0].keys.iter().map(|key| &**key).collect();
    assert_eq!(keys, ["leader", "members/a"]);
    assert_eq!(store.revision().0, before.0 + 1);
    assert_eq!(store.leader(), None);
    assert_eq!(store.value("status"), Some("1"));
    assert_eq!(store.next_expiry(), None);
    assert_eq!(store.expires_at(&of_a), None);
    let changes = store.take_changes();
    assert_eq!(changes.len(), 2);
    assert!(changes.iter().all(|change| change.by == Writer::Expiry));
}

#[test]
fn a_flavour_decides_at_which_tick_a_session_goes() {
    let cases = [
        (Flavour::Etcd, TICK, 5000, 5000),
        (Flavour::Etcd, TICK, 5001, 5500),
        (Flavour::Etcd, Duration::ZERO, 5001, 5001),
        (Flavour::ZooKeeper, TICK, 5000, 5500),
        (Flavour::ZooKeeper, TICK, 5499, 5500),
        (Flavour::ZooKeeper, Duration::ZERO, 5001, 5001),
    ];
    for (flavour, tick, due, removed) in cases {
        let mut store = Store::new(flavour, tick);
        let (session, _) = store.open(A, TTL, at(due - 5000));
        assert_eq!(store.expires_at(&session), Some(at(due)));
        assert_eq!(store.next_expiry(), Some(at(removed)), "{flavour:?} {due}");
    }
}

#[test]
fn sessions_that_are_due_together_end_in_order_each_at_its_own_revision() {
    let mut store = etcd();
    let (of_a, _) = store.open(A, TTL, at(200));
    let (of_b, _) = store.open(B, TTL, at(100));
    for (session, key) in [(&of_a, "members/a"), (&of_b, "members/b")] {
        store.put_unguarded(key, "{}", Some(session), at(200));
    }
    let before = store.revision();
    let ended = store.expire(at(5500));
    let names: Vec<_> = ended.iter().map(|ended| &ended.session).collect();
    assert_eq!(names, [&of_b, &of_a]);
    assert_eq!(store.revision().0, before.0 + 2);
}

#[test]
fn a_renewal_counts_from_its_arrival() {
    let (mut store, of_a) = led_by_a(etcd());
    assert_eq!(store.renew(&of_a, false, at(4999)), Renewal::Held);
    assert_eq!(store.expires_at(&of_a), Some(at(9999)));
    assert_eq!(store.expire(at(5000)), []);
}

#[test]
fn a_session_that_is_due_can_still_be_renewed_in_zookeeper_and_not_in_etcd() {
    let mut store = Store::new(Flavour::ZooKeeper, TICK);
    let (of_a, _) = store.open(A, TTL, at(100));
    assert_eq!(store.renew(&of_a, false, at(5400)), Renewal::Held);
    assert_eq!(store.expire(at(5500)), []);
    assert_eq!(store.expires_at(&of_a), Some(at(10_400)));
    let mut store = etcd();
    let (of_a, _) = store.open(A, TTL, at(100));
    assert_eq!(store.renew(&of_a, false, at(5100)), Renewal::Gone);
    assert_eq!(store.expire(at(5500)).len(), 1);
}

#[test]
fn the_leader_key_is_not_proved_by_a_living_session() {
    let (mut store, of_a) = led_by_a(etcd());
    let (of_b, _) = store.open(B, TTL, at(0));
    assert_eq!(store.renew(&of_b, true, at(1)), Renewal::Refused);

    store.delete_unguarded("leader", at(1000));
    assert_eq!(store.renew(&of_a, true, at(2000)), Renewal::Refused);
    assert_eq!(
        store.expires_at(&of_a),
        Some(at(7000)),
        "the session itself was renewed"
    );
    store.put_unguarded("leader", "a", None, at(3000));
    assert_eq!(
        store.renew(&of_a, true, at(3000)),
        Renewal::Refused,
        "its name is not its session"
    );
    store.put_unguarded("leader", "b", Some(&of_b), at(3000));
    assert_eq!(store.renew(&of_a, true, at(3000)), Renewal::Refused);
    assert_eq!(store.renew(&of_a, false, at(3000)), Renewal::Held);
}

#[test]
fn an_ended_session_is_gone_for_ever() {
    let (mut store, of_a) = led_by_a(etcd());
    store.expire(at(5000));
    assert_eq!(store.renew(&of_a, true, at(5001)), Renewal::Gone);
    assert_eq!(store.renew(&of_a, false, at(5001)), Renewal::Gone);
    store.put_unguarded("members/a", "{}", Some(&of_a), at(5001));
    assert_eq!(store.holder("members/a"), None);
}

#[test]
fn closing_removes_what_is_bound_and_nothing_else() {
    let (mut store, of_a) = led_by_a(etcd());
    let (of_b, _) = store.open(B, TTL, at(0));
    store.put_unguarded("members/b", "{}", Some(&of_b), at(0));
    store.put_unguarded("status", "1", None, at(0));
    let before = store.revision();
    store.close(&of_a, at(1));
    assert_eq!(store.revision().0, before.0 + 1, "in one step");
    assert_eq!(
        (store.value("leader"), store.value("members/a")),
        (None, None)
    );
    assert_eq!(store.value("members/b"), Some("{}"));
    assert_eq!(store.value("status"), Some("1"));
    store.close(&of_a, at(2));
    assert_eq!(store.revision().0, before.0 + 1, "once is enough");
}

#[test]
fn a_new_leader_of_the_store_gives_every_session_its_whole_time_again() {
    let (mut store, of_a) = led_by_a(etcd());
    let (of_b, _) = store.open(B, Duration::from_secs(10), at(1000));
    store.extend_all(at(4900));
    assert_eq!(store.expires_at(&of_a), Some(at(9900)));
    assert_eq!(store.expires_at(&of_b), Some(at(14_900)));
    assert_eq!(store.expire(at(5500)), []);
    assert_eq!(store.leader(), Some(("a", Some(&of_a))));
}
