//! The demo as a stranger runs it: a process whose output is read to its end.

use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_herdsman-demo"));
    command
        .args(arguments)
        .output()
        .expect("the demo was built with this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// With single spaces: where lines are wrapped does not matter.
fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Looks for each word after the one before it, and gives back what follows the last.
fn after_all<'a>(mut rest: &'a str, words: &[&str]) -> &'a str {
    for word in words {
        let Some(place) = rest.find(word) else {
            panic!("no `{word}` in:\n{rest}")
        };
        rest = &rest[place + word.len()..];
    }
    rest
}

/// The number right after the first `label`.
fn number(output: &str, label: &str) -> u64 {
    let rest = output.split_once(label).map(|(_, rest)| rest);
    let first = rest.and_then(|rest| rest.split_whitespace().next());
    let number = first.and_then(|word| word.parse().ok());
    number.unwrap_or_else(|| panic!("no number after `{label}` in:\n{output}"))
}

#[test]
fn the_whole_story_happens_and_nothing_is_left() {
    assert!(
        !rustix::process::geteuid().is_root(),
        "PostgreSQL refuses to run as root: run the tests by `cargo xtask test`"
    );
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_herdsman-demo"))
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let (story, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{}\n{story}\n{errors}",
        output.status
    );
    assert_eq!(errors, "");

    let summary = story.split_once("Summary").expect("a summary").1;
    let bill: Vec<&str> = summary
        .lines()
        .filter(|line| line.contains(" ms "))
        .collect();
    let words = on_one_line(&story);
    let failover = after_all(
        &words,
        &[
            "claims to make it",
            "has made the cluster",
            "All three are there",
        ],
    );
    // The others may see the new leader before it has told of itself.
    assert!(words.contains("copies the leader's"), "{words}");
    let failover = after_all(
        failover,
        &["rows acknowledged", "Failover: kill -9", "SIGKILL"],
    );
    let phases = [
        "noticed",
        "proven dead",
        "released",
        "elected",
        "first new write",
        "write gap",
    ];
    after_all(failover, &phases);
    after_all(
        failover,
        &["elected", "promoted leading on timeline 2", "write gap"],
    );
    let back = after_all(
        failover,
        &["rows lost: ", "comes back", "streaming", "are there again"],
    );
    let switchover = after_all(back, &["Switchover: ", "Successfully switched over"]);
    let phases = [
        "stopping",
        "released",
        "elected",
        "promoted leading on timeline 3",
        "write gap",
    ];
    after_all(switchover, &phases);
    assert_eq!(number(switchover, "rows lost: "), 0);
    after_all(switchover, &["are there again", "Summary", "rows lost"]);

    assert_eq!(bill.len(), 2, "{summary}");
    let lost: Vec<Option<&str>> = bill
        .iter()
        .map(|line| line.split_whitespace().last())
        .collect();
    let in_story = number(failover, "rows lost: ").to_string();
    assert_eq!(lost, [Some(in_story.as_str()), Some("0")], "{summary}");

    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn help_is_printed_and_other_arguments_are_refused() {
    let help = demo(&["--help"]);
    assert!(help.status.success());
    assert!(text(&help.stdout).starts_with("usage: herdsman-demo"));
    let unknown = demo(&["--staay"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("`--staay` is not understood"));
    let store = demo(&["--dcs", "consul"]);
    assert_eq!(store.status.code(), Some(2));
    assert!(text(&store.stderr).contains("`consul` is no store; there are: memory etcd zookeeper"));
}
