//! A commit that waits for a synchronous standby: it is on its own disk already, and what ends the
//! wait decides only what the client hears.

use herdsman_pgctl::StopMode;
use herdsman_tests::reality::{PgServer, Sql, Told, wait_until};
use tokio::task::JoinHandle;

use super::model::{self, End};

type Answer = Result<(), tokio_postgres::Error>;

/// A commit on its way.
struct Waiting {
    sql: Sql,
    backend: String,
    answer: JoinHandle<Answer>,
}

impl Waiting {
    /// Inserts a row, and returns when its commit waits for a standby.
    async fn begin(primary: &PgServer) -> Self {
        let sql = primary.sql().await;
        let backend = sql.value("SELECT pg_backend_pid()").await.unwrap();
        let client = sql.clone();
        let insert = async move { client.run("INSERT INTO t VALUES (1)").await };
        let answer = tokio::spawn(insert);
        let waits = format!("SELECT wait_event FROM pg_stat_activity WHERE pid = {backend}");
        wait_until("the commit to wait", async || {
            primary.ask(&waits).await == "SyncRep"
        })
        .await;
        assert!(!answer.is_finished());
        Self {
            sql,
            backend,
            answer,
        }
    }

    /// What the client heard: the answer, and warnings.
    async fn end(self) -> (Answer, Vec<Told>) {
        let answer = self.answer.await.unwrap();
        (answer, self.sql.told())
    }
}

/// A primary that waits for a standby which is not there.
async fn lonely_primary() -> PgServer {
    let primary = PgServer::primary("a").await;
    primary.run("CREATE TABLE t (id int)").await;
    require_standby(&primary, "b").await;
    primary
}

async fn require_standby(primary: &PgServer, name: &str) {
    primary.set(&[("synchronous_standby_names", name)]).await;
    wait_until("the setting", async || {
        primary.ask("SHOW synchronous_standby_names").await == name
    })
    .await;
}

fn codes(told: &[Told]) -> Vec<(&str, &str)> {
    let words = told.iter();
    words
        .map(|word| (word.severity.as_str(), word.code.as_str()))
        .collect()
}

#[tokio::test]
async fn fast_stop_acknowledges_no_waiting_commit_and_keeps_its_row() {
    let a = lonely_primary().await;
    let waiting = Waiting::begin(&a).await;

    a.stop(StopMode::Fast).await;

    let (answer, told) = waiting.end().await;
    eprintln!("{answer:?}\n{told:?}");
    assert!(answer.unwrap_err().is_closed());
    assert_eq!(codes(&told), [("WARNING", "57P01")]);
    assert!(told[0].text.contains("synchronous replication"), "{told:?}");
    a.start_as_primary().await;
    assert_eq!(a.rows().await, "1", "although no standby has it");
    assert_eq!(model::waiting_commit(End::Fast), [false, true]);
}

#[tokio::test]
async fn immediate_stop_acknowledges_no_waiting_commit_and_keeps_its_row() {
    let a = lonely_primary().await;
    let waiting = Waiting::begin(&a).await;

    a.stop(StopMode::Immediate).await;

    let (answer, told) = waiting.end().await;
    eprintln!("{answer:?}\n{told:?}");
    assert!(answer.is_err());
    assert!(
        !told
            .iter()
            .any(|word| word.text.contains("synchronous replication"))
    );
    a.start_as_primary().await;
    assert_eq!(a.rows().await, "1", "although no standby has it");
    assert_eq!(model::waiting_commit(End::Immediate), [false, true]);
}

#[tokio::test]
async fn killed_server_acknowledges_no_waiting_commit_and_keeps_its_row() {
    let a = lonely_primary().await;
    let waiting = Waiting::begin(&a).await;

    let _ = a.kill().await;

    let (answer, told) = waiting.end().await;
    assert!(answer.is_err());
    assert_eq!(told, []);
    a.start_as_primary().await;
    assert_eq!(a.rows().await, "1", "although no standby has it");
    assert_eq!(model::waiting_commit(End::Kill), [false, true]);
}

#[tokio::test]
async fn cancelled_wait_acknowledges_a_row_that_no_standby_has() {
    let a = PgServer::primary("a").await;
    a.run("CREATE TABLE t (id int)").await;
    let b = PgServer::standby("b", &a).await;
    require_standby(&a, "b").await;
    b.wait_until_replayed(a.written().await).await;
    b.follow(None).await;
    let waiting = Waiting::begin(&a).await;

    let cancel = format!("SELECT pg_cancel_backend({})", waiting.backend);
    a.run(&cancel).await;

    let (answer, told) = waiting.end().await;
    eprintln!("{answer:?}\n{told:?}");
    answer.unwrap();
    assert_eq!(codes(&told), [("WARNING", "01000")]);
    let _ = a.kill().await;
    b.promote().await;
    assert_eq!(b.rows().await, "", "acknowledged and lost");
}
