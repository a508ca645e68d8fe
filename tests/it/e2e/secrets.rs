//! Passwords are in the configuration, in the password file and in the server, and nowhere else.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use herdsman_tests::cluster::Cluster;
use serde_json::json;

/// Told to every program that copies data or streams.
const REPLICATION_SECRET: &str = "lark-of-the-replication";

/// The command lines of all processes that contain one of the texts.
fn command_lines_with(secrets: &[String]) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("there is a /proc");
    let lines = processes.filter_map(|process| {
        let line = fs::read(process.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines
        .filter(|line| secrets.iter().any(|secret| line.contains(secret)))
        .collect()
}

/// All files below a folder. Servers are at work there: what is gone meanwhile is left out.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            waiting.extend(entries.map(|entry| entry.path()));
        } else if metadata.is_file() {
            found.push(path);
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    let metadata = fs::metadata(path).expect("the file stays");
    metadata.permissions().mode() & 0o777
}

#[test]
fn passwords_are_on_no_command_line_in_no_log_and_in_no_readable_file() {
    let cluster = Cluster::builder()
        .local(&json!({"postgresql": {"authentication": {
            "replication": {"password": REPLICATION_SECRET},
        }}}))
        .prepare();
    let superuser = cluster.member("n1").endpoint().password;
    let secrets = vec![REPLICATION_SECRET.to_owned(), superuser];
    let is_over = Arc::new(AtomicBool::new(false));
    let observer = std::thread::spawn({
        let (secrets, is_over) = (secrets.clone(), Arc::clone(&is_over));
        move || {
            let mut seen = BTreeSet::new();
            let mut looks = 0_u32;
            while !is_over.load(Ordering::Relaxed) {
                seen.extend(command_lines_with(&secrets));
                looks += 1;
            }
            (seen, looks)
        }
    });

    // A bootstrap, two copies, and a move with its rejoin.
    for member in cluster.members() {
        member.start_daemon();
    }
    let leader = cluster.wait_until_settled().name();
    assert_eq!(cluster.switchover(leader, None).status, 200);
    cluster.wait_until_settled();
    is_over.store(true, Ordering::Relaxed);

    let (seen, looks) = observer.join().expect("the observer does not panic");
    assert!(seen.is_empty(), "{seen:#?}");
    assert!(looks > 20, "only {looks} looks");
    for member in cluster.members() {
        let log = member.log();
        for secret in &secrets {
            assert!(!log.contains(secret), "{} logged {secret}", member.name());
        }
        let folder = member.configuration();
        let folder = folder.parent().expect("the configuration is in a folder");
        assert_eq!(mode(&folder.join("pgpass")), 0o600);
        let open: Vec<PathBuf> = files(folder)
            .into_iter()
            .filter(|path| *path != member.configuration())
            .filter(|path| has_secret(path) && mode(path) & 0o077 != 0)
            .collect();
        assert!(open.is_empty(), "others may read {open:?}");
    }
}

/// The replication password needs no quoting anywhere, so it is found as it is.
fn has_secret(path: &Path) -> bool {
    fs::read(path).is_ok_and(|content| {
        let secret = REPLICATION_SECRET.as_bytes();
        content.windows(secret.len()).any(|part| part == secret)
    })
}
