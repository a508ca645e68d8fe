//! What a watch says, what a version proves, and what happens as a whole.

use std::time::Duration;

use super::client::{ANY, Client, Fired, Part, Refusal};
use super::model;
use super::servers::Servers;

const TICK: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(60);

fn two(servers: &Servers) -> (Client, Client) {
    let connect = || Client::connect(servers.address(0), LONG);
    (connect(), connect())
}

#[test]
fn watch_fires_once_without_content_and_the_read_after_it_shows_the_latest() {
    let servers = Servers::start(1, TICK);
    let (mut watching, mut writing) = two(&servers);
    writing.create("/leader", false).unwrap();
    assert_eq!(watching.read("/leader", true), Ok(String::new()));

    for text in ["a", "b", "c"] {
        writing.write("/leader", text, ANY).unwrap();
    }

    // What has happened arrives before an answer that shows it.
    assert_eq!(watching.read("/leader", false), Ok("c".to_owned()));
    let fired = Fired {
        kind: 3,
        path: "/leader".to_owned(),
    };
    assert_eq!(watching.fired, std::slice::from_ref(&fired));
    writing.write("/leader", "d", ANY).unwrap();
    assert_eq!(watching.read("/leader", true), Ok("d".to_owned()));
    assert_eq!(watching.fired, [fired], "it was not set again");
    writing.delete("/leader", ANY).unwrap();
    assert_eq!(watching.read("/leader", false), Err(Refusal::NoNode));
    assert_eq!(watching.fired.len(), 2);
    assert_eq!(watching.fired[1].kind, 2);
    assert_eq!(model::view_after_three_writes(), "c");
}

#[test]
fn version_of_a_node_made_again_begins_anew_and_lets_an_old_delete_remove_it() {
    let servers = Servers::start(1, TICK);
    let (mut former, mut successor) = two(&servers);
    former.create("/leader", true).unwrap();
    let seen = former.stat("/leader", false).unwrap();
    assert_eq!(seen.version, 0);
    former.delete("/leader", seen.version).unwrap();
    successor.create("/leader", true).unwrap();
    let now = successor.stat("/leader", false).unwrap();
    assert_eq!((now.version, now.owner), (0, successor.session));
    assert!(
        now.made > seen.made,
        "only the transaction tells them apart"
    );

    // What the former leader had seen still fits.
    assert_eq!(former.delete("/leader", seen.version), Ok(()));

    assert_eq!(successor.stat("/leader", false), Err(Refusal::NoNode));
    // The model's guards name the transaction: a backend for ZooKeeper has to do that as well.
    assert!(!model::old_guard_holds());
}

#[test]
fn parts_of_a_multi_are_done_all_or_none() {
    let servers = Servers::start(1, TICK);
    let (mut one, mut other) = two(&servers);
    one.create("/leader", true).unwrap();
    one.create("/status", false).unwrap();
    let refused = one.all_of(&[
        Part::Write("/status", "1", 0),
        Part::Create("/history"),
        Part::Check("/leader", 7),
    ]);
    assert_eq!(refused, Err(Refusal::BadVersion));
    assert_eq!(other.stat("/history", false), Err(Refusal::NoNode));
    assert_eq!(other.stat("/status", false).unwrap().version, 0);

    let done = one.all_of(&[
        Part::Check("/leader", 0),
        Part::Write("/status", "1", 0),
        Part::Create("/history"),
    ]);
    assert_eq!(done, Ok(()));
    assert_eq!(other.read("/status", false), Ok("1".to_owned()));
    assert!(other.stat("/history", false).is_ok());

    one.delete("/leader", ANY).unwrap();
    let refused = one.all_of(&[
        Part::Check("/leader", ANY),
        Part::Write("/status", "2", ANY),
    ]);
    assert_eq!(refused, Err(Refusal::NoNode));
    let refused = one.all_of(&[Part::Write("/status", "2", ANY), Part::Create("/history")]);
    assert_eq!(refused, Err(Refusal::NodeExists));
    assert_eq!(other.read("/status", false), Ok("1".to_owned()));
    assert_eq!(model::commit_is_whole(), [false, true]);
}
