//! A postmaster that is dead or stands still says nothing about its backends.

use herdsman_pgctl::Process;
use herdsman_tests::reality::{PgServer, Sql, wait_until};
use rustix::process::Signal;

use super::model;

/// Ends as soon as there is a file `go` in the data directory. It waits for nothing else meanwhile,
/// so its backend does not notice the end of the postmaster.
const BUSY: &str = "
    CREATE TABLE t (id int);
    CREATE FUNCTION busy() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
        WHILE (pg_stat_file('go', true)).size IS NULL LOOP
        END LOOP;
        RETURN 1;
    END $$";

#[tokio::test]
async fn commit_is_acknowledged_after_the_postmasters_death() {
    let a = PgServer::primary("a").await;
    a.run(BUSY).await;
    let sql = a.sql().await;
    let backend = sql.value("SELECT pg_backend_pid()").await.unwrap();
    let commit = tokio::spawn(async move { sql.run("INSERT INTO t SELECT busy()").await });
    let state = format!("SELECT state FROM pg_stat_activity WHERE pid = {backend}");
    wait_until("a busy backend", async || a.ask(&state).await == "active").await;
    let mut ends = a.instance().exit_events();

    a.signal_postmaster(Signal::KILL).await;

    let exit = ends.next().await;
    assert_eq!(exit.signal, Some(9));
    let facts = a.facts().await;
    assert_eq!((facts.process, facts.orphans), (Process::Down, true));
    std::fs::write(a.instance().data_dir().join("go"), "").unwrap();
    commit.await.unwrap().unwrap();

    let _ = a.kill().await;
    a.start_as_primary().await;
    assert_eq!(a.rows().await, "1");
    assert_eq!(model::orphans_commit(), [true, true]);
}

#[tokio::test]
async fn stopped_postmaster_keeps_only_new_clients_waiting() {
    let a = PgServer::primary("a").await;
    a.run("CREATE TABLE t (id int)").await;
    let old = a.sql().await;

    a.signal_postmaster(Signal::STOP).await;

    let config = a.client_config();
    let new = tokio::spawn(async move { Sql::connect(&config).await.map(|_| ()) });
    for id in 1..=200 {
        let insert = format!("INSERT INTO t VALUES ({id})");
        old.run(&insert).await.unwrap();
    }
    assert!(!new.is_finished(), "it was let in");
    a.signal_postmaster(Signal::CONT).await;
    new.await.unwrap().unwrap();
    assert_eq!(a.ask("SELECT count(*) FROM t").await, "200");
}

#[tokio::test]
async fn stopped_processes_acknowledge_nothing_until_they_go_on() {
    let (a, other) = tokio::join!(PgServer::primary("a"), PgServer::primary("b"));
    a.run("CREATE TABLE t (id int)").await;
    other.run("CREATE TABLE t (id int)").await;
    let sql = a.sql().await;

    a.signal_all(Signal::STOP);

    let commit = tokio::spawn(async move { sql.run("INSERT INTO t VALUES (1)").await });
    // As long as another server takes for this many.
    let sql = other.sql().await;
    for id in 1..=200 {
        let insert = format!("INSERT INTO t VALUES ({id})");
        sql.run(&insert).await.unwrap();
    }
    assert!(!commit.is_finished());
    a.signal_all(Signal::CONT);
    commit.await.unwrap().unwrap();
    assert_eq!(a.rows().await, "1");
    assert_eq!(model::frozen_server_writes(), [false, true]);
}
