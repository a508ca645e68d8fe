//! How time passes in a memory store, on the real clock and on one that is moved by hand.

use std::time::Duration;

use herdsman_dcs::memory::{MemoryDcs, MemoryStore};
use herdsman_dcs::{
    Change, Dcs, Error, Key, Lifetime, Prefix, Renewal, Session, Watch, WatchEvent,
};
use tokio::time::{Instant, timeout};

const TTL: Duration = Duration::from_secs(10);
const INSTANT: Duration = Duration::from_nanos(1);

fn prefix() -> Prefix {
    Prefix::new("/demo").unwrap()
}

fn lock() -> Key {
    prefix().key("leader").unwrap()
}

async fn take(dcs: &MemoryDcs, ttl: Duration) -> Session {
    let session = dcs.open(ttl).await.unwrap();
    let put = dcs.put(Some(&session), lock(), vec![], Lifetime::Session);
    assert!(put.await.unwrap().is_applied());
    session
}

async fn is_taken(dcs: &MemoryDcs) -> bool {
    let snapshot = dcs.snapshot(&prefix()).await.unwrap();
    snapshot.get(&lock()).is_some()
}

async fn listed(dcs: &MemoryDcs) -> Watch {
    let mut watch = dcs.watch(&prefix()).await.unwrap();
    assert!(matches!(watch.next().await, WatchEvent::Listed(_)));
    watch
}

async fn check_tells_the_end(watch: &mut Watch) {
    let gone = Change {
        key: lock(),
        entry: None,
    };
    let event = watch.next().await;
    let WatchEvent::Changed { changes, .. } = event else {
        panic!("{event:?}");
    };
    assert_eq!(changes, [gone]);
}

#[tokio::test]
async fn session_lives_until_its_ttl_and_not_an_instant_longer() {
    let store = MemoryStore::with_manual_clock();
    let (a, b) = (store.handle("a"), store.handle("b"));
    let session = take(&a, TTL).await;
    store.advance(TTL - INSTANT);
    assert!(is_taken(&b).await);
    store.advance(INSTANT);
    assert!(!is_taken(&b).await);
    let lost = Error::SessionLost {
        id: session.id.clone(),
    };
    assert_eq!(a.renew(&session, &[]).await, Err(lost));
}

#[tokio::test]
async fn renewal_restarts_the_ttl() {
    let store = MemoryStore::with_manual_clock();
    let dcs = store.handle("a");
    let session = take(&dcs, TTL).await;
    store.advance(TTL - INSTANT);
    assert_eq!(dcs.renew(&session, &[]).await, Ok(Renewal::Held));
    store.advance(TTL - INSTANT);
    assert_eq!(dcs.resume(&session.id).await, Ok(session.clone()));
    store.advance(TTL - INSTANT);
    assert!(is_taken(&dcs).await);
    store.advance(INSTANT);
    assert!(!is_taken(&dcs).await);
}

#[tokio::test]
async fn sessions_end_in_the_order_of_their_deadlines() {
    let store = MemoryStore::with_manual_clock();
    let dcs = store.handle("a");
    let mut watch = listed(&dcs).await;
    let names = ["late", "early"].map(|name| prefix().key(name).unwrap());
    for (key, seconds) in names.iter().zip([5, 3]) {
        let session = dcs.open(Duration::from_secs(seconds)).await.unwrap();
        let put = dcs.put(Some(&session), key.clone(), vec![], Lifetime::Session);
        assert!(put.await.unwrap().is_applied());
    }
    store.advance(TTL);
    let mut told = Vec::new();
    for _ in 0..4 {
        let event = watch.next().await;
        let WatchEvent::Changed { changes, .. } = event else {
            panic!("{event:?}");
        };
        told.push(changes[0].clone());
    }
    let ended: Vec<&Key> = told[2..].iter().map(|c| &c.key).collect();
    assert_eq!(ended, [&names[1], &names[0]]);
}

#[tokio::test]
async fn advance_wakes_a_watch() {
    let store = MemoryStore::with_manual_clock();
    let dcs = store.handle("a");
    take(&dcs, TTL).await;
    let mut watch = listed(&dcs).await;
    let waiting = tokio::spawn(async move { check_tells_the_end(&mut watch).await });
    tokio::task::yield_now().await;
    store.advance(TTL);
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn watch_is_told_of_an_end_at_the_instant_it_happens() {
    let store = MemoryStore::new();
    let dcs = store.handle("a");
    let start = Instant::now();
    take(&dcs, TTL).await;
    let mut watch = listed(&dcs).await;
    check_tells_the_end(&mut watch).await;
    assert!(start.elapsed() >= TTL);
    assert!(start.elapsed() < TTL + Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn waiting_watch_notices_a_session_that_was_opened_later_and_ends_earlier() {
    let store = MemoryStore::new();
    let dcs = store.handle("a");
    let _long = dcs.open(TTL * 10).await.unwrap();
    let mut watch = listed(&dcs).await;
    let waiting = tokio::spawn(async move {
        let put = watch.next().await;
        assert!(matches!(put, WatchEvent::Changed { .. }), "{put:?}");
        check_tells_the_end(&mut watch).await;
    });
    tokio::task::yield_now().await;
    let start = Instant::now();
    take(&dcs, TTL).await;
    waiting.await.unwrap();
    assert!(start.elapsed() < TTL + Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn renewed_session_does_not_end_when_a_watch_looks() {
    let store = MemoryStore::new();
    let dcs = store.handle("a");
    let session = take(&dcs, TTL).await;
    let mut watch = listed(&dcs).await;
    for _ in 0..5 {
        let quiet = timeout(TTL - Duration::from_millis(10), watch.next()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        assert_eq!(dcs.renew(&session, &[]).await, Ok(Renewal::Held));
    }
    check_tells_the_end(&mut watch).await;
}

#[test]
#[should_panic(expected = "only a store with a manual clock")]
fn real_clock_cannot_be_advanced() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let _inside = runtime.as_ref().unwrap().enter();
    MemoryStore::new().advance(TTL);
}
