//! `remove` against keys in a real store.

use crate::support::{Store, nobody, run};

#[test]
fn a_cluster_is_removed_after_three_answers() {
    let store = Store::with_cluster(nobody());
    let before = store.count();
    for (input, error) in [
        ("robin\n", "Error: Cluster names specified do not match\n"),
        (
            "batman\nyes\n",
            "Error: You did not exactly type \"Yes I am aware\"\n",
        ),
        (
            "batman\nYes I am aware\npostgresql1\n",
            "Error: You did not specify the current leader of the cluster\n",
        ),
        ("batman\nYes I am aware\n", "Aborted!\n"),
    ] {
        let ended = run(store.command(&["remove", "batman"]), input);
        assert_eq!((ended.code, ended.err.as_str()), (Some(1), error));
        assert_eq!(store.count(), before);
    }
    let input = "batman\nYes I am aware\npostgresql0\n";
    let ended = run(store.command(&["remove", "batman"]), input);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    for question in [
        "Please confirm the cluster name to remove: ",
        "You are about to remove all information in DCS for batman, \
         please type: \"Yes I am aware\": ",
        "This cluster currently is healthy. Please specify the leader name to continue: ",
    ] {
        assert!(ended.out.contains(question), "{}", ended.out);
    }
    assert_eq!(store.count(), 0);
}

#[test]
fn more_keys_than_fit_in_one_step_are_removed_too() {
    let store = Store::empty();
    for number in 0..150 {
        store.put(&format!("members/m{number}"), "{}");
    }
    let ended = run(
        store.command(&["remove", "batman", "-f", "tsv"]),
        "batman\nYes I am aware\n",
    );
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert_eq!(store.count(), 0);
}
