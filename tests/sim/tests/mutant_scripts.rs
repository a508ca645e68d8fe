//! The known holes of the reference design, brought back one at a time: each script below
//! `tests/scripts/mutants` plays its scenario with a rule of ours broken.
//!
//! A script without an `expect` says in its header why its scenario does not tell the rules apart.
//!
//! `UPDATE_EXPECT=1` writes the outputs as they are: the difference is what is to be reviewed.

use std::fs;
use std::path::{Path, PathBuf};

use herdsman_sim::{format, script};

#[test]
fn each_broken_rule_does_what_its_script_says() {
    let is_update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut problems = Vec::new();
    for path in all() {
        let text = fs::read_to_string(&path).expect("a script is readable");
        let played = script::run(&text).expect("a script");
        let found = played.problems.iter();
        problems.extend(found.map(|problem| format!("{}: {problem}", path.display())));
        if played.text == text {
            continue;
        }
        if is_update {
            fs::write(&path, &played.text).expect("a script is writable");
        } else {
            problems.push(difference(&path, &text, &played.text));
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// What a script shows is the broken rule's doing: with the rule kept, nothing is violated.
#[test]
fn without_the_broken_rule_nothing_is_violated() {
    for path in all() {
        let text = fs::read_to_string(&path).expect("a script is readable");
        let mut kept = format::parse(&text).expect("a script");
        kept.stanzas
            .retain(|stanza| !stanza.command.starts_with("expect "));
        for stanza in &mut kept.stanzas {
            stanza.command = with_all_rules(&stanza.command);
        }
        let played = script::run(&format::render(&kept)).expect("a script");
        let is_violated = played.text.contains("\nVIOLATION ");
        assert!(!is_violated, "{}:\n{}", path.display(), played.text);
        let is_stuck = text.contains("\nexpect violation converges\n")
            && played.text.contains(" not stable: ");
        assert!(!is_stuck, "{}:\n{}", path.display(), played.text);
    }
}

fn with_all_rules(command: &str) -> String {
    let words = command.split(' ').filter(|word| !word.contains("mutant="));
    words.collect::<Vec<_>>().join(" ")
}

fn all() -> Vec<PathBuf> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/mutants");
    let entries = fs::read_dir(scripts).expect("the scripts are readable");
    let paths = entries.map(|entry| entry.expect("the scripts are readable").path());
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    assert!(!paths.is_empty(), "there are scripts");
    paths
}

/// The first line that differs.
fn difference(path: &Path, expected: &str, actual: &str) -> String {
    let pairs = expected.lines().zip(actual.lines());
    let same = pairs.take_while(|(a, b)| a == b).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(the end)").to_owned();
    format!(
        "{}:{}: expected\n    {}\n  but it is\n    {}\n  (UPDATE_EXPECT=1 writes it)",
        path.display(),
        same + 1,
        line(expected),
        line(actual)
    )
}
