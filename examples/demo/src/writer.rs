//! A client that writes a row every ten milliseconds to whoever is primary.
//!
//! A row counts as acknowledged only when the server's answer to the commit has arrived. A row
//! whose answer did not come is never tried again: the next attempt is another row.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herdsman_agent::Clock;
use herdsman_ha_core::Lsn;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_postgres::SimpleQueryMessage;

use crate::AnyError;
use crate::client::{Servers, Session};
use crate::ledger::{Ledger, Row};

/// From one row to the next.
pub(crate) const PACE: Duration = Duration::from_millis(10);
/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(1);
/// How long a new primary is waited for.
const CONNECT: Duration = Duration::from_secs(60);

/// The client, writing.
pub(crate) struct Writer {
    ledger: Arc<Mutex<Ledger>>,
    task: JoinHandle<()>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Writer {
    /// Makes the table and begins to write.
    pub(crate) async fn start(servers: Servers, clock: Arc<Clock>) -> Result<Self, AnyError> {
        let session = servers.connect_within(CONNECT).await?;
        let table = "CREATE TABLE traffic (id bigint PRIMARY KEY)";
        timeout(ANSWER, session.client.batch_execute(table)).await??;
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let task = tokio::spawn(write(servers, session, Arc::clone(&ledger), clock));
        Ok(Self { ledger, task })
    }

    /// What was acknowledged so far.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write(servers: Servers, first: Session, ledger: Arc<Mutex<Ledger>>, clock: Arc<Clock>) {
    let mut session = Some(first);
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut id = 0;
    loop {
        let Some(open) = &session else {
            session = servers.connect_within(CONNECT).await.ok();
            continue;
        };
        ticks.tick().await;
        id += 1;
        match timeout(ANSWER, insert(open, id)).await {
            Ok(Ok(wal_end)) => {
                let row = Row {
                    id,
                    at: clock.mono(),
                    by: open.member,
                    wal_end,
                };
                lock(&ledger).add(row);
            }
            Ok(Err(error)) => {
                tracing::info!(id, %error, "no answer to a row");
                session = None;
                ticks.reset_immediately();
            }
            Err(_) => {
                tracing::info!(id, "no answer to a row within {ANSWER:?}");
                session = None;
                ticks.reset_immediately();
            }
        }
    }
}

/// Writes one row and asks, in the same round trip, where the WAL ends.
///
/// The server sends the answers to all four statements together.
async fn insert(session: &Session, id: i64) -> Result<Lsn, AnyError> {
    let statements = format!(
        "BEGIN; INSERT INTO traffic (id) VALUES ({id}); COMMIT; SELECT pg_current_wal_flush_lsn()"
    );
    let answers = session.client.simple_query(&statements).await?;
    let row = answers.iter().find_map(|answer| {
        let SimpleQueryMessage::Row(row) = answer else {
            return None;
        };
        row.get(0)
    });
    Ok(row.ok_or("no WAL position in the answer")?.parse()?)
}
