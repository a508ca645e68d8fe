//! What the store is claimed to do, one test for each claim.

mod commits;
mod past;
mod sessions;

use std::time::Duration;

use herdsman_ha_core::{Commit, KeyState, Purpose, SessionName, StoreGuard, StoreWrite};

use super::{CommitEnd, Flavour, Store};
use crate::ids::{At, Node};

const A: Node = Node(0);
const B: Node = Node(1);
const TTL: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(500);

fn at(millis: u64) -> At {
    At(millis * 1_000_000)
}

fn etcd() -> Store {
    Store::new(Flavour::Etcd, TICK)
}

fn guard(key: &str, is: KeyState) -> StoreGuard {
    StoreGuard {
        key: key.to_owned(),
        is,
    }
}

fn bound(key: &str, value: &str) -> StoreWrite {
    StoreWrite::PutBound {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn put(key: &str, value: &str) -> StoreWrite {
    StoreWrite::Put {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn delete(key: &str) -> StoreWrite {
    StoreWrite::Delete {
        key: key.to_owned(),
    }
}

fn commit(
    session: Option<&SessionName>,
    guards: impl Into<Vec<StoreGuard>>,
    writes: impl Into<Vec<StoreWrite>>,
) -> Commit {
    Commit {
        purpose: Purpose::Acquire,
        session: session.cloned(),
        guards: guards.into(),
        writes: writes.into(),
    }
}

/// A store in which `a` leads since T+0, with its session.
fn led_by_a(mut store: Store) -> (Store, SessionName) {
    let (session, _) = store.open(A, TTL, at(0));
    let free = guard("leader", KeyState::Absent);
    let take = commit(
        Some(&session),
        [free],
        [bound("leader", "a"), bound("members/a", "{}")],
    );
    let end = store.commit(&take, at(0));
    assert!(matches!(end, CommitEnd::Applied(_)), "{end:?}");
    (store, session)
}
