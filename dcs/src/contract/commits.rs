//! Claims about commits and reads.

use std::slice::from_ref;

use super::{Backend, applied, entry, key, long_session, ok, read, refused};
use crate::{Commit, Condition, Error, Guard, Lifetime, Prefix, Revision};

const PERMANENT: Lifetime = Lifetime::Permanent;

/// `Absent` holds for a key that does not exist, and for no other.
pub async fn absent_guard_holds_only_without_the_key(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let key = key(backend, "lock");
    let guard = || Guard::new(key.clone(), Condition::Absent);
    applied(dcs.put_if(None, guard(), b"1".to_vec(), PERMANENT).await);
    let failed = refused(dcs.put_if(None, guard(), b"2".to_vec(), PERMANENT).await);
    assert_eq!(failed, from_ref(&key));
    let entry = entry(&*dcs, backend, &key).await.expect("it was put");
    assert_eq!(entry.value, b"1");
}

/// `Present` holds for a key that exists, and for no other.
pub async fn present_guard_holds_only_with_the_key(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let key = key(backend, "status");
    let guard = || Guard::new(key.clone(), Condition::Present);
    let failed = refused(dcs.put_if(None, guard(), b"1".to_vec(), PERMANENT).await);
    assert_eq!(failed, from_ref(&key));
    assert_eq!(entry(&*dcs, backend, &key).await, None);
    applied(dcs.put(None, key.clone(), Vec::new(), PERMANENT).await);
    applied(dcs.put_if(None, guard(), b"2".to_vec(), PERMANENT).await);
}

/// `AtRevision` holds for the revision of the last put: not an older or a newer one, and not after
/// a put of the same bytes.
pub async fn revision_guard_holds_only_at_the_last_put(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let key = key(backend, "config");
    let at = |revision| Guard::new(key.clone(), Condition::AtRevision(revision));
    let put = |guard| dcs.put_if(None, guard, b"same".to_vec(), PERMANENT);

    for never in [Revision::default(), Revision::new(1)] {
        assert_eq!(refused(put(at(never)).await), from_ref(&key), "{never}");
    }
    let first = applied(
        dcs.put(None, key.clone(), b"same".to_vec(), PERMANENT)
            .await,
    );
    refused(put(at(first.next())).await);
    let second = applied(put(at(first)).await);
    assert!(second > first, "{second} follows {first}");
    assert_eq!(refused(put(at(first)).await), from_ref(&key));
    applied(dcs.delete_if(None, at(second)).await);
    refused(put(at(second)).await);
}

/// `HeldBySession` holds for a key that is bound to the session of the call: not for another
/// session, not for a permanent key, not for a missing one.
pub async fn held_guard_holds_only_for_the_session_of_the_key(backend: &dyn Backend) {
    let (a, b) = (backend.handle("a").await, backend.handle("b").await);
    let (of_a, of_b) = (long_session(&*a).await, long_session(&*b).await);
    let (lock, plain, missing) = (
        key(backend, "lock"),
        key(backend, "plain"),
        key(backend, "missing"),
    );
    let put =
        Commit::new()
            .put(lock.clone(), "a", Lifetime::Session)
            .put(plain.clone(), "a", PERMANENT);
    applied(a.commit(Some(&of_a), put).await);

    let held = |key: &crate::Key| Commit::new().guard(key.clone(), Condition::HeldBySession);
    applied(a.commit(Some(&of_a), held(&lock)).await);
    applied(b.commit(Some(&of_a), held(&lock)).await);
    let by_other = b.commit(Some(&of_b), held(&lock)).await;
    assert_eq!(refused(by_other), from_ref(&lock));
    refused(a.commit(Some(&of_a), held(&plain)).await);
    refused(a.commit(Some(&of_a), held(&missing)).await);
}

/// The answer names the key of every guard that failed, not only of the first.
pub async fn all_failed_guards_are_named(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let [x, y, z] = ["x", "y", "z"].map(|name| key(backend, name));
    applied(dcs.put(None, y.clone(), b"1".to_vec(), PERMANENT).await);
    let commit = Commit::new()
        .guard(x.clone(), Condition::Present)
        .guard(y.clone(), Condition::Present)
        .guard(z.clone(), Condition::Present)
        .put(y.clone(), "2", PERMANENT);
    assert_eq!(refused(dcs.commit(None, commit).await), [x, z]);
}

/// A commit without writes tells whether its guards hold and changes nothing.
pub async fn guards_without_writes_are_a_question(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let key = key(backend, "x");
    let absent = Commit::new().guard(key.clone(), Condition::Absent);
    let asked_at = applied(dcs.commit(None, absent.clone()).await);
    let put_at = applied(dcs.put(None, key.clone(), b"1".to_vec(), PERMANENT).await);
    assert!(put_at > asked_at);
    assert_eq!(refused(dcs.commit(None, absent).await), [key]);
    assert_eq!(read(&*dcs, backend).await.revision, put_at);
}

/// Puts and deletes of one commit have one revision.
pub async fn several_writes_are_one_step(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let [x, y, z] = ["x", "y", "z"].map(|name| key(backend, name));
    applied(dcs.put(None, z.clone(), b"0".to_vec(), PERMANENT).await);
    let commit = Commit::new()
        .put(x.clone(), "1", PERMANENT)
        .put(y.clone(), "2", PERMANENT)
        .delete(z.clone());
    if !dcs.capabilities().atomic_commit {
        let answer = dcs.commit(None, commit).await;
        assert!(matches!(answer, Err(Error::Unsupported { .. })));
        return;
    }
    let revision = applied(dcs.commit(None, commit).await);
    let snapshot = read(&*dcs, backend).await;
    assert_eq!(snapshot.revision, revision);
    assert_eq!(snapshot.entries.len(), 2);
    assert_eq!(snapshot.entries[&x].modified, revision);
    assert_eq!(snapshot.entries[&y].modified, revision);
}

/// One guard that fails keeps every write from being applied.
pub async fn nothing_is_applied_when_one_guard_fails(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let [x, y] = ["x", "y"].map(|name| key(backend, name));
    applied(dcs.put(None, x.clone(), b"1".to_vec(), PERMANENT).await);
    let before = read(&*dcs, backend).await;
    let mut commit = Commit::new()
        .guard(x.clone(), Condition::Present)
        .guard(y.clone(), Condition::Present)
        .put(x.clone(), "2", PERMANENT);
    if dcs.capabilities().atomic_commit {
        commit = commit.put(y.clone(), "2", PERMANENT);
    }
    assert_eq!(refused(dcs.commit(None, commit).await), [y]);
    assert_eq!(read(&*dcs, backend).await, before);
}

/// The two short forms do what the commit does that they stand for.
pub async fn put_if_and_delete_if_obey_their_guard(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let key = key(backend, "x");
    let guard = |condition| Guard::new(key.clone(), condition);
    refused(dcs.delete_if(None, guard(Condition::Present)).await);
    let put = dcs.put_if(None, guard(Condition::Absent), b"1".to_vec(), PERMANENT);
    let revision = applied(put.await);
    refused(
        dcs.delete_if(None, guard(Condition::AtRevision(revision.next())))
            .await,
    );
    assert!(entry(&*dcs, backend, &key).await.is_some());
    applied(
        dcs.delete_if(None, guard(Condition::AtRevision(revision)))
            .await,
    );
    assert_eq!(entry(&*dcs, backend, &key).await, None);
}

/// `created` stays over puts, also by others, and changes when the key is deleted and put again.
pub async fn created_revision_names_one_life_of_a_key(backend: &dyn Backend) {
    let (a, b) = (backend.handle("a").await, backend.handle("b").await);
    let key = key(backend, "leader");
    let born = applied(a.put(None, key.clone(), b"1".to_vec(), PERMANENT).await);
    let again = applied(b.put(None, key.clone(), b"1".to_vec(), PERMANENT).await);
    let found = entry(&*a, backend, &key).await.expect("it was put");
    assert_eq!((found.created, found.modified), (born, again));
    assert!(again > born);

    applied(a.commit(None, Commit::new().delete(key.clone())).await);
    let reborn = applied(a.put(None, key.clone(), b"1".to_vec(), PERMANENT).await);
    let found = entry(&*a, backend, &key).await.expect("it was put");
    assert_eq!((found.created, found.modified), (reborn, reborn));
    assert!(reborn > again);
}

/// The last put says how long the key stays, whatever a former one said.
pub async fn put_replaces_the_lifetime(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let session = long_session(&*dcs).await;
    let [kept, bound] = ["kept", "bound"].map(|name| key(backend, name));
    let put = |key: &crate::Key, lifetime| {
        let value = b"1".to_vec();
        dcs.put(Some(&session), key.clone(), value, lifetime)
    };
    applied(put(&kept, Lifetime::Session).await);
    applied(put(&kept, PERMANENT).await);
    applied(put(&bound, PERMANENT).await);
    applied(put(&bound, Lifetime::Session).await);
    let found = read(&*dcs, backend).await;
    assert_eq!(found.entries[&kept].session, None);
    assert_eq!(found.entries[&bound].session, Some(session.id.clone()));

    ok(dcs.release(session.clone()).await);
    let found = read(&*dcs, backend).await;
    assert!(found.entries.contains_key(&kept));
    assert!(!found.entries.contains_key(&bound));
}

/// Deleting what is not there succeeds and is no change.
pub async fn deleting_a_missing_key_is_no_error(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let before = read(&*dcs, backend).await;
    let delete = Commit::new().delete(key(backend, "missing"));
    applied(dcs.commit(None, delete).await);
    assert_eq!(read(&*dcs, backend).await, before);
}

/// What no backend can give a meaning is refused by all alike, and nothing is applied.
pub async fn invalid_commits_are_refused(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let key = key(backend, "x");
    let twice = Commit::new()
        .put(key.clone(), "1", PERMANENT)
        .delete(key.clone());
    let unbound = Commit::new().put(key.clone(), "1", Lifetime::Session);
    let unheld = Commit::new().guard(key.clone(), Condition::HeldBySession);
    for commit in [Commit::new(), twice, unbound, unheld] {
        let answer = dcs.commit(None, commit.clone()).await;
        assert!(
            matches!(answer, Err(Error::Invalid(_))),
            "{commit:?}: {answer:?}"
        );
    }
    assert_eq!(entry(&*dcs, backend, &key).await, None);
}

/// A value is bytes: empty, not UTF-8, or as large as a status may become.
pub async fn values_are_any_bytes(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let key = key(backend, "x");
    for value in [vec![], vec![0, 255, 10, 0], vec![b'x'; 256 * 1024]] {
        applied(dcs.put(None, key.clone(), value.clone(), PERMANENT).await);
        let found = entry(&*dcs, backend, &key).await.expect("it was put");
        assert_eq!(found.value, value);
    }
}

/// A read that starts after a commit was acknowledged contains it, whoever committed; and it
/// contains nothing from beside its prefix.
pub async fn snapshot_sees_acknowledged_commits_below_its_prefix(backend: &dyn Backend) {
    let (a, b) = (backend.handle("a").await, backend.handle("b").await);
    let inside = backend.prefix().key("one/x").expect("it is a path");
    let beside = backend.prefix().key("one-more/x").expect("it is a path");
    let prefix = format!("{}one", backend.prefix());
    let prefix = Prefix::new(prefix).expect("it is a path");
    for round in 0..20_u8 {
        let revision = applied(a.put(None, inside.clone(), vec![round], PERMANENT).await);
        let found = ok(b.snapshot(&prefix).await);
        assert_eq!(found.entries[&inside].value, [round]);
        assert_eq!(found.entries[&inside].modified, revision);
        assert!(found.revision >= revision);
    }
    applied(a.put(None, beside, b"1".to_vec(), PERMANENT).await);
    let found = ok(b.snapshot(&prefix).await);
    assert_eq!(found.entries.keys().collect::<Vec<_>>(), [&inside]);
}
