//! A cluster of three: what its faults cost the callers.
//!
//! Limits are generous, because the machine may be busy; what is checked is how many calls were
//! slow or failed, and that nothing outlasts its limit.

use std::time::Duration;

use etcd_client::Client;
use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions};
use herdsman_dcs::test_servers::EtcdServers;
use herdsman_dcs::{
    Commit, Condition, Dcs, Error, Guard, Key, Lifetime, Limits, Prefix, Renewal, Session, Watch,
    WatchEvent,
};
use tokio::time::{Instant, timeout};

const LIMITS: Limits = Limits {
    call: Duration::from_secs(20),
    attempt: Duration::from_millis(1000),
};
/// What a busy machine may add to any time.
const SLACK: Duration = Duration::from_secs(3);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

struct Scene {
    servers: EtcdServers,
    /// The member that calls stick to at first, which is not etcd's leader.
    first: usize,
    dcs: EtcdDcs,
}

impl Scene {
    async fn new() -> Self {
        Self::with_limits(LIMITS).await
    }

    async fn with_limits(limits: Limits) -> Self {
        let servers = EtcdServers::cluster_of_three();
        let first = (leader(&servers).await + 1) % 3;
        let dcs = access(&servers, first, limits);
        Self {
            servers,
            first,
            dcs,
        }
    }

    async fn session_with_lock(&self) -> Session {
        let session = self.dcs.open(Duration::from_secs(120)).await.unwrap();
        let free = Guard::new(lock(), Condition::Absent);
        let put = self
            .dcs
            .put_if(Some(&session), free, b"me".to_vec(), Lifetime::Session);
        assert!(put.await.unwrap().is_applied());
        session
    }

    /// What a member does again and again; returns how long each call took.
    async fn work(&self, session: &Session, rounds: usize) -> Vec<Duration> {
        let mut took = Vec::new();
        let held = [Guard::new(lock(), Condition::HeldBySession)];
        for round in 0..rounds {
            let start = Instant::now();
            assert_eq!(self.dcs.renew(session, &held).await, Ok(Renewal::Held));
            took.push(start.elapsed());
            let start = Instant::now();
            let status = format!("{round}").into_bytes();
            let key = prefix().key("status").unwrap();
            let commit = Commit::new().guard(lock(), Condition::HeldBySession).put(
                key,
                status,
                Lifetime::Permanent,
            );
            let outcome = self.dcs.commit(Some(session), commit).await;
            assert!(outcome.unwrap().is_applied());
            took.push(start.elapsed());
            let start = Instant::now();
            let found = self.dcs.snapshot(&prefix()).await.unwrap();
            assert_eq!(found.entries[&lock()].session.as_ref(), Some(&session.id));
            took.push(start.elapsed());
        }
        took
    }
}

fn prefix() -> Prefix {
    Prefix::new("/service/demo").unwrap()
}

fn lock() -> Key {
    prefix().key("leader").unwrap()
}

/// Access that begins with the given member and then goes round.
fn access(servers: &EtcdServers, first: usize, limits: Limits) -> EtcdDcs {
    let mut endpoints = servers.endpoints();
    endpoints.rotate_left(first);
    EtcdDcs::new(EtcdOptions::new(endpoints).unwrap().limits(limits))
}

async fn leader(servers: &EtcdServers) -> usize {
    for number in 0..3 {
        let mut client = Client::connect([servers.endpoint(number)], None)
            .await
            .unwrap();
        let status = client.status().await.unwrap();
        let own_id = status.header().unwrap().member_id();
        if status.leader() == own_id {
            return number;
        }
    }
    panic!("all members answer, so one of them leads");
}

async fn next(watch: &mut Watch) -> WatchEvent {
    timeout(LONGEST_WAIT, watch.next())
        .await
        .expect("the watch is silent")
}

/// Puts a key by other means and waits until the watch has told of it.
async fn check_delivers(watch: &mut Watch, through: &EtcdDcs, name: &str) {
    let key = prefix().key(name).unwrap();
    let put = through.put(None, key.clone(), vec![], Lifetime::Permanent);
    assert!(put.await.unwrap().is_applied());
    let told = async {
        loop {
            let is_told = match watch.next().await {
                WatchEvent::Listed(snapshot) => snapshot.get(&key).is_some(),
                WatchEvent::Changed { changes, .. } => changes.iter().any(|c| c.key == key),
                WatchEvent::Interrupted(_) => false,
            };
            if is_told {
                return;
            }
        }
    };
    timeout(LONGEST_WAIT, told)
        .await
        .expect("the change is not told");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_leader_of_etcd_fails_no_call() {
    let mut scene = Scene::new().await;
    let session = scene.session_with_lock().await;
    scene.work(&session, 5).await;
    let leader = leader(&scene.servers).await;
    scene.servers.kill(leader);
    scene.work(&session, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hung_server_makes_exactly_one_call_slow() {
    let scene = Scene::new().await;
    let session = scene.session_with_lock().await;
    let mut watch = scene.dcs.watch(&prefix()).await.unwrap();
    assert!(matches!(next(&mut watch).await, WatchEvent::Listed(_)));
    scene.work(&session, 5).await;
    scene.servers.stop(scene.first);
    let took = scene.work(&session, 50).await;
    let slow: Vec<&Duration> = took.iter().filter(|t| **t >= LIMITS.attempt).collect();
    assert_eq!(slow.len(), 1, "{took:?}");
    assert!(*slow[0] < LIMITS.attempt + SLACK, "{slow:?}");
    check_delivers(&mut watch, &scene.dcs, "seen").await;
    scene.servers.cont(scene.first);
    assert_eq!(scene.work(&session, 5).await.len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_watch_is_not_interrupted() {
    let scene = Scene::new().await;
    let mut watch = scene.dcs.watch(&prefix()).await.unwrap();
    assert!(matches!(next(&mut watch).await, WatchEvent::Listed(_)));
    // etcd hangs up on a client that pings too often after some 4 s.
    let quiet = timeout(Duration::from_secs(10), watch.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn straggler_of_a_hung_server_does_no_harm_to_a_guarded_key() {
    let scene = Scene::new().await;
    let session = scene.dcs.open(Duration::from_secs(120)).await.unwrap();
    scene.servers.stop(scene.first);
    let free = Guard::new(lock(), Condition::Absent);
    let put = scene
        .dcs
        .put_if(Some(&session), free, b"me".to_vec(), Lifetime::Session);
    let revision = put.await.unwrap().revision();
    scene.servers.cont(scene.first);
    // The server that was hung has caught up when it shows the key itself.
    let its_own = access(&scene.servers, scene.first, LIMITS);
    let found = its_own.snapshot(&prefix()).await.unwrap();
    assert_eq!(Some(found.entries[&lock()].modified), revision);
    assert_eq!(Some(found.entries[&lock()].created), revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_cluster_is_unavailable_within_the_limit_and_comes_back() {
    let limits = Limits {
        call: Duration::from_secs(2),
        attempt: Duration::from_millis(500),
    };
    let mut scene = Scene::with_limits(limits).await;
    let mut watch = scene.dcs.watch(&prefix()).await.unwrap();
    assert!(matches!(next(&mut watch).await, WatchEvent::Listed(_)));
    for number in 0..3 {
        scene.servers.kill(number);
    }
    assert!(matches!(next(&mut watch).await, WatchEvent::Interrupted(_)));
    // A connection that was open may fail ambiguously; after that every connection is refused.
    let _ = scene.dcs.snapshot(&prefix()).await;
    let start = Instant::now();
    let put = scene
        .dcs
        .put(None, lock(), vec![], Lifetime::Permanent)
        .await;
    assert!(matches!(put, Err(Error::Unavailable(_))), "{put:?}");
    let read = scene.dcs.snapshot(&prefix()).await;
    assert!(matches!(read, Err(Error::Unavailable(_))), "{read:?}");
    assert!(start.elapsed() < limits.call * 2 + SLACK);

    for number in 0..3 {
        scene.servers.restart(number);
    }
    scene.servers.wait_until_all_answer();
    scene.dcs.set_limits(LIMITS);
    check_delivers(&mut watch, &scene.dcs, "seen").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hung_cluster_leaves_writes_unknown_within_the_limit_and_comes_back() {
    let limits = Limits {
        call: Duration::from_secs(2),
        attempt: Duration::from_millis(500),
    };
    let scene = Scene::with_limits(limits).await;
    let session = scene.session_with_lock().await;
    for number in 0..3 {
        scene.servers.stop(number);
    }
    let start = Instant::now();
    let key = prefix().key("status").unwrap();
    let put = scene.dcs.put(None, key, vec![], Lifetime::Permanent).await;
    assert!(matches!(put, Err(Error::Unknown(_))), "{put:?}");
    let renewal = scene.dcs.renew(&session, &[]).await;
    assert!(matches!(renewal, Err(Error::Unknown(_))), "{renewal:?}");
    let read = scene.dcs.snapshot(&prefix()).await;
    assert!(matches!(read, Err(Error::Unavailable(_))), "{read:?}");
    let open = scene.dcs.open(Duration::from_secs(5)).await;
    assert!(matches!(open, Err(Error::Unavailable(_))), "{open:?}");
    assert!(start.elapsed() < limits.call * 4 + SLACK);

    for number in 0..3 {
        scene.servers.cont(number);
    }
    scene.dcs.set_limits(LIMITS);
    scene.work(&session, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_were_learned_replace_the_given_ones() {
    let mut scene = Scene::new().await;
    let options = EtcdOptions::new([scene.servers.endpoint(scene.first)]).unwrap();
    let dcs = EtcdDcs::new(options.limits(LIMITS));
    dcs.snapshot(&prefix()).await.unwrap();
    scene.servers.kill(scene.first);
    assert!(dcs.snapshot(&prefix()).await.is_ok());
}
