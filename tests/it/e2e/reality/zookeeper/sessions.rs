//! How long ZooKeeper lets a session live, and what goes with it.
//!
//! Time is the subject here. An instant taken before a call is not after the server heard of it,
//! and one taken after the answer is not before.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::client::{ANY, Client, Refusal};
use super::model;
use super::servers::Servers;

const TICK: Duration = Duration::from_millis(500);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(10);

/// A session whose key shows its end.
fn session(servers: &Servers, path: &str, wish: Duration) -> Client {
    let mut client = Client::connect(servers.address(0), wish);
    client.create(path, true).unwrap();
    client
}

#[test]
fn session_ends_with_its_keys_between_its_timeout_and_a_tick_later() {
    const COUNT: usize = 10;
    let wish = Duration::from_secs(5);
    let servers = Servers::start(1, TICK);
    let mut watcher = Client::connect(servers.address(0), Duration::from_secs(60));
    let mut sessions: Vec<Client> = (0..COUNT)
        .map(|number| session(&servers, &format!("/lock-{number}"), wish))
        .collect();
    let mut renewed = Vec::new();
    for (number, client) in sessions.iter_mut().enumerate() {
        assert_eq!(client.timeout, wish);
        sleep(TICK / 7);
        let sent = Instant::now();
        let stat = client.write(&format!("/lock-{number}"), "x", ANY).unwrap();
        assert_eq!(stat.owner, client.session);
        renewed.push((sent, Instant::now()));
    }

    let mut ended = vec![None; COUNT];
    while ended.iter().any(Option::is_none) {
        assert!(renewed[0].0.elapsed() < wish + Duration::from_secs(60));
        for (number, end) in ended.iter_mut().enumerate() {
            // Asked before, answered after: the key has gone in between.
            let gone = watcher.stat(&format!("/lock-{number}"), false) == Err(Refusal::NoNode);
            if gone && end.is_none() {
                *end = Some(Instant::now());
            }
        }
        sleep(Duration::from_millis(5));
    }

    let times = renewed.iter().zip(ended.into_iter().flatten());
    for ((sent, answered), ended) in times {
        assert!(ended >= *sent + wish, "after {:?}", ended - *sent);
        let late = ended - *answered;
        assert!(late < wish + TICK + SLACK, "after {late:?}");
        eprintln!("later than the timeout by {:?}", late.saturating_sub(wish));
    }
    let [earliest, latest] = model::session_ends(wish);
    assert!(earliest > wish && latest <= wish + TICK);
    // Whose session is over is hung up on, also when it writes.
    for (number, mut client) in sessions.into_iter().enumerate() {
        let write = client.write(&format!("/lock-{number}"), "x", ANY);
        assert_eq!(write, Err(Refusal::SessionOver));
    }
}

#[test]
fn timeout_that_is_granted_lies_between_two_ticks_and_the_longest() {
    let servers = Servers::start(1, TICK);
    let granted = |millis| {
        let wish = Duration::from_millis(millis);
        Client::connect(servers.address(0), wish).timeout
    };
    assert_eq!(granted(100), TICK * 2);
    assert_eq!(granted(1_700), Duration::from_millis(1_700));
    assert_eq!(granted(600_000), Duration::from_secs(60));
    // The model's shortest is two ticks of the default length.
    let two_ticks = Duration::from_secs(4);
    let [low, between, high] = model::grants(Duration::from_secs(60));
    assert_eq!(
        [low, between, high],
        [
            two_ticks,
            Duration::from_millis(4_700),
            Duration::from_secs(60)
        ]
    );
}

#[test]
fn closed_session_takes_its_keys_along_at_once() {
    let servers = Servers::start(1, TICK);
    let mut other = Client::connect(servers.address(0), Duration::from_secs(60));
    let mut closing = session(&servers, "/first", Duration::from_secs(60));
    closing.create("/second", true).unwrap();
    assert_eq!(other.stat("/first", true).unwrap().owner, closing.session);

    closing.close();

    assert_eq!(other.stat("/first", false), Err(Refusal::NoNode));
    assert_eq!(other.stat("/second", false), Err(Refusal::NoNode));
    assert_eq!(other.fired.len(), 1, "{:?}", other.fired);
    assert!(model::close_takes_keys());
}
