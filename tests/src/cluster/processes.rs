//! Processes of this machine: whose child is whose, signals by id, and burying orphans.
//!
//! Invariant: only processes of PostgreSQL are buried here, never a child that another part of
//! the test waits for.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// How long to wait for more of the dead, when there are some that others wait for.
const STEP: Duration = Duration::from_millis(50);

/// A line of `/proc/*/stat`.
struct Process {
    pid: u32,
    parent: u32,
    command: String,
    is_zombie: bool,
}

/// Sends a signal; returns whether there is such a process.
pub(crate) fn signal(pid: u32, signal: Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// A process and all that it started and that these started, itself first.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let all = all();
    let mut members = BTreeSet::from([pid]);
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        let children = all.iter().filter(|process| process.parent == parent);
        found.extend(
            children
                .map(|process| process.pid)
                .filter(|pid| members.insert(*pid)),
        );
        at += 1;
    }
    found
}

/// Removes what a killed server has left behind, whose data directory is about to go. The system
/// has room for a few thousand of these.
pub(crate) fn free_memory(gone: &herdsman_pgctl::Gone) {
    let Some(id) = gone.shared_memory() else {
        return;
    };
    let removed = Command::new("ipcrm")
        .arg("-m")
        .arg(id.to_string())
        .stderr(Stdio::null())
        .status();
    if let Err(error) = removed {
        eprintln!("shared memory {id} is left: ipcrm: {error}");
    }
}

/// Living processes of `postgres` that work in a folder.
pub(crate) fn working_in(folder: &Path) -> Vec<u32> {
    let Ok(wanted) = std::fs::canonicalize(folder) else {
        return Vec::new();
    };
    let works_there = |pid: u32| {
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == wanted)
    };
    all()
        .into_iter()
        .filter(|process| !process.is_zombie && process.command == "postgres")
        .map(|process| process.pid)
        .filter(|pid| works_there(*pid))
        .collect()
}

/// Makes this process the one that buries servers whose daemon was killed, as the first process
/// of a machine would: a dead postmaster that nobody buries keeps the next one from starting.
pub(crate) fn bury_orphans() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        herdsman_pgctl::become_subreaper().expect("a process can adopt orphans");
        std::thread::Builder::new()
            .name("undertaker".to_owned())
            .spawn(|| {
                loop {
                    let any = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                    // It only waits: whose the dead one is shows below. Without children it fails.
                    let _ = waitid(WaitId::All, any);
                    bury();
                    std::thread::sleep(STEP);
                }
            })
            .expect("a thread can be started");
    });
}

fn bury() {
    let me = std::process::id();
    let is_ours = |process: &Process| process.parent == me && process.is_zombie;
    for process in all().into_iter().filter(is_ours) {
        let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
        if let (Some(pid), "postgres") = (pid, process.command.as_str()) {
            // Somebody else may have buried it since.
            let _ = waitid(
                WaitId::Pid(pid),
                WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
            );
        }
    }
}

fn all() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").expect("there is a /proc");
    let stat = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        parse(pid, &std::fs::read_to_string(path.join("stat")).ok()?)
    });
    stat.collect()
}

/// The command stands in parentheses and may have some of its own.
fn parse(pid: u32, stat: &str) -> Option<Process> {
    let (begin, end) = (stat.find('(')?, stat.rfind(')')?);
    let mut rest = stat[end + 1..].split_whitespace();
    let is_zombie = rest.next()? == "Z";
    Some(Process {
        pid,
        parent: rest.next()?.parse().ok()?,
        command: stat[begin + 1..end].to_owned(),
        is_zombie,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_with_parentheses_are_read() {
        let process = parse(7, "7 (a) (b) Z 3 7 7 0").unwrap();
        assert_eq!((process.parent, process.is_zombie), (3, true));
        assert_eq!(process.command, "a) (b");
    }

    #[test]
    fn family_begins_with_the_process_and_has_its_children() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let family = family(std::process::id());
        assert_eq!(family[0], std::process::id());
        assert!(family.contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
