//! The end of every process of a server, with proof.

use std::path::PathBuf;

use herdsman_pgctl::{Error, StartAs};

use crate::support::{LONG, TestServer, processes_in, signal, wait_for};

/// Lets a backend commit one row after the other, for ever.
async fn write_for_ever(server: &TestServer) {
    let client = server.client().await;
    let made = client.batch_execute(
        "CREATE TABLE written (i bigint); \
         CREATE PROCEDURE write() LANGUAGE plpgsql AS $$ BEGIN \
           LOOP INSERT INTO written VALUES (1); COMMIT; END LOOP; END $$",
    );
    made.await.unwrap();
    tokio::spawn(async move { client.batch_execute("CALL write()").await });
    wait_for("some rows", async || server.count("written").await > 100).await;
}

/// The newest change of any log file.
fn last_write(server: &TestServer) -> Vec<(PathBuf, std::time::SystemTime)> {
    let wal = server.instance.data_dir().join("pg_wal");
    let files = std::fs::read_dir(wal).unwrap().flatten();
    let stamped = files.map(|file| (file.path(), file.metadata().unwrap().modified().unwrap()));
    let mut all: Vec<_> = stamped.collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_after_the_proof_and_the_next_start_works_at_once() {
    let server = TestServer::primary("one").await;
    write_for_ever(&server).await;
    let gone = server.instance.kill_all(LONG).await.unwrap();
    let left = processes_in(server.instance.data_dir());
    let written = last_write(&server);
    assert_eq!(left, [0; 0]);
    assert!(
        gone.killed() > 2 && gone.shared_memory_checked(),
        "{gone:?}"
    );
    let facts = server.instance.facts().await;
    assert_eq!(
        (facts.process, facts.orphans),
        (herdsman_pgctl::Process::Down, false)
    );
    assert_eq!(last_write(&server), written);
    server.start_primary().await;
    let rows = server.count("written").await;
    assert!(rows > 100);
    assert_eq!(server.count("written").await, rows, "nobody writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_without_its_postmaster_is_an_orphan_until_killed() {
    let server = TestServer::primary("one").await;
    write_for_ever(&server).await;
    let pid = server.instance.adopt().await.unwrap();
    // A stopped postmaster and a stopped backend, as after a bad shutdown.
    let backends = processes_in(server.instance.data_dir());
    for backend in backends.iter().filter(|backend| **backend != pid) {
        // A short-lived one may have ended meanwhile.
        let _ = signal(*backend, "STOP");
    }
    assert!(signal(pid, "KILL"));
    wait_for("the orphans", async || {
        server.instance.facts().await.orphans
    })
    .await;
    let error = server
        .instance
        .start(StartAs::Primary, LONG)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Orphans { .. }), "{error:?}");
    let error = server.instance.wipe().await.unwrap_err();
    assert!(matches!(error, Error::Orphans { .. }), "{error:?}");
    let gone = server.instance.kill_all(LONG).await.unwrap();
    assert!(
        gone.killed() >= 1 && gone.shared_memory_checked(),
        "{gone:?}"
    );
    assert_eq!(processes_in(server.instance.data_dir()), [0; 0]);
    assert!(!server.instance.facts().await.orphans);
    server.start_primary().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_of_the_same_machine_is_not_touched() {
    let (one, two) = tokio::join!(TestServer::primary("one"), TestServer::primary("two"));
    let before = two.server().await;
    let processes = processes_in(two.instance.data_dir());
    let _ = one.instance.kill_all(LONG).await.unwrap();
    let after = two.server().await;
    assert_eq!(
        after.postmaster_start_millis,
        before.postmaster_start_millis
    );
    let still = processes_in(two.instance.data_dir());
    assert!(processes.iter().filter(|pid| still.contains(pid)).count() >= 4);
    assert!(processes_in(one.instance.data_dir()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_its_way_is_given_up() {
    let server = TestServer::new("one");
    server.make_cluster();
    let lock_file = server.instance.data_dir().join("postmaster.pid");
    for _ in 0..5 {
        let before = std::fs::read(&lock_file).ok();
        let instance = server.instance.clone();
        let start = tokio::spawn(async move { instance.start(StartAs::Primary, LONG).await });
        wait_for("a postmaster", async || {
            start.is_finished() || std::fs::read(&lock_file).ok() != before
        })
        .await;
        let _ = server.instance.kill_all(LONG).await.unwrap();
        // It may have come up in time; otherwise the kill is the reason.
        if let Err(error) = start.await.unwrap() {
            assert!(matches!(error, Error::PreEmpted), "{error:?}");
        }
        assert_eq!(processes_in(server.instance.data_dir()), [0; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_a_server_that_is_down_proves_as_much() {
    let server = TestServer::new("one");
    let gone = server.instance.kill_all(LONG).await.unwrap();
    assert_eq!(gone.killed(), 0);
    server.make_cluster();
    let gone = server.instance.kill_all(LONG).await.unwrap();
    assert_eq!((gone.killed(), gone.shared_memory_checked()), (0, false));
}
