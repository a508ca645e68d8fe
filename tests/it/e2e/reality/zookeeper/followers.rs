//! What a server that was left behind says, and what proves more than its word.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::client::{ANY, Client, Refusal};
use super::model;
use super::servers::Servers;

const TICK: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(60);

/// A server that stood still, as one that is cut off from its leader, still shows what was: to one
/// that asks for it at once. A sync is answered after everything that its leader had done.
#[test]
fn read_after_a_sync_is_new_on_a_follower_that_stood_still() {
    let servers = Servers::start(3, TICK);
    let follower = servers.follower();
    let other = (follower + 1) % 3;
    let mut behind = Client::connect(servers.address(follower), LONG);
    let mut writing = Client::connect(servers.address(other), LONG);
    writing.create("/config", false).unwrap();
    let mut stale = 0;
    for number in 0..10 {
        let text = number.to_string();
        servers.signal(follower, Signal::STOP);
        writing.write("/config", &text, ANY).unwrap();
        // Its questions wait in the connection, beside what the leader tells.
        let asked = behind.ask_around_a_sync("/config");
        servers.signal(follower, Signal::CONT);
        let [before, after] = behind.told_around_a_sync(asked);
        assert_eq!(after, text);
        stale += u32::from(before != text);
    }
    eprintln!("{stale} of 10 first reads were stale");
    // A write is a barrier just as well: in its session nothing older is read any more.
    servers.signal(follower, Signal::STOP);
    writing.write("/config", "last", ANY).unwrap();
    servers.signal(follower, Signal::CONT);
    behind.create("/barrier", true).unwrap();
    assert_eq!(behind.read("/config", false), Ok("last".to_owned()));
    assert_eq!(model::stale_view(), ["old", "new"]);
}

/// The leader has ended the session of a client whose server stood still. That server may go on
/// to say that the key is there; a write in the session is refused, whatever it says.
#[test]
fn session_that_ended_while_its_follower_stood_still_cannot_write() {
    let servers = Servers::start(3, TICK);
    let follower = servers.follower();
    let other = (follower + 1) % 3;
    let mut watcher = Client::connect(servers.address(other), LONG);
    let mut holder = Client::connect(servers.address(follower), Duration::from_secs(2));
    holder.create("/leader", true).unwrap();
    let sent = Instant::now();
    holder.write("/leader", "a", ANY).unwrap();
    servers.signal(follower, Signal::STOP);
    while watcher.stat("/leader", false) != Err(Refusal::NoNode) {
        assert!(sent.elapsed() < LONG, "the session does not end");
        sleep(Duration::from_millis(10));
    }
    assert!(sent.elapsed() >= holder.timeout);
    watcher.create("/leader", true).unwrap();

    servers.signal(follower, Signal::CONT);

    let first = holder.stat("/leader", false);
    eprintln!("the follower says first: {first:?}");
    let write = holder.write("/leader", "a", ANY);
    assert_eq!(write, Err(Refusal::SessionOver));
    let owner = watcher.stat("/leader", false).unwrap().owner;
    assert_eq!(owner, watcher.session);
    assert!(model::ended_session_is_lost());
}
