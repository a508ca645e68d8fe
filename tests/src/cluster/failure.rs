//! The end of a cluster: everything is killed, and a test that fails shows what the daemons said.
//!
//! Invariant: nothing here panics while a test already does: its own reason is what matters.

use std::thread::panicking;

use tempfile::TempDir;

use super::member::Member;
use super::processes;

/// Keeps the folder also when the test passes, to read the logs.
const KEEP_VARIABLE: &str = "HERDSMAN_TEST_KEEP";
/// How many lines of a daemon's log are shown.
const SHOWN: usize = 60;

/// Whether a daemon may log an error in a test that passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Errors {
    /// An error is a broken invariant of the daemon: the test fails.
    #[default]
    Fail,
    /// The test breaks something that the daemon may call an error.
    Allowed,
}

/// Kills all processes of the members, in an order in which none can start another one.
pub(crate) fn end(members: &[Member], folder: &mut TempDir, errors: Errors) {
    for member in members {
        member.kill_daemon();
    }
    for member in members {
        match herdsman_pgctl::kill_server(&member.data_dir(), super::LONG) {
            Ok(gone) => processes::free_memory(&gone),
            Err(error) => eprintln!("{} cannot be cleaned up: {error}", member.name()),
        }
    }
    let found = match errors {
        Errors::Fail => logged_errors(members),
        Errors::Allowed => Vec::new(),
    };
    let has_failed = panicking() || !found.is_empty();
    if has_failed {
        show(members);
    }
    if has_failed || std::env::var_os(KEEP_VARIABLE).is_some() {
        folder.disable_cleanup(true);
        eprintln!("everything is kept in {}", folder.path().display());
    }
    assert!(
        panicking() || found.is_empty(),
        "daemons logged errors: {found:#?}"
    );
}

fn logged_errors(members: &[Member]) -> Vec<String> {
    let mut found = Vec::new();
    for member in members {
        let log = member.log();
        let errors = log.lines().filter(|line| is_error(line));
        found.extend(errors.map(|line| format!("{}: {line}", member.name())));
    }
    found
}

/// The level stands after the time; the words of the message may be anything.
fn is_error(line: &str) -> bool {
    line.split_whitespace().nth(1) == Some("ERROR")
}

fn show(members: &[Member]) {
    for member in members {
        let log = member.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(SHOWN)..];
        eprintln!(
            "--- the end of {}'s log\n{}",
            member.name(),
            tail.join("\n")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_from_talk_about_errors() {
        assert!(is_error("2025-11-20T16:00:00.000000Z ERROR it broke"));
        assert!(!is_error(
            "2025-11-20T16:00:00.000000Z  WARN an ERROR was told"
        ));
        assert!(!is_error(
            "2025-11-20 16:00:00.000 UTC [7] ERROR:  no such row"
        ));
    }
}
