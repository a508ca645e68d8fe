//! What a later read says about a change whose answer was lost, and what a watch says about changes
//! that it missed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions};
use herdsman_dcs::test_servers::EtcdServers;
use herdsman_dcs::{
    Commit, Condition, Dcs as _, Error, Key, Lifetime, Limits, Prefix, Snapshot, Watch, WatchEvent,
};
use herdsman_tests::reality::{Relay, wait_until};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(60);

/// A store that is reached through a relay alone, and directly by somebody else.
struct Scene {
    far: EtcdDcs,
    near: EtcdDcs,
    relay: Relay,
    servers: EtcdServers,
}

impl Scene {
    async fn new() -> Self {
        let servers = EtcdServers::single();
        let relay = Relay::open(&servers.endpoint(0)).await;
        let limits = Limits {
            call: Duration::from_secs(1),
            attempt: Duration::from_secs(1),
        };
        let access = |endpoint: String| {
            let options = EtcdOptions::new([endpoint]).unwrap().limits(limits);
            EtcdDcs::new(options.only_given_endpoints())
        };
        let scene = Self {
            far: access(relay.endpoint()),
            near: access(servers.endpoint(0)),
            relay,
            servers,
        };
        // The connection is there before anything is lost.
        assert_eq!(scene.far.snapshot(&prefix()).await, Ok(scene.read().await));
        scene
    }

    async fn read(&self) -> Snapshot {
        self.near.snapshot(&prefix()).await.unwrap()
    }

    /// Creates the key from afar; nobody hears how it ended.
    async fn create_unheard(&self) {
        let create =
            Commit::new()
                .guard(key(), Condition::Absent)
                .put(key(), "far", Lifetime::Permanent);
        let outcome = self.far.commit(None, create).await;
        assert!(matches!(outcome, Err(Error::Unknown(_))), "{outcome:?}");
    }
}

fn prefix() -> Prefix {
    Prefix::new("/service/demo").unwrap()
}

fn key() -> Key {
    prefix().key("lock").unwrap()
}

#[tokio::test]
async fn lost_reply_hides_a_change_that_a_later_read_shows() {
    let scene = Scene::new().await;
    scene.relay.lose_answers();

    scene.create_unheard().await;

    let read = scene.read().await;
    assert_eq!(read.get(&key()).unwrap().value, b"far");
}

#[tokio::test]
async fn lost_request_sounds_the_same_and_a_later_read_shows_nothing() {
    let scene = Scene::new().await;
    scene.relay.lose_requests();

    scene.create_unheard().await;

    assert_eq!(scene.read().await.get(&key()), None);
}

#[tokio::test]
async fn late_request_is_applied_after_a_read_has_shown_nothing() {
    let scene = Scene::new().await;
    scene.relay.hold_requests();
    scene.create_unheard().await;
    assert_eq!(scene.read().await.get(&key()), None);

    scene.relay.deliver();

    wait_until("the late change", async || {
        scene.read().await.get(&key()).is_some()
    })
    .await;
}

#[tokio::test]
async fn late_request_whose_guard_does_not_hold_any_more_changes_nothing() {
    let scene = Scene::new().await;
    scene.relay.hold_requests();
    scene.create_unheard().await;
    let put = scene
        .near
        .put(None, key(), b"near".to_vec(), Lifetime::Permanent);
    assert!(put.await.unwrap().is_applied());
    let before = applied_proposals(&scene.servers);

    scene.relay.deliver();

    wait_until("the late request to be carried out", async || {
        applied_proposals(&scene.servers) > before
    })
    .await;
    assert_eq!(scene.read().await.get(&key()).unwrap().value, b"near");
}

/// How many changes the server has been asked for and has carried out.
fn applied_proposals(servers: &EtcdServers) -> u64 {
    let page = herdsman_tests::etcd_metrics::Metrics::read(&servers.endpoint(0)).unwrap();
    let count = page.sum("etcd_server_proposals_applied_total", |_| true);
    format!("{count:.0}").parse().unwrap()
}

#[tokio::test]
async fn watch_that_missed_what_was_forgotten_lists_what_there_is() {
    let scene = Scene::new().await;
    let mut watch = scene.far.watch(&prefix()).await.unwrap();
    assert!(matches!(next(&mut watch).await, WatchEvent::Listed(_)));
    scene.relay.lose_answers();
    for number in 0..10 {
        let value = vec![number];
        let put = scene.near.put(None, key(), value, Lifetime::Permanent);
        assert!(put.await.unwrap().is_applied());
    }
    let now = scene.read().await;
    compact(&scene.servers.endpoint(0), now.revision.to_string());

    let event = next(&mut watch).await;
    assert!(matches!(event, WatchEvent::Interrupted(_)), "{event:?}");
    scene.relay.heal();

    let listed = loop {
        match next(&mut watch).await {
            WatchEvent::Listed(snapshot) => break snapshot,
            WatchEvent::Interrupted(_) => {}
            changed @ WatchEvent::Changed { .. } => panic!("{changed:?}"),
        }
    };
    assert_eq!(listed, now);
}

async fn next(watch: &mut Watch) -> WatchEvent {
    timeout(LONG, watch.next())
        .await
        .expect("the watch is silent")
}

/// Makes the server forget what was before this revision.
fn compact(endpoint: &str, revision: String) {
    let address = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let body = format!(r#"{{"revision": "{revision}", "physical": true}}"#);
    let request = format!(
        "POST /v3/kv/compaction HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 OK"), "{answer}");
}
