//! Clients that are pinned to one member each and try to write all the time: who took writes, on
//! which timeline, and when.
//!
//! A row is evidence only when it was acknowledged. Times are compared such that a doubt speaks
//! for the cluster: a row was written after it was sent, and before its acknowledgement arrived.
//!
//! Invariant: a row that was sent after another server had acknowledged one on a newer timeline is
//! a second writer; every such pair of rows is found.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;

use crate::cluster::{Cluster, Endpoint, Session, SqlError, Wanted, wait_for};

const CONNECT_LIMIT: Duration = Duration::from_millis(1500);
const PAUSE: Duration = Duration::from_millis(10);
/// The timeline is the first third of the name of a WAL file.
const DIGITS_OF_TIMELINE: usize = 8;

/// A row that a server acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testimony {
    /// Whose server.
    pub by: Arc<str>,
    /// The timeline that it wrote on.
    pub timeline: u32,
    /// When the row was sent.
    pub sent: Instant,
    /// When the acknowledgement arrived.
    pub at: Instant,
}

/// One client for each member. They end when it is dropped.
pub struct Witness {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    rows: Mutex<Vec<Testimony>>,
}

impl Shared {
    fn rows(&self) -> MutexGuard<'_, Vec<Testimony>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witness {
    /// Begins to write to every member of the cluster.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let make = "CREATE TABLE IF NOT EXISTS witnessed (witness int, id bigint)";
        wait_for("the witness's table", || {
            cluster.primary()?.session().ok()?.execute(make).ok()
        });
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::new(Shared::default());
        let threads = cluster.members().iter().map(|member| {
            let client = Client {
                server: member.endpoint(),
                number,
                shared: Arc::clone(&shared),
            };
            let thread = std::thread::Builder::new().name(format!("witness-{}", member.name()));
            let thread = thread.spawn(move || client.run());
            thread.expect("a thread can be started")
        });
        Self {
            threads: threads.collect(),
            shared,
        }
    }

    /// The last row that this member's server acknowledged.
    #[must_use]
    pub fn last_by(&self, member: &str) -> Option<Testimony> {
        let rows = self.shared.rows();
        rows.iter().rev().find(|row| *row.by == *member).cloned()
    }

    /// The first row that this member's server acknowledged after `since`.
    #[must_use]
    pub fn first_by(&self, member: &str, since: Instant) -> Option<Testimony> {
        let rows = self.shared.rows();
        let mut by_member = rows.iter().filter(|row| *row.by == *member);
        by_member.find(|row| row.at > since).cloned()
    }

    /// Waits until somebody's server acknowledges a row that was sent after `since`.
    #[must_use]
    pub fn wait_for_row(&self, since: Instant) -> Testimony {
        wait_for("a server to take writes", || {
            let rows = self.shared.rows();
            rows.iter().rev().find(|row| row.sent > since).cloned()
        })
    }

    /// Everything that was acknowledged up to this moment, in the order of arrival.
    #[must_use]
    pub fn testimonies(&self) -> Vec<Testimony> {
        self.shared.rows().clone()
    }

    /// Checks that at no time two members took writes.
    ///
    /// # Panics
    /// When two did, with the rows that prove it.
    pub fn assert_one_writer_at_a_time(&self) {
        let found = second_writers(&self.testimonies());
        assert!(found.is_empty(), "two members took writes: {found:#?}");
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // Its panic is on standard error already.
            let _ = thread.join();
        }
    }
}

/// Pairs of rows, earlier first, that no single writer at a time could have been the cause of.
#[must_use]
pub fn second_writers(rows: &[Testimony]) -> Vec<(Testimony, Testimony)> {
    let mut rows: Vec<&Testimony> = rows.iter().collect();
    rows.sort_by_key(|row| row.at);
    let mut found = Vec::new();
    // The first row of each timeline.
    let mut first: BTreeMap<u32, &Testimony> = BTreeMap::new();
    for row in rows {
        let owner = *first.entry(row.timeline).or_insert(row);
        if owner.by != row.by {
            // A timeline belongs to the server that began it.
            found.push((owner.clone(), row.clone()));
        }
        let newer = first.range(row.timeline + 1..).map(|(_, newer)| newer);
        let before = newer.filter(|newer| row.sent > newer.at);
        found.extend(before.map(|newer| ((*newer).clone(), row.clone())));
    }
    found
}

struct Client {
    server: Endpoint,
    number: u32,
    shared: Arc<Shared>,
}

impl Client {
    fn run(&self) {
        let by: Arc<str> = Arc::from(self.server.member.as_str());
        let mut session = None;
        let mut id = 0_u64;
        while !self.shared.is_over.load(Ordering::Relaxed) {
            std::thread::sleep(PAUSE);
            let Some(open) = session.take().or_else(|| self.connect()) else {
                continue;
            };
            id += 1;
            let insert = format!(
                "INSERT INTO witnessed VALUES ({}, {id}) \
                 RETURNING pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn())",
                self.number
            );
            let sent = Instant::now();
            let answer = open.value(&insert);
            let at = Instant::now();
            match answer {
                Ok(file) => {
                    let timeline = u32::from_str_radix(&file[..DIGITS_OF_TIMELINE], 16);
                    let timeline = timeline.expect("the name of a WAL file is hexadecimal");
                    let by = Arc::clone(&by);
                    let row = Testimony {
                        by,
                        timeline,
                        sent,
                        at,
                    };
                    self.shared.rows().push(row);
                    session = Some(open);
                }
                Err(error) if is_read_only(&error) => session = Some(open),
                Err(_) => {}
            }
        }
    }

    fn connect(&self) -> Option<Session> {
        Session::connect(&self.server, Wanted::Any, CONNECT_LIMIT).ok()
    }
}

/// A standby refuses the row and keeps the session.
fn is_read_only(error: &SqlError) -> bool {
    match error {
        SqlError::Failed(error) => error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION),
        SqlError::Late(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows by name, timeline, and the milliseconds of sending and acknowledgement.
    fn check(rows: &[(&str, u32, u64, u64)], expected: usize) {
        let begin = Instant::now();
        let row = |(by, timeline, sent, at): &(&str, u32, u64, u64)| Testimony {
            by: Arc::from(*by),
            timeline: *timeline,
            sent: begin + Duration::from_millis(*sent),
            at: begin + Duration::from_millis(*at),
        };
        let rows: Vec<Testimony> = rows.iter().map(row).collect();
        let found = second_writers(&rows);
        assert_eq!(found.len(), expected, "{found:#?}");
    }

    #[test]
    fn writers_after_each_other_are_fine() {
        check(&[("a", 1, 0, 1), ("b", 2, 5, 6), ("a", 3, 9, 10)], 0);
    }

    #[test]
    fn row_sent_after_a_newer_timeline_was_acknowledged_is_a_second_writer() {
        check(&[("a", 1, 0, 1), ("b", 2, 5, 6), ("a", 1, 7, 8)], 1);
    }

    #[test]
    fn row_whose_acknowledgement_was_late_is_no_proof() {
        check(&[("a", 1, 0, 1), ("b", 2, 5, 6), ("a", 1, 4, 8)], 0);
    }

    #[test]
    fn two_servers_on_one_timeline_are_two_writers() {
        check(&[("a", 1, 0, 1), ("b", 1, 5, 6)], 1);
    }
}
