//! Every script in `tests/scripts` is played and compared; together they show every reason.
//!
//! A script that begins with `cluster` is about a whole cluster, every other one about a member.
//! The ones below `mutants/` need machines that break a rule: `herdsman-sim` plays those.
//!
//! `UPDATE_EXPECT=1` writes the outputs as they are: the difference is what is to be reviewed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use herdsman_ha_core::Code;
use herdsman_sim::script as cluster;
use herdsman_tests::script as member;

/// Codes that no script shows, each with the reason why.
const UNSHOWN: &[&str] = &[];

#[test]
fn scripts_say_what_happens() {
    let is_update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut problems = Vec::new();
    for path in all() {
        let text = fs::read_to_string(&path).expect("a script is readable");
        match play(&text) {
            Err(problem) => problems.push(format!("{}: {problem}", path.display())),
            Ok(played) => {
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
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_reason_is_shown_by_a_script() {
    let mut shown = BTreeSet::new();
    for path in all() {
        let text = fs::read_to_string(&path).expect("a script is readable");
        if let Ok(played) = play(&text) {
            shown.extend(played.codes);
        }
    }
    let codes = Code::ALL.iter().map(|code| code.as_str());
    let missing: Vec<&str> = codes.filter(|code| !shown.contains(code)).collect();
    assert_eq!(missing, UNSHOWN);
}

/// Plays a script in the world that its first command asks for.
fn play(text: &str) -> Result<member::Played, String> {
    if !cluster::is_of_a_cluster(text) {
        return member::run(text);
    }
    let played = cluster::run(text)?;
    Ok(member::Played {
        text: played.text,
        problems: played.problems,
        codes: played.codes,
    })
}

fn all() -> Vec<PathBuf> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut paths = Vec::new();
    collect(&scripts, &mut paths);
    paths.retain(|path| !path.starts_with(scripts.join("mutants")));
    paths.sort();
    assert!(!paths.is_empty(), "there are scripts");
    paths
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the scripts are readable") {
        let path = entry.expect("the scripts are readable").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            paths.push(path);
        }
    }
}

/// The first line that differs, with what stands around it.
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
