//! `show-config` and `edit-config` against keys in a real store.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::json;

use crate::support::{Ended, Running, Store, nobody, run};

const CONFIG: &str =
    r#"{"ttl":30,"loop_wait":1,"postgresql":{"parameters":{"max_connections":30}}}"#;
const SHOWN: &str = "\
loop_wait: 1
postgresql:
  parameters:
    max_connections: 30
ttl: 30
";

fn store() -> Store {
    let store = Store::with_cluster(nobody());
    store.put("config", CONFIG);
    store
}

fn answered(store: &Store, arguments: &[&str], input: &str) -> Ended {
    run(store.command(arguments), input)
}

#[test]
fn the_configuration_is_shown_as_yaml() {
    let ended = store().run(&["show-config", "batman"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert_eq!(ended.out, format!("{SHOWN}\n"));
    let ended = Store::empty().run(&["show-config"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""));
}

#[test]
fn values_are_set_after_a_difference_and_a_yes() {
    let store = store();
    let change = ["edit-config", "-s", "ttl=40", "-p", "work_mem=5MB"];
    let difference = "\
--- 
+++ 
@@ -2,4 +2,5 @@
 postgresql:
   parameters:
     max_connections: 30
-ttl: 30
+    work_mem: 5MB
+ttl: 40
Apply these changes? [y/N]: ";
    let refused = answered(&store, &change, "n\n");
    assert_eq!((refused.code, refused.out.as_str()), (Some(0), difference));
    let silent = answered(&store, &change, "");
    assert_eq!((silent.code, silent.err.as_str()), (Some(1), "Aborted!\n"));
    assert_eq!(store.json("config")["ttl"], 30);

    let done = answered(&store, &change, "y\n");
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    assert_eq!(done.out, format!("{difference}Configuration changed\n"));
    let parameters = json!({"max_connections": 30, "work_mem": "5MB"});
    let expected = json!({"ttl": 40, "loop_wait": 1, "postgresql": {"parameters": parameters}});
    assert_eq!(store.json("config"), expected);

    let again = store.run(&["edit-config", "--set", "ttl=40"]);
    assert_eq!((again.code, again.out.as_str()), (Some(0), "Not changed\n"));
    let quiet = store.run(&["edit-config", "-q", "-s", "ttl=null", "--force"]);
    assert_eq!(quiet.out, "Configuration changed\n");
    assert_eq!(store.json("config").get("ttl"), None);
}

#[test]
fn files_are_applied_or_replace_everything() {
    let store = store();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("over.yml");
    let text = "pause: on\nttl: null\npostgresql: {use_slots: true}\n";
    fs::write(&file, text).expect("the folder is writable");
    let file = file.to_str().expect("our paths are text");
    let ended = store.run(&["edit-config", "--apply", file, "--force"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let postgresql = json!({"parameters": {"max_connections": 30}, "use_slots": true});
    let expected = json!({"loop_wait": 1, "pause": true, "postgresql": postgresql});
    assert_eq!(store.json("config"), expected);

    let replace = ["edit-config", "--replace", "-"];
    let waiting = answered(&store, &replace, "ttl: 20");
    assert_eq!(waiting.code, Some(1));
    assert_eq!(waiting.err, "Error: Use --force option to apply changes\n");
    assert!(waiting.out.contains("+ttl: 20\n"), "{}", waiting.out);
    assert_eq!(store.json("config"), expected);

    let forced = ["edit-config", "--replace", "-", "--force"];
    assert_eq!(answered(&store, &forced, "ttl: 20").code, Some(0));
    assert_eq!(store.json("config"), json!({"ttl": 20}));
}

#[test]
fn what_is_no_configuration_is_refused_and_nothing_changes() {
    let store = store();
    for (arguments, input, error) in [
        (&["-s", "ttl"][..], "", "Invalid parameter setting ttl"),
        (&["--apply", "-"], "- 1", "the input is no configuration: "),
        (&["--replace", "-"], "", "the input is no configuration: "),
        (&["--apply", "-"], "a: [", "the input:"),
        (
            &["--apply", "/nonexistent"],
            "",
            "cannot read /nonexistent: ",
        ),
    ] {
        let arguments = [&["edit-config", "--force"], arguments].concat();
        let ended = answered(&store, &arguments, input);
        assert_eq!(ended.code, Some(1), "{arguments:?}");
        let begin = format!("Error: {error}");
        assert!(ended.err.starts_with(&begin), "{}", ended.err);
    }
    assert_eq!(
        store.json("config"),
        serde_json::from_str::<serde_json::Value>(CONFIG).unwrap()
    );
    let ended = Store::empty().run(&["edit-config", "-s", "ttl=1"]);
    let error = "Error: The config key does not exist in the cluster batman\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), error));
}

#[test]
fn a_configuration_that_changed_meanwhile_is_left_alone() {
    let store = store();
    let mut command = store.command(&["edit-config", "-s", "ttl=40"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = child.stderr(Stdio::null()).spawn();
    let mut running = Running(child.expect("the program can be started"));
    let out = running.0.stdout.take().expect("the output is a pipe");
    let mut lines = BufReader::new(out)
        .lines()
        .map(|line| line.expect("it is text"));
    assert!(lines.any(|line| line == "+ttl: 40"));
    store.put("config", r#"{"ttl":20}"#);
    let mut input = running.0.stdin.take().expect("the input is a pipe");
    std::io::Write::write_all(&mut input, b"y\n").expect("it waits for an answer");
    assert_eq!(running.0.wait().expect("it ends").code(), Some(1));
    assert_eq!(store.json("config"), json!({"ttl": 20}));
}

/// An editor that runs `sed` on the file, or does something else.
fn with_editor(store: &Store, script: &str) -> Ended {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("editor");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("the folder is writable");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let mut command = store.command(&["edit-config", "--force"]);
    command.env("EDITOR", &file);
    run(command, "")
}

#[test]
fn the_editor_gets_the_configuration_as_it_is_shown() {
    let store = store();
    let ended = with_editor(&store, r#"sed -i 's/^ttl: 30$/ttl: 25  # seconds/' "$1""#);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(
        ended.out.contains("\n-ttl: 30\n+ttl: 25  # seconds\n"),
        "{}",
        ended.out
    );
    assert_eq!(store.json("config")["ttl"], 25);
    let ended = with_editor(&store, "exit 3");
    let error = "Error: Editor exited with return code 3\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), error));
}

#[test]
fn a_mistake_in_the_editor_does_not_lose_the_text() {
    let store = store();
    let ended = with_editor(&store, r#"echo 'x: [' > "$1""#);
    assert_eq!(ended.code, Some(1));
    let begin = "Warning: your text is kept in ";
    let kept = ended
        .err
        .lines()
        .next()
        .and_then(|line| line.strip_prefix(begin));
    let kept = kept.expect("the file is named");
    assert_eq!(fs::read_to_string(kept).expect("it is there"), "x: [\n");
    fs::remove_file(kept).expect("it is ours");
    assert_eq!(store.json("config")["ttl"], 30);
}
