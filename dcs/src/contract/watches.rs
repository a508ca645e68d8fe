//! Claims about watches.

use std::time::Duration;

use tokio::time::timeout;

use super::{Backend, LONGEST_WAIT, applied, changed, key, listed, next, ok, read, short_session};
use crate::{Change, Commit, Error, Key, Lifetime, Prefix, Revision, Snapshot, Watch, WatchEvent};

const PERMANENT: Lifetime = Lifetime::Permanent;

/// The first event is everything there is, also if that is nothing.
pub async fn watch_begins_with_a_list(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let mut watch = ok(dcs.watch(&backend.prefix()).await);
    assert!(listed(&mut watch).await.entries.is_empty());
    applied(
        dcs.put(None, key(backend, "x"), b"1".to_vec(), PERMANENT)
            .await,
    );
    let mut watch = ok(dcs.watch(&backend.prefix()).await);
    assert_eq!(listed(&mut watch).await, read(&*dcs, backend).await);
}

/// Puts and deletes arrive in the order of their revisions, with their content.
pub async fn watch_tells_changes_in_order(backend: &dyn Backend) {
    let (a, b) = (backend.handle("a").await, backend.handle("b").await);
    let key = key(backend, "x");
    let mut watch = ok(b.watch(&backend.prefix()).await);
    listed(&mut watch).await;
    let mut expected = Vec::new();
    for round in 0..30_u8 {
        let value = vec![round];
        let put = a.put(None, key.clone(), value.clone(), PERMANENT);
        expected.push((applied(put.await), Some(value)));
        if round % 10 == 9 {
            let delete = Commit::new().delete(key.clone());
            expected.push((applied(a.commit(None, delete).await), None));
        }
    }
    if b.capabilities().merged_steps {
        return merged(&mut watch, &key, &expected).await;
    }
    for (at, value) in expected {
        let (revision, changes) = changed(&mut watch).await;
        let [Change { key: told, entry }] = &changes[..] else {
            panic!("one change per commit, got {changes:?}");
        };
        assert_eq!((revision, told), (at, &key));
        assert_eq!(entry.as_ref().map(|e| &e.value), value.as_ref());
        assert!(entry.as_ref().is_none_or(|e| e.modified == at));
    }
}

/// Of a backend that merges steps: what it tells are some of the states, in their order, and the
/// last one is among them.
async fn merged(watch: &mut Watch, key: &Key, expected: &[(Revision, Option<Vec<u8>>)]) {
    let mut expected = expected.iter();
    while expected.len() > 0 {
        let (revision, changes) = changed(watch).await;
        let [change] = &changes[..] else {
            panic!("one change per key, got {changes:?}");
        };
        assert_eq!(change.key, *key);
        let value = change.entry.as_ref().map(|entry| &entry.value);
        let at = change.entry.as_ref().map_or(revision, |e| e.modified);
        let told = expected.by_ref().find(|(of, _)| *of == at);
        let (_, told) = told.expect("a state that is told was there, and later than the last");
        assert_eq!(value, told.as_ref());
    }
}

/// What one commit did is told in one event.
pub async fn watch_tells_one_commit_as_one_step(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    if !dcs.capabilities().atomic_commit {
        super::commits::several_writes_are_one_step(backend).await;
        return;
    }
    let [x, y, z] = ["x", "y", "z"].map(|name| key(backend, name));
    applied(dcs.put(None, z.clone(), b"0".to_vec(), PERMANENT).await);
    let mut watch = ok(dcs.watch(&backend.prefix()).await);
    let mut mirror = listed(&mut watch).await;
    let commit = Commit::new()
        .put(x, "1", PERMANENT)
        .delete(z)
        .put(y, "2", PERMANENT);
    let at = applied(dcs.commit(None, commit).await);
    let (revision, changes) = changed(&mut watch).await;
    assert_eq!((revision, changes.len()), (at, 3));
    mirror.apply(revision, changes);
    assert_eq!(mirror, read(&*dcs, backend).await);
}

/// The keys of a session that ended by itself are told as deleted.
pub async fn watch_tells_the_end_of_a_session(backend: &dyn Backend) {
    let (a, b) = (backend.handle("a").await, backend.handle("b").await);
    let lock = key(backend, "lock");
    // A machine that is slow may see a short session end before anybody watches.
    let (mut watch, before) = loop {
        let session = short_session(&*a).await;
        let put = a.put(
            Some(&session),
            lock.clone(),
            b"a".to_vec(),
            Lifetime::Session,
        );
        let put = put.await;
        if matches!(put, Err(Error::SessionLost { .. })) {
            continue;
        }
        applied(put);
        let mut watch = ok(b.watch(&backend.prefix()).await);
        let before = listed(&mut watch).await;
        if let Some(entry) = before.entries.get(&lock) {
            assert_eq!(entry.session, Some(session.id));
            break (watch, before);
        }
    };
    let (revision, changes) = changed(&mut watch).await;
    assert!(revision > before.revision);
    let gone = Change {
        key: lock,
        entry: None,
    };
    assert_eq!(changes, [gone]);
}

/// Changes beside the prefix are not told, not even as empty events.
pub async fn watch_sees_only_its_prefix(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let inside = key(backend, "one/x");
    let beside = key(backend, "one-more/x");
    let prefix = Prefix::new(format!("{}one", backend.prefix())).expect("it is a path");
    applied(
        dcs.put(None, beside.clone(), b"0".to_vec(), PERMANENT)
            .await,
    );
    let mut watch = ok(dcs.watch(&prefix).await);
    assert!(listed(&mut watch).await.entries.is_empty());
    applied(dcs.put(None, beside, b"1".to_vec(), PERMANENT).await);
    applied(
        dcs.put(None, inside.clone(), b"2".to_vec(), PERMANENT)
            .await,
    );
    let (_, changes) = changed(&mut watch).await;
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].key, inside);
}

/// Whoever applies all events has what a read would give, with several writers at work.
pub async fn mirror_of_a_watch_equals_a_snapshot(backend: &dyn Backend) {
    let (a, b) = (backend.handle("a").await, backend.handle("b").await);
    let mut watch = ok(backend.handle("c").await.watch(&backend.prefix()).await);
    let mut mirror = listed(&mut watch).await;
    let keys = ["x", "y", "z"].map(|name| key(backend, name));
    let writes = |dcs: std::sync::Arc<dyn crate::Dcs>, step: usize| {
        let keys = keys.clone();
        async move {
            for round in 0..40 {
                let key = keys[(round * step) % keys.len()].clone();
                let commit = if round % 7 == 6 {
                    Commit::new().delete(key)
                } else {
                    Commit::new().put(key, format!("{step}/{round}"), PERMANENT)
                };
                applied(dcs.commit(None, commit).await);
            }
        }
    };
    tokio::join!(writes(a.clone(), 1), writes(b, 2));
    let last = key(backend, "last");
    applied(a.put(None, last.clone(), b"1".to_vec(), PERMANENT).await);
    while mirror.get(&last).is_none() {
        follow(&mut mirror, next(&mut watch).await);
    }
    assert_eq!(mirror, read(&*a, backend).await);
}

/// A future of `next` that is dropped before it is ready takes no event with it.
pub async fn abandoned_wait_loses_no_event(backend: &dyn Backend) {
    const WRITES: usize = 50;
    let dcs = backend.handle("a").await;
    let mut watch = ok(dcs.watch(&backend.prefix()).await);
    listed(&mut watch).await;
    let reader = backend.handle("b").await;
    let key = key(backend, "x");
    let writer = tokio::spawn(async move {
        for _ in 0..WRITES {
            let put = dcs.put(None, key.clone(), b"1".to_vec(), PERMANENT);
            applied(put.await);
        }
    });
    let merges = reader.capabilities().merged_steps;
    let told = async {
        let mut told = Vec::new();
        loop {
            let is_last = writer.is_finished();
            let impatient = timeout(Duration::from_micros(200), watch.next()).await;
            match impatient {
                Ok(WatchEvent::Changed { revision, .. }) => told.push(revision),
                Ok(other @ (WatchEvent::Listed(_) | WatchEvent::Interrupted(_))) => {
                    panic!("nothing was cut, yet: {other:?}")
                }
                Err(_) => {}
            }
            if told.len() == WRITES {
                return told;
            }
            if merges && is_last {
                let newest = read(&*reader, backend).await.revision;
                if told.last() == Some(&newest) {
                    return told;
                }
            }
        }
    };
    let told = timeout(LONGEST_WAIT, told)
        .await
        .expect("an event is missing");
    writer.await.expect("the writer ends well");
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "{told:?}");
}

fn follow(mirror: &mut Snapshot, event: WatchEvent) {
    match event {
        WatchEvent::Listed(snapshot) => *mirror = snapshot,
        WatchEvent::Changed { revision, changes } => mirror.apply(revision, changes),
        WatchEvent::Interrupted(error) => panic!("nothing was cut, yet: {error:?}"),
    }
}
