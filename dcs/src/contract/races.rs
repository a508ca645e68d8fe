//! Claims about several members that want the same at the same time.

use std::sync::Arc;

use super::{Backend, applied, entry, key, long_session, ok};
use crate::{Commit, CommitOutcome, Condition, Dcs, Guard, Key, Lifetime, Prefix, Session};

const MEMBERS: usize = 4;

/// Of many that put a key which must be absent, exactly one is told that it did.
pub async fn exactly_one_of_many_takes_a_free_key(backend: &dyn Backend) {
    let lock = key(backend, "leader");
    let mut members = Vec::new();
    for number in 0..MEMBERS {
        let dcs = backend.handle(&format!("member-{number}")).await;
        let session = long_session(&*dcs).await;
        members.push((dcs, session));
    }
    for round in 0..20 {
        let tries = members
            .iter()
            .map(|(dcs, session)| tokio::spawn(take(dcs.clone(), session.clone(), lock.clone())));
        let mut winners = Vec::new();
        for (member, answer) in members.iter().zip(tries.collect::<Vec<_>>()) {
            if answer.await.expect("the try ends well").is_applied() {
                winners.push(member);
            }
        }
        let [(dcs, session)] = winners[..] else {
            panic!("{} winners in round {round}", winners.len());
        };
        let found = entry(&**dcs, backend, &lock).await.expect("it was taken");
        assert_eq!(found.session.as_ref(), Some(&session.id));
        applied(dcs.commit(None, Commit::new().delete(lock.clone())).await);
    }
}

/// Updates that are guarded by the revision which they were made from do not overwrite each other.
pub async fn no_guarded_update_is_lost(backend: &dyn Backend) {
    const UPDATES: u64 = 10;
    let counter = key(backend, "counter");
    let dcs = backend.handle("reader").await;
    applied(
        dcs.put(None, counter.clone(), b"0".to_vec(), Lifetime::Permanent)
            .await,
    );
    let mut writers = Vec::new();
    for number in 0..MEMBERS {
        let dcs = backend.handle(&format!("member-{number}")).await;
        let (counter, prefix) = (counter.clone(), backend.prefix());
        writers.push(tokio::spawn(async move {
            for _ in 0..UPDATES {
                while !increment(&*dcs, &prefix, &counter).await {}
            }
        }));
    }
    for writer in writers {
        writer.await.expect("the writer ends well");
    }
    let found = entry(&*dcs, backend, &counter).await.expect("it exists");
    let expected = (UPDATES * MEMBERS as u64).to_string();
    assert_eq!(found.value, expected.into_bytes());
}

async fn take(dcs: Arc<dyn Dcs>, session: Session, lock: Key) -> CommitOutcome {
    let free = Guard::new(lock, Condition::Absent);
    let put = dcs.put_if(Some(&session), free, b"me".to_vec(), Lifetime::Session);
    ok(put.await)
}

async fn increment(dcs: &dyn Dcs, prefix: &Prefix, counter: &Key) -> bool {
    let snapshot = ok(dcs.snapshot(prefix).await);
    let entry = &snapshot.entries[counter];
    let text = str::from_utf8(&entry.value).expect("the claim wrote a number");
    let number: u64 = text.parse().expect("the claim wrote a number");
    let unchanged = Guard::new(counter.clone(), Condition::AtRevision(entry.modified));
    let value = (number + 1).to_string().into_bytes();
    let put = dcs.put_if(None, unchanged, value, Lifetime::Permanent);
    ok(put.await).is_applied()
}
