//! The faults that a memory store can be told to have.

use std::time::Duration;

use herdsman_dcs::memory::{MemoryDcs, MemoryStore};
use herdsman_dcs::{
    CommitOutcome, Dcs, Error, Key, Lifetime, Limits, Prefix, Renewal, Watch, WatchEvent,
};
use tokio::time::{Instant, timeout};

fn prefix() -> Prefix {
    Prefix::new("/demo").unwrap()
}

fn key() -> Key {
    prefix().key("x").unwrap()
}

async fn put(dcs: &MemoryDcs) -> Result<CommitOutcome, Error> {
    dcs.put(None, key(), vec![], Lifetime::Permanent).await
}

async fn is_put(dcs: &MemoryDcs) -> bool {
    let snapshot = dcs.snapshot(&prefix()).await.unwrap();
    snapshot.get(&key()).is_some()
}

async fn listed(dcs: &MemoryDcs) -> Watch {
    let mut watch = dcs.watch(&prefix()).await.unwrap();
    assert!(matches!(watch.next().await, WatchEvent::Listed(_)));
    watch
}

fn is_unavailable<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Unavailable(_)))
}

fn is_unknown<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Unknown(_)))
}

#[tokio::test]
async fn cut_member_reaches_nothing_and_the_others_do() {
    let store = MemoryStore::with_manual_clock();
    let (a, b) = (store.handle("a"), store.handle("b"));
    let session = a.open(Duration::from_secs(10)).await.unwrap();
    let mut watch = listed(&a).await;
    store.cut("a");
    assert!(is_unavailable(&a.snapshot(&prefix()).await));
    assert!(is_unavailable(&put(&a).await));
    assert!(is_unavailable(&a.renew(&session, &[]).await));
    assert!(!is_put(&b).await);
    assert!(put(&b).await.unwrap().is_applied());
    assert!(matches!(
        watch.next().await,
        WatchEvent::Interrupted(Error::Unavailable(_))
    ));

    store.heal("a");
    assert!(is_put(&a).await);
    assert_eq!(a.renew(&session, &[]).await, Ok(Renewal::Held));
    let event = watch.next().await;
    let WatchEvent::Listed(snapshot) = event else {
        panic!("{event:?}");
    };
    assert!(snapshot.get(&key()).is_some());
}

#[tokio::test]
async fn watch_of_a_cut_member_begins_when_it_is_healed() {
    let store = MemoryStore::new();
    store.cut_all();
    let mut watch = store.handle("a").watch(&prefix()).await.unwrap();
    assert!(matches!(watch.next().await, WatchEvent::Interrupted(_)));
    store.heal_all();
    assert!(matches!(watch.next().await, WatchEvent::Listed(_)));
}

#[tokio::test]
async fn fault_of_one_member_outlasts_the_end_of_a_common_one() {
    let store = MemoryStore::new();
    let (a, b) = (store.handle("a"), store.handle("b"));
    store.cut("a");
    store.cut_all();
    assert!(is_unavailable(&put(&a).await) && is_unavailable(&put(&b).await));
    store.heal_all();
    assert!(is_unavailable(&put(&a).await) && put(&b).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn paused_store_answers_nothing_within_the_limit_and_never_applies_what_gave_up() {
    let store = MemoryStore::new();
    let dcs = store.handle("a");
    let limits = Limits {
        call: Duration::from_secs(2),
        ..Limits::default()
    };
    dcs.set_limits(limits);
    let session = dcs.open(Duration::from_secs(60)).await.unwrap();
    store.pause_all();
    let start = Instant::now();
    assert!(is_unknown(&put(&dcs).await));
    assert!(start.elapsed() <= limits.call + Duration::from_millis(5));
    assert!(is_unknown(&dcs.renew(&session, &[]).await));
    assert!(is_unavailable(&dcs.snapshot(&prefix()).await));
    assert!(is_unavailable(&dcs.open(Duration::from_secs(1)).await));
    store.heal_all();
    assert!(!is_put(&dcs).await);
}

#[tokio::test(start_paused = true)]
async fn pause_that_ends_in_time_only_delays() {
    let store = MemoryStore::new();
    let (a, b) = (store.handle("a"), store.handle("b"));
    let mut watch = listed(&a).await;
    store.pause("a");
    assert!(put(&b).await.unwrap().is_applied());
    let early = timeout(Duration::from_secs(1), watch.next()).await;
    assert!(early.is_err(), "{early:?}");
    let heal = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        store.heal("a");
    };
    let (answer, ()) = tokio::join!(put(&a), heal);
    assert!(answer.unwrap().is_applied());
    for _ in 0..2 {
        assert!(matches!(watch.next().await, WatchEvent::Changed { .. }));
    }
}

#[tokio::test]
async fn lost_reply_is_of_a_call_that_was_applied() {
    let store = MemoryStore::new();
    let (a, b) = (store.handle("a"), store.handle("b"));
    let session = a.open(Duration::from_secs(60)).await.unwrap();
    store.lose_replies("a", 3);
    assert!(is_unknown(&put(&a).await));
    assert!(is_put(&b).await, "it was applied");
    assert!(is_put(&a).await, "a read loses nothing");
    assert!(is_unknown(&a.renew(&session, &[]).await));
    assert!(is_unknown(&a.release(session.clone()).await));
    let renewal = a.renew(&session, &[]).await;
    assert_eq!(renewal, Err(Error::SessionLost { id: session.id }));
    assert!(put(&a).await.unwrap().is_applied());
}

#[tokio::test]
async fn session_whose_opening_is_not_answered_counts_as_not_opened() {
    let store = MemoryStore::new();
    let dcs = store.handle("a");
    store.lose_replies("a", 1);
    assert!(is_unavailable(&dcs.open(Duration::from_secs(1)).await));
    assert!(dcs.open(Duration::from_secs(1)).await.is_ok());
}

#[tokio::test]
async fn rebuilt_store_is_noticed_until_a_session_is_opened() {
    let store = MemoryStore::new();
    let (dcs, fresh) = (store.handle("a"), store.handle("b"));
    let session = dcs.open(Duration::from_secs(60)).await.unwrap();
    assert!(put(&dcs).await.unwrap().is_applied());
    assert!(put(&dcs).await.unwrap().is_applied());
    let mut watch = listed(&dcs).await;
    store.rebuild();
    for _ in 0..2 {
        let write = put(&dcs).await;
        assert!(
            matches!(write, Err(Error::StoreReplaced { .. })),
            "{write:?}"
        );
    }
    assert!(!is_put(&fresh).await, "a refused write is not applied");
    let event = watch.next().await;
    let is_told = matches!(event, WatchEvent::Interrupted(Error::StoreReplaced { .. }));
    assert!(is_told, "{event:?}");
    assert!(matches!(watch.next().await, WatchEvent::Listed(_)));

    let next = dcs.open(Duration::from_secs(60)).await.unwrap();
    assert_ne!(next.id, session.id);
    assert!(put(&dcs).await.unwrap().is_applied());
    let lost = dcs.renew(&session, &[]).await;
    assert!(matches!(lost, Err(Error::SessionLost { .. })), "{lost:?}");
}

#[tokio::test]
async fn reader_that_is_far_behind_gets_a_list() {
    let store = MemoryStore::new();
    let dcs = store.handle("a");
    let mut watch = listed(&dcs).await;
    for _ in 0..3000 {
        assert!(put(&dcs).await.unwrap().is_applied());
    }
    let last = dcs.snapshot(&prefix()).await.unwrap();
    let WatchEvent::Listed(mut mirror) = watch.next().await else {
        panic!("the steps in between were kept");
    };
    while mirror.revision < last.revision {
        let event = watch.next().await;
        let WatchEvent::Changed { revision, changes } = event else {
            panic!("{event:?}");
        };
        mirror.apply(revision, changes);
    }
    assert_eq!(mirror, last);
}
