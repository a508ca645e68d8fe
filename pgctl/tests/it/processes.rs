//! Adoption, the end of a postmaster as an event, zombies.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use herdsman_pgctl::{Process, StartAs, StopMode};

use crate::support::{LONG, TestServer, bin_dir, is_down, signal, wait_for};

/// Starts the server by somebody who is not its watcher and does not reap it.
/// The configuration must have been written.
fn start_by_stranger(server: &TestServer) -> Child {
    let data_dir = server.instance.data_dir().display();
    let postgres = bin_dir().join("postgres");
    let script = format!("'{}' -D '{data_dir}' & exec sleep 1000", postgres.display());
    Command::new("sh")
        .arg("-c")
        .arg(script)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn wait_until_running(instance: &herdsman_pgctl::Instance) -> u32 {
    let mut found = None;
    wait_for("the server", async || {
        found = match instance.facts().await.process {
            Process::Running { pid, .. } => Some(pid),
            Process::Down | Process::Starting { .. } => None,
            other @ (Process::Stopping { .. } | Process::Unresponsive { .. }) => {
                panic!("{other:?}")
            }
        };
        found.is_some()
    })
    .await;
    found.unwrap()
}

async fn prepared(name: &str) -> TestServer {
    let server = TestServer::new(name);
    server.make_cluster();
    server.instance.write_config().await.unwrap();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_handle_finds_the_server_that_an_earlier_one_started() {
    let server = TestServer::new("one");
    server.make_cluster();
    // The runtime of the first agent ends with everything it watched.
    let first = server.reopened("one");
    let earlier = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime
            .block_on(first.start(StartAs::Primary, LONG))
            .unwrap()
            .pid
    });
    let pid = tokio::task::spawn_blocking(move || earlier.join().unwrap())
        .await
        .unwrap();

    assert_eq!(server.instance.adopt().await, Some(pid));
    assert_eq!(wait_until_running(&server.instance).await, pid);
    let error = server
        .instance
        .start(StartAs::Primary, LONG)
        .await
        .unwrap_err();
    assert!(matches!(error, herdsman_pgctl::Error::AlreadyRunning { pid: p } if p == pid));
    let stop = server.instance.stop(StopMode::Fast, LONG);
    let (exit, stopped) = tokio::join!(server.instance.exited(), stop);
    assert_eq!(stopped.unwrap(), Some(exit));
    assert_eq!((exit.pid, exit.code), (pid, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_an_own_postmaster_is_an_event() {
    let server = TestServer::primary("one").await;
    let pid = server.instance.adopt().await.unwrap();
    let mut events = server.instance.exit_events();
    assert!(signal(pid, "KILL"));
    let exit = tokio::time::timeout(LONG, events.next()).await.unwrap();
    assert_eq!((exit.pid, exit.signal), (pid, Some(9)));
    assert!(
        !std::path::Path::new(&format!("/proc/{pid}")).exists(),
        "it is reaped"
    );
    // Its children end by themselves, and the next start needs nobody's help.
    wait_for("the end of the orphans", async || {
        !server.instance.facts().await.orphans
    })
    .await;
    server.start_primary().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_an_adopted_postmaster_is_an_event_and_its_zombie_no_obstacle() {
    let server = prepared("one").await;
    let mut stranger = start_by_stranger(&server);
    let pid = wait_until_running(&server.instance).await;
    let mut events = server.instance.exit_events();
    assert!(signal(pid, "KILL"));
    let exit = tokio::time::timeout(LONG, events.next()).await.unwrap();
    assert_eq!((exit.pid, exit.code, exit.signal), (pid, None, None));

    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert!(stat.contains(") Z "), "nobody reaps it: {stat}");
    assert!(is_down(&server.instance).await, "a zombie is dead");
    assert_eq!(server.reopened("one").adopt().await, None);
    let _ = server.instance.kill_all(LONG).await.unwrap();
    let started = server.start_primary().await;
    assert_ne!(started, pid);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subreaper_reaps_the_postmaster_of_an_earlier_agent() {
    herdsman_pgctl::become_subreaper().unwrap();
    let server = prepared("one").await;
    let mut stranger = start_by_stranger(&server);
    let pid = wait_until_running(&server.instance).await;
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    let mut events = server.instance.exit_events();
    assert!(signal(pid, "KILL"));
    let exit = tokio::time::timeout(LONG, events.next()).await.unwrap();
    assert_eq!((exit.pid, exit.signal), (pid, Some(9)));
    assert!(
        !std::path::Path::new(&format!("/proc/{pid}")).exists(),
        "it is reaped"
    );
    let _ = server.instance.kill_all(LONG).await.unwrap();
    server.start_primary().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_file_whose_id_belongs_to_somebody_else_is_no_postmaster() {
    let server = prepared("one").await;
    let data_dir = server.instance.data_dir();
    let me = std::process::id();
    let text = format!("{me}\n{}\n1\n{}\n\n\n", data_dir.display(), server.port);
    std::fs::write(data_dir.join("postmaster.pid"), text).unwrap();
    assert_eq!(server.instance.adopt().await, None);
    assert!(is_down(&server.instance).await);
    server.start_primary().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_unresponsive_and_facts_do_not_hang() {
    let server = TestServer::primary("one").await;
    let mut options = herdsman_pgctl::InstanceOptions::new(
        "one",
        server.instance.data_dir(),
        (*server.instance.config()).clone(),
    );
    options.bin_dir = Some(bin_dir());
    options.sql_timeout = Duration::from_millis(300);
    let instance = herdsman_pgctl::Instance::new(options);
    let pid = wait_until_running(&instance).await;
    let backends = crate::support::processes_in(server.instance.data_dir());
    for backend in &backends {
        // A short-lived one may have ended meanwhile.
        let _ = signal(*backend, "STOP");
    }
    let facts = tokio::time::timeout(LONG, instance.facts()).await.unwrap();
    assert!(
        matches!(facts.process, Process::Unresponsive { pid: p, .. } if p == pid),
        "{facts:?}"
    );
    let again = tokio::time::timeout(LONG, instance.facts()).await.unwrap();
    assert!(
        matches!(again.process, Process::Unresponsive { .. }),
        "{again:?}"
    );
    for backend in &backends {
        let _ = signal(*backend, "CONT");
    }
    assert_eq!(wait_until_running_again(&instance).await, pid);
}

async fn wait_until_running_again(instance: &herdsman_pgctl::Instance) -> u32 {
    let mut found = 0;
    wait_for("an answer", async || {
        if let Process::Running { pid, .. } = instance.facts().await.process {
            found = pid;
        }
        found != 0
    })
    .await;
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_ended_by_the_server_is_replaced_in_the_same_round() {
    let server = TestServer::primary("one").await;
    let before = server.server().await;
    let client = server.client().await;
    let ended = client.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE application_name = 'herdsman'",
        &[],
    );
    assert_eq!(ended.await.unwrap().len(), 1, "one session is kept");
    assert_eq!(
        server.server().await.postmaster_start_millis,
        before.postmaster_start_millis
    );
}
