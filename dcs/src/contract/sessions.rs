//! Claims about sessions.
//!
//! Every instant is taken before its call, as the trait demands of a holder.

use std::slice::from_ref;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Backend, applied, changed, entry, key, listed, long_session, ok, read, refused, short_session,
};
use crate::{Commit, Condition, Dcs, Error, Guard, Key, Lifetime, Renewal, Session, SessionId};

/// The granted time to live is never shorter than what the backend announces, nor than the wish
/// unless the backend announces that as well.
pub async fn granted_ttl_is_at_least_what_was_asked_for(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let shortest = dcs.capabilities().shortest_ttl;
    for wish in [Duration::from_nanos(1), Duration::from_millis(4500)] {
        let session = ok(dcs.open(wish).await);
        let least = if dcs.capabilities().shorter_sessions {
            shortest
        } else {
            wish.max(shortest)
        };
        assert!(session.ttl >= least, "{session:?}");
    }
    let nothing = dcs.open(Duration::ZERO).await;
    assert!(matches!(nothing, Err(Error::Invalid(_))), "{nothing:?}");
}

/// No two sessions share a name, and a name survives being written down.
pub async fn sessions_have_names_of_their_own(backend: &dyn Backend) {
    let (a, b) = (backend.handle("a").await, backend.handle("b").await);
    let names = [
        long_session(&*a).await.id,
        long_session(&*a).await.id,
        long_session(&*b).await.id,
    ];
    for (i, name) in names.iter().enumerate() {
        assert!(!names[..i].contains(name), "{names:?}");
        let read_back: SessionId = name.to_string().parse().expect("a name can be read back");
        assert_eq!(read_back, *name);
    }
}

/// A release deletes the keys of its session, all in one step, and no other key. Repeating it is
/// no error.
pub async fn release_deletes_the_bound_keys_in_one_step(backend: &dyn Backend) {
    let (a, b) = (backend.handle("a").await, backend.handle("b").await);
    let (of_a, of_b) = (long_session(&*a).await, long_session(&*b).await);
    let [x, y, other, kept] = ["x", "y", "other", "kept"].map(|name| key(backend, name));
    bind(&*a, &of_a, &x).await;
    bind(&*a, &of_a, &y).await;
    bind(&*b, &of_b, &other).await;
    applied(
        a.put(None, kept.clone(), b"1".to_vec(), Lifetime::Permanent)
            .await,
    );

    let mut watch = ok(b.watch(&backend.prefix()).await);
    listed(&mut watch).await;
    ok(a.release(of_a.clone()).await);
    let snapshot = read(&*b, backend).await;
    assert_eq!(snapshot.entries.keys().collect::<Vec<_>>(), [&kept, &other]);
    let (_, changes) = changed(&mut watch).await;
    let mut gone: Vec<&Key> = changes.iter().map(|c| &c.key).collect();
    gone.sort();
    assert_eq!(gone, [&x, &y]);
    ok(a.release(of_a).await);
}

/// Without a renewal a session lives at least its ttl, counted from the start of the call that
/// opened it, and not for ever.
pub async fn session_ends_after_its_ttl_and_not_before(backend: &dyn Backend) {
    let (a, b) = (backend.handle("a").await, backend.handle("b").await);
    let mut watch = ok(b.watch(&backend.prefix()).await);
    listed(&mut watch).await;
    let start = Instant::now();
    let session = short_session(&*a).await;
    let lock = key(backend, "lock");
    bind(&*a, &session, &lock).await;
    let (_, put) = changed(&mut watch).await;
    assert!(put[0].entry.is_some());

    let (_, gone) = changed(&mut watch).await;
    let lived = start.elapsed();
    assert_eq!((&gone[0].key, &gone[0].entry), (&lock, &None));
    assert!(
        lived >= session.ttl,
        "it lived {lived:?} of {:?}",
        session.ttl
    );
    assert_eq!(entry(&*b, backend, &lock).await, None);
}

/// Renewals restart the time to live.
pub async fn renewed_session_outlives_its_first_ttl(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let start = Instant::now();
    let session = short_session(&*dcs).await;
    let lock = key(backend, "lock");
    bind(&*dcs, &session, &lock).await;
    let proof = [Guard::new(lock.clone(), Condition::HeldBySession)];
    while start.elapsed() < session.ttl * 2 {
        sleep(session.ttl / 5).await;
        assert_eq!(ok(dcs.renew(&session, &proof).await), Renewal::Held);
    }
    let found = entry(&*dcs, backend, &lock).await.expect("it was renewed");
    assert_eq!(found.session, Some(session.id));
}

/// A renewal is held only as long as all its guards hold, although the session lives on.
pub async fn renewal_proves_its_guards(backend: &dyn Backend) {
    let (a, b) = (backend.handle("a").await, backend.handle("b").await);
    let (of_a, of_b) = (long_session(&*a).await, long_session(&*b).await);
    let [lock, member] = ["leader", "members/a"].map(|name| key(backend, name));
    bind(&*a, &of_a, &lock).await;
    bind(&*a, &of_a, &member).await;
    let held = |key: &Key| Guard::new(key.clone(), Condition::HeldBySession);
    let proof = [held(&member), held(&lock)];
    let lost = || Renewal::Refused {
        failed: vec![lock.clone()],
    };
    assert_eq!(ok(a.renew(&of_a, &proof).await), Renewal::Held);

    applied(b.commit(None, Commit::new().delete(lock.clone())).await);
    assert_eq!(ok(a.renew(&of_a, &proof).await), lost(), "after a delete");
    bind(&*b, &of_b, &lock).await;
    assert_eq!(ok(a.renew(&of_a, &proof).await), lost(), "held by another");
    let plain = b.put(None, lock.clone(), b"a".to_vec(), Lifetime::Permanent);
    applied(plain.await);
    assert_eq!(ok(a.renew(&of_a, &proof).await), lost(), "bound to nobody");

    assert_eq!(ok(a.renew(&of_a, &[]).await), Renewal::Held);
    assert_eq!(ok(a.renew(&of_a, &[held(&member)]).await), Renewal::Held);
}

/// Whether it was released or its time has passed: a session that ended is lost to a renewal, to
/// a put that would be bound to it, and to whoever wants to resume it.
pub async fn ended_session_is_lost_to_every_call(backend: &dyn Backend) {
    let dcs = backend.handle("a").await;
    let released = long_session(&*dcs).await;
    ok(dcs.release(released.clone()).await);
    check_lost(backend, &*dcs, &released).await;

    let expired = short_session(&*dcs).await;
    let lock = key(backend, "lock");
    bind(&*dcs, &expired, &lock).await;
    sleep_until(Instant::now() + expired.ttl).await;
    let mut watch = ok(dcs.watch(&backend.prefix()).await);
    if listed(&mut watch).await.entries.contains_key(&lock) {
        changed(&mut watch).await;
    }
    check_lost(backend, &*dcs, &expired).await;
}

/// A guard that fails is told even if the session has ended, so a loser of a race learns that it
/// has lost.
pub async fn failed_guard_comes_before_a_lost_session(backend: &dyn Backend) {
    let (a, b) = (backend.handle("a").await, backend.handle("b").await);
    let (of_a, of_b) = (long_session(&*a).await, long_session(&*b).await);
    let lock = key(backend, "lock");
    bind(&*b, &of_b, &lock).await;
    ok(a.release(of_a.clone()).await);
    let free = Guard::new(lock.clone(), Condition::Absent);
    let put = a.put_if(Some(&of_a), free, b"a".to_vec(), Lifetime::Session);
    assert_eq!(refused(put.await), from_ref(&lock));
    let held = Commit::new().guard(lock.clone(), Condition::HeldBySession);
    assert_eq!(refused(a.commit(Some(&of_a), held).await), [lock]);
}

/// Another process that knows the name goes on with the session, which keeps its keys.
pub async fn session_is_resumed_by_its_name(backend: &dyn Backend) {
    let first = backend.handle("a").await;
    let session = ok(first.open(Duration::from_secs(30)).await);
    let lock = key(backend, "lock");
    bind(&*first, &session, &lock).await;
    let written_down = session.id.to_string();
    drop(first);

    let second = backend.handle("a").await;
    let id: SessionId = written_down.parse().expect("a name can be read back");
    if !second.capabilities().resumable_sessions {
        let answer = second.resume(&id).await;
        assert!(matches!(answer, Err(Error::Unsupported { .. })));
        return;
    }
    let resumed = ok(second.resume(&id).await);
    assert_eq!(resumed, session);
    let proof = [Guard::new(lock.clone(), Condition::HeldBySession)];
    assert_eq!(ok(second.renew(&resumed, &proof).await), Renewal::Held);
    ok(second.release(resumed).await);
    assert_eq!(entry(&*second, backend, &lock).await, None);
}

async fn check_lost(backend: &dyn Backend, dcs: &dyn Dcs, session: &Session) {
    let lost = Error::SessionLost {
        id: session.id.clone(),
    };
    assert_eq!(dcs.renew(session, &[]).await, Err(lost.clone()));
    let (bound, beside) = (key(backend, "bound"), key(backend, "beside"));
    let mut commit = Commit::new().put(bound.clone(), "1", Lifetime::Session);
    if dcs.capabilities().atomic_commit {
        commit = commit.put(beside.clone(), "1", Lifetime::Permanent);
    }
    assert_eq!(dcs.commit(Some(session), commit).await, Err(lost.clone()));
    let snapshot = read(dcs, backend).await;
    assert_eq!((snapshot.get(&bound), snapshot.get(&beside)), (None, None));
    if dcs.capabilities().resumable_sessions {
        assert_eq!(dcs.resume(&session.id).await, Err(lost));
    }
}

async fn bind(dcs: &dyn Dcs, session: &Session, key: &Key) {
    let value = b"held".to_vec();
    let put = dcs.put(Some(session), key.clone(), value, Lifetime::Session);
    applied(put.await);
}
