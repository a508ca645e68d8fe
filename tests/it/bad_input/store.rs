//! A store that nobody can reach: the daemon goes on trying, says so, and lets nothing be written.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::daemon::{Daemon, status, wait};
use super::member::SECRETS;
use super::{Member, files};

/// What the log says about each attempt that failed.
const TRYING_AGAIN: &str = "the store cannot be watched: trying again";

/// Waits until the daemon has noticed that there is no store, and answers.
fn wait_until_blind(daemon: &mut Daemon, member: &Member) {
    wait("a word about the store in the log", || {
        assert!(daemon.is_running(), "the daemon has ended");
        daemon.output().contains(TRYING_AGAIN).then_some(())
    });
    wait("an answer of the REST API", || {
        (status(member.rest, "/liveness") == Some(200)).then_some(())
    });
}

fn has_postmaster(member: &Member) -> bool {
    member.data_dir().join("postmaster.pid").exists()
}

#[test]
fn daemon_without_a_store_waits_answers_and_changes_nothing() {
    let member = Member::new();
    let before = files::tree(member.folder());
    let mut daemon = Daemon::start(&member);
    wait_until_blind(&mut daemon, &member);

    assert_eq!(status(member.rest, "/health"), Some(503));
    assert_eq!(status(member.rest, "/primary"), Some(503));
    assert_eq!(status(member.rest, "/replica"), Some(503));
    assert_eq!(before, files::tree(member.folder()));
    assert!(daemon.is_running());
    for secret in SECRETS {
        assert!(!daemon.output().contains(secret));
    }
}

#[test]
fn store_that_takes_connections_and_is_silent_is_no_store() {
    let member = Member::new();
    // Connections wait in the queue of the socket, and nobody ever takes them.
    let _silent = TcpListener::bind(member.store).expect("nobody listens there");
    let before = files::tree(member.folder());
    let mut daemon = Daemon::start(&member);
    wait_until_blind(&mut daemon, &member);

    assert_eq!(status(member.rest, "/health"), Some(503));
    assert_eq!(before, files::tree(member.folder()));
}

/// A primary that somebody left running takes no writes any more.
fn check_that_a_primary_is_stopped(member: &Member) {
    let primary = member.start_primary();
    let mut daemon = Daemon::start(member);
    wait("end of the primary", || {
        let file = member.data_dir().join("postmaster.pid");
        let pid = fs::read_to_string(file).unwrap_or_default();
        let pid = pid.lines().next().unwrap_or_default().to_owned();
        let is_alive = !pid.is_empty() && fs::exists(format!("/proc/{pid}")).unwrap_or(true);
        (!is_alive).then_some(())
    });
    wait_until_blind(&mut daemon, member);
    assert!(std::net::TcpStream::connect(member.postgres).is_err());
    assert_eq!(status(member.rest, "/primary"), Some(503));
    drop(daemon);
    drop(primary);
}

#[test]
fn running_primary_without_a_store_is_stopped() {
    let member = Member::new();
    member.initdb();
    check_that_a_primary_is_stopped(&member);
}

/// It cannot be asked whether it is a primary, and may be one.
#[test]
fn running_primary_that_lets_nobody_in_is_stopped_without_a_store() {
    let member = Member::new();
    member.initdb();
    let rules = member.data_dir().join("pg_hba.conf");
    fs::write(rules, "local all all reject\nhost all all all reject\n").expect("the file is ours");
    check_that_a_primary_is_stopped(&member);
}

#[test]
fn stopped_primary_without_a_store_stays_down() {
    let member = Member::new();
    member.initdb();
    let before = files::tree(member.folder());
    let mut daemon = Daemon::start(&member);
    wait_until_blind(&mut daemon, &member);
    // Longer than the time after which a running primary is stopped.
    let late = Instant::now() + Duration::from_secs(6);
    wait("a while without a server", || {
        assert!(!has_postmaster(&member), "a server was started");
        (Instant::now() > late).then_some(())
    });
    assert_eq!(before, files::tree(member.folder()));
}
