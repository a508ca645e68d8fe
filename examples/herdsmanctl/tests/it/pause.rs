//! `pause` and `resume` against keys in a real store.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use serde_json::json;

use crate::support::{LEADER, Running, STANDBY, Store, nobody};

#[test]
fn pausing_and_resuming_change_one_key_and_nothing_else() {
    let store = Store::with_cluster(nobody());
    store.put(
        "config",
        r#"{"loop_wait":1,"ttl":30,"x":{"y":[1,2.5,null]}}"#,
    );
    let ended = store.run(&["pause"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert_eq!(ended.out, "Success: cluster management is paused\n");
    let paused = json!({"loop_wait": 1, "ttl": 30, "x": {"y": [1, 2.5, null]}, "pause": true});
    assert_eq!(store.json("config"), paused);

    let again = store.run(&["pause", "batman"]);
    assert_eq!((again.code, again.out.as_str()), (Some(1), ""));
    assert_eq!(again.err, "Error: Cluster is already paused\n");

    let ended = store.run(&["resume"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.out, "Success: cluster management is resumed\n");
    let resumed = json!({"loop_wait": 1, "ttl": 30, "x": {"y": [1, 2.5, null]}});
    assert_eq!(store.json("config"), resumed);

    let again = store.run(&["resume"]);
    assert_eq!(
        (again.code, again.err.as_str()),
        (Some(1), "Error: Cluster is not paused\n")
    );
}

#[test]
fn a_cluster_without_configuration_cannot_be_paused() {
    let store = Store::empty();
    let ended = store.run(&["pause"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.err,
        "Error: The config key does not exist in the cluster batman\n"
    );
}

#[test]
fn waiting_ends_when_every_member_has_noticed() {
    let store = Store::with_cluster(nobody());
    // Long enough that only the members can end the wait.
    store.put("config", r#"{"loop_wait":600}"#);
    let mut command = store.command(&["pause", "--wait"]);
    let child = command.stdout(Stdio::piped()).spawn();
    let mut running = Running(child.expect("the program can be started"));
    let mut out = BufReader::new(running.0.stdout.take().expect("the output is a pipe"));
    let mut line = String::new();
    out.read_line(&mut line).expect("the output is text");
    assert_eq!(
        line,
        "'pause' request sent, waiting until it is recognized by all nodes\n"
    );
    assert_eq!(store.json("config")["pause"], true);
    store.put_member(LEADER, nobody(), r#""pause":true"#);
    assert_eq!(running.0.try_wait().expect("it can be asked"), None);
    store.put_member(STANDBY, nobody(), r#""pause":true"#);
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("the output is text");
    assert_eq!(rest, "Success: cluster management is paused\n");
    assert!(running.0.wait().expect("it ends").success());
}

#[test]
fn members_that_do_not_notice_are_named() {
    let store = Store::with_cluster(nobody());
    store.put("config", r#"{"loop_wait":1,"pause":true}"#);
    store.put_member(STANDBY, nobody(), r#""pause":true"#);
    let ended = store.run(&["resume", "--wait"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.err,
        "Error: postgresql1 members didn't recognized pause state after 2 seconds\n"
    );
    assert_eq!(store.json("config"), json!({"loop_wait": 1}));
}
