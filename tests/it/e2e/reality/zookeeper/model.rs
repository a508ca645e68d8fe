//! The scenes of these tests with the simulator's model of ZooKeeper: each function plays one and
//! gives what its test has seen on real servers, so that the two are compared.

use std::time::Duration;

use herdsman_ha_core::{Commit, KeyState, Purpose, Revision, SessionName, StoreGuard, StoreWrite};
use herdsman_sim::ids::{At, Node};
use herdsman_sim::store::{CommitEnd, Flavour, Renewal, Store};

/// Half of what the defaults are, as the servers of these tests have it.
const TICK: Duration = Duration::from_millis(500);
const TTL: Duration = Duration::from_secs(5);
const KEY: &str = "leader";

/// A store that one session holds the key of, since which revision, and that session.
fn held() -> (Store, u64, SessionName) {
    let mut store = Store::new(Flavour::ZooKeeper, TICK);
    let (session, _) = store.open(Node(0), TTL, At(0));
    let end = take(&mut store, &session, At(0));
    assert!(matches!(end, CommitEnd::Applied(_)), "{end:?}");
    let since = store.entry(KEY).unwrap().modified;
    (store, since, session)
}

fn take(store: &mut Store, session: &SessionName, now: At) -> CommitEnd {
    let write = StoreWrite::PutBound {
        key: KEY.to_owned(),
        value: session.to_string(),
    };
    store.commit(&commit(Some(session), KeyState::Absent, [write]), now)
}

fn commit(
    session: Option<&SessionName>,
    is: KeyState,
    writes: impl Into<Vec<StoreWrite>>,
) -> Commit {
    Commit {
        purpose: Purpose::Acquire,
        session: session.cloned(),
        guards: vec![StoreGuard {
            key: KEY.to_owned(),
            is,
        }],
        writes: writes.into(),
    }
}

fn delete() -> StoreWrite {
    StoreWrite::Delete {
        key: KEY.to_owned(),
    }
}

fn put(key: &str) -> StoreWrite {
    StoreWrite::Put {
        key: key.to_owned(),
        value: "1".to_owned(),
    }
}

/// The earliest and the latest instant after its last renewal at which a session is removed.
pub(super) fn session_ends(ttl: Duration) -> [Duration; 2] {
    super::super::model::ends(Flavour::ZooKeeper, ttl, TICK)
}

/// What is granted to who asks for next to nothing, for 4.7 s, and for ten minutes.
pub(super) fn grants(longest: Duration) -> [Duration; 3] {
    [100, 4_700, 600_000].map(|wish| {
        let mut store = Store::new(Flavour::ZooKeeper, TICK);
        store.max_ttl = Some(longest);
        store.open(Node(0), Duration::from_millis(wish), At(0)).1
    })
}

/// Whether the key of a session that is closed goes with it.
pub(super) fn close_takes_keys() -> bool {
    let (mut store, _, session) = held();
    store.close(&session, At(1));
    store.entry(KEY).is_none()
}

/// The content that one view shows after three writes.
pub(super) fn view_after_three_writes() -> String {
    let mut store = Store::new(Flavour::ZooKeeper, TICK);
    for text in ["a", "b", "c"] {
        store.put_unguarded(KEY, text, None, At(1));
    }
    store.view().leader.as_ref().unwrap().name.to_string()
}

/// Whether a guard on a key as it was fits one that was made again.
pub(super) fn old_guard_holds() -> bool {
    let (mut store, since, session) = held();
    store.delete_unguarded(KEY, At(1));
    let (successor, _) = store.open(Node(1), TTL, At(1));
    take(&mut store, &successor, At(1));
    let was = KeyState::At(Revision(since));
    let end = store.commit(&commit(Some(&session), was, [delete()]), At(2));
    matches!(end, CommitEnd::Applied(_))
}

/// Whether a commit has written with a guard that does not hold, and with one that does.
pub(super) fn commit_is_whole() -> [bool; 2] {
    [99, 0].map(|off| {
        let (mut store, since, _) = held();
        let guard = KeyState::At(Revision(since + off));
        store.commit(&commit(None, guard, [put("status"), put("history")]), At(1));
        let [status, history] = ["status", "history"].map(|key| store.entry(key).is_some());
        assert_eq!(status, history);
        status
    })
}

/// What a server that was left behind shows, and what its leader does.
pub(super) fn stale_view() -> [String; 2] {
    let mut store = Store::new(Flavour::ZooKeeper, TICK);
    store.put_unguarded(KEY, "old", None, At(1));
    store.put_unguarded(KEY, "new", None, At(3));
    let views = [store.old_view(At(2)).unwrap(), store.view()];
    views.map(|view| view.leader.as_ref().unwrap().name.to_string())
}

/// Whether a session that was ended neither lives on nor writes.
pub(super) fn ended_session_is_lost() -> bool {
    let (mut store, _, session) = held();
    let end = store.next_expiry().unwrap();
    assert_eq!(store.expire(end).len(), 1);
    store.renew(&session, false, end) == Renewal::Gone
        && take(&mut store, &session, end) == CommitEnd::SessionLost
}
