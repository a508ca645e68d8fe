//! A client that writes one row after another and remembers what it was promised.
//!
//! Invariant: a row counts as acknowledged only when the server said so; a row whose answer got
//! lost is neither written nor lost, and its number is never used again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::session::{Endpoint, Session, Wanted};
use super::{Cluster, wait_for};

/// How long one attempt to connect may take.
const CONNECT_LIMIT: Duration = Duration::from_millis(1500);
/// How long a row may take before the client takes the connection for dead.
const ROW_LIMIT: Duration = Duration::from_secs(5);
/// The pause between two rounds over all servers while none takes writes.
const RETRY: Duration = Duration::from_millis(5);
/// Where the rows are.
const TABLE: &str = "written";

/// An acknowledged row.
#[derive(Clone, Debug)]
pub struct Ack {
    /// The row's number.
    pub id: i64,
    /// When it was sent.
    pub sent: Instant,
    /// When the acknowledgement arrived.
    pub at: Instant,
    /// Whose server gave it.
    pub by: Arc<str>,
}

/// A connection or a row that failed.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// When.
    pub at: Instant,
    /// By whose server.
    pub by: Arc<str>,
    /// What it said.
    pub text: String,
}

/// What a writer was promised, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Tells the rows of one writer from those of others.
    pub writer: u32,
    /// The acknowledged rows.
    pub acks: Vec<Ack>,
    /// The rows that failed. Failed attempts to connect are not listed.
    pub refusals: Vec<Refusal>,
}

impl Written {
    /// The longest time without an acknowledgement that ended after `since`, or has not ended.
    #[must_use]
    pub fn gap_after(&self, since: Instant) -> Duration {
        let times = self.acks.iter().map(|ack| ack.at).chain([Instant::now()]);
        let times: Vec<Instant> = times.collect();
        let gaps = times.windows(2).filter(|pair| pair[1] > since);
        gaps.map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    /// The begin and the end of the longest time without an acknowledgement that ended after
    /// `since`; nothing when none has ended.
    #[must_use]
    pub fn outage_after(&self, since: Instant) -> Option<(Instant, Instant)> {
        let pairs = self.acks.windows(2).map(|pair| (pair[0].at, pair[1].at));
        let pairs = pairs.filter(|(_, end)| *end > since);
        pairs.max_by_key(|(begin, end)| *end - *begin)
    }

    /// What about lost rows is not explained by the outage after `since`: all that asynchronous
    /// replication may lose are the last rows before it.
    #[must_use]
    pub fn unexplained(&self, lost: &[i64], since: Instant) -> Option<String> {
        let begin = self.outage_after(since).map(|(begin, _)| begin);
        let before = self.acks.iter().filter(|ack| Some(ack.at) <= begin);
        let newest: Vec<i64> = before.map(|ack| ack.id).collect();
        let newest = &newest[newest.len().saturating_sub(lost.len())..];
        (newest != lost).then(|| format!("lost {lost:?}, but the newest rows were {newest:?}"))
    }

    /// The acknowledged rows that the cluster's primary does not have.
    #[must_use]
    pub fn lost(&self, cluster: &Cluster) -> Vec<i64> {
        let present = cluster.rows_of(self.writer);
        let ids = self.acks.iter().map(|ack| ack.id);
        ids.filter(|id| !present.contains(id)).collect()
    }

    /// The last row that this member's server acknowledged.
    #[must_use]
    pub fn last_by(&self, member: &str) -> Option<&Ack> {
        self.acks.iter().rev().find(|ack| *ack.by == *member)
    }

    /// The first row that another member's server acknowledged after `since`.
    #[must_use]
    pub fn first_by_other(&self, than: &str, since: Instant) -> Option<&Ack> {
        let mut acks = self.acks.iter();
        acks.find(|ack| ack.at > since && *ack.by != *than)
    }
}

struct Shared {
    is_wanted: AtomicBool,
    written: Mutex<Written>,
}

impl Shared {
    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running client. It ends when it is dropped.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Writes a row every so often to whichever of the servers takes writes, as a client with a
    /// connection string of several hosts does. Waits until the table is there.
    pub(crate) fn start(cluster: &Cluster, servers: Vec<Endpoint>, every: Duration) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        make_table(cluster);
        let written = Written {
            writer: number,
            ..Written::default()
        };
        let shared = Arc::new(Shared {
            is_wanted: AtomicBool::new(true),
            written: Mutex::new(written),
        });
        let servers = servers
            .into_iter()
            .map(|server| (Arc::from(server.member.as_str()), server))
            .collect();
        let client = Client {
            servers,
            every,
            number,
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new().name("writer".to_owned());
        let thread = thread.spawn(move || client.run());
        Self {
            shared,
            thread: Some(thread.expect("a thread can be started")),
        }
    }

    /// What was acknowledged up to this moment.
    #[must_use]
    pub fn written(&self) -> Written {
        self.shared.written().clone()
    }

    /// Ends after the row that is under way.
    #[must_use]
    pub fn stop(mut self) -> Written {
        self.end();
        self.written()
    }

    /// See [`Written::gap_after`].
    #[must_use]
    pub fn gap_after(&self, since: Instant) -> Duration {
        self.written().gap_after(since)
    }

    /// See [`Written::lost`].
    #[must_use]
    pub fn lost(&self, cluster: &Cluster) -> Vec<i64> {
        self.written().lost(cluster)
    }

    /// Waits until so many more rows than at the call are acknowledged.
    pub fn wait_for_rows(&self, count: usize) {
        let begin = self.shared.written().acks.len();
        wait_for(&format!("{count} more rows"), || {
            (self.shared.written().acks.len() >= begin + count).then_some(())
        });
    }

    /// Waits until a row is acknowledged that was sent after `since`.
    pub fn wait_for_row_after(&self, since: Instant) {
        wait_for("a row to be written", || {
            let written = self.shared.written();
            (written.acks.last()?.sent > since).then_some(())
        });
    }

    /// Waits until another member's server than this one acknowledges a row after `since`.
    pub fn wait_for_other(&self, than: &str, since: Instant) -> Ack {
        wait_for(&format!("a row by another server than {than}'s"), || {
            let written = self.shared.written();
            written.first_by_other(than, since).cloned()
        })
    }

    fn end(&mut self) {
        self.shared.is_wanted.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic is on standard error already.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

fn make_table(cluster: &Cluster) {
    let make = format!(
        "CREATE TABLE IF NOT EXISTS {TABLE} (writer int, id bigint, PRIMARY KEY (writer, id))"
    );
    wait_for("the writer's table", || {
        let primary = cluster.primary()?;
        primary.session().ok()?.execute(&make).ok()
    });
}

impl Cluster {
    /// The numbers of a writer's rows that the primary has.
    ///
    /// # Panics
    /// When no primary answers in time.
    #[must_use]
    pub fn rows_of(&self, writer: u32) -> BTreeSet<i64> {
        let query = format!("SELECT id FROM {TABLE} WHERE writer = {writer}");
        let rows = wait_for("the rows of the primary", || {
            self.primary()?.session().ok()?.column(&query).ok()
        });
        let number = |row: &String| row.parse().expect("a number is a number");
        rows.iter().map(number).collect()
    }
}

/// What runs on the writer's thread.
struct Client {
    servers: Vec<(Arc<str>, Endpoint)>,
    every: Duration,
    number: u32,
    shared: Arc<Shared>,
}

impl Client {
    fn run(&self) {
        let mut id = 0;
        let mut connected = None;
        let mut next = Instant::now();
        while self.shared.is_wanted.load(Ordering::Relaxed) {
            let Some((by, session)) = connected.take().or_else(|| self.connect()) else {
                std::thread::sleep(RETRY);
                continue;
            };
            id += 1;
            if self.write(id, &by, &session) {
                connected = Some((by, session));
                next = (next + self.every).max(Instant::now());
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        }
    }

    fn connect(&self) -> Option<(Arc<str>, Session)> {
        self.servers.iter().find_map(|(member, server)| {
            let session = Session::connect(server, Wanted::Writable, CONNECT_LIMIT).ok()?;
            Some((Arc::clone(member), session))
        })
    }

    /// Returns whether the row was acknowledged.
    fn write(&self, id: i64, by: &Arc<str>, session: &Session) -> bool {
        let insert = format!("INSERT INTO {TABLE} VALUES ({}, {id})", self.number);
        let sent = Instant::now();
        let result = session.execute_within(&insert, ROW_LIMIT);
        let at = Instant::now();
        let by = Arc::clone(by);
        let mut written = self.shared.written();
        match result {
            Ok(()) => {
                written.acks.push(Ack { id, sent, at, by });
                true
            }
            Err(error) => {
                let text = error.to_string();
                written.refusals.push(Refusal { at, by, text });
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(begin: Instant, acks: &[(u64, &str)]) -> Written {
        let ack = |(number, (millis, by)): (usize, &(u64, &str))| Ack {
            id: i64::try_from(number).unwrap(),
            sent: begin,
            at: begin + Duration::from_millis(*millis),
            by: Arc::from(*by),
        };
        Written {
            acks: acks.iter().enumerate().map(ack).collect(),
            ..Written::default()
        }
    }

    #[test]
    fn gap_is_the_longest_that_ends_after_the_moment() {
        let begin = Instant::now()
            .checked_sub(Duration::from_millis(1000))
            .unwrap();
        let acks = [(0, "a"), (700, "a"), (710, "a"), (910, "b"), (1000, "b")];
        let written = written(begin, &acks);
        let since = begin + Duration::from_millis(705);
        assert_eq!(written.gap_after(since), Duration::from_millis(200));
        assert_eq!(written.gap_after(begin), Duration::from_millis(700));
    }

    #[test]
    fn gap_that_has_not_ended_counts() {
        let begin = Instant::now()
            .checked_sub(Duration::from_millis(1000))
            .unwrap();
        let gap = written(begin, &[(0, "a"), (10, "a")]).gap_after(begin);
        assert!(gap >= Duration::from_millis(990), "{gap:?}");
    }

    #[test]
    fn only_the_newest_rows_before_the_outage_are_explained() {
        let begin = Instant::now();
        let written = written(begin, &[(0, "a"), (10, "a"), (20, "a"), (900, "b")]);
        assert_eq!(written.unexplained(&[], begin), None);
        assert_eq!(written.unexplained(&[1, 2], begin), None);
        for lost in [&[0][..], &[1], &[3], &[2, 3]] {
            assert!(written.unexplained(lost, begin).is_some(), "{lost:?}");
        }
    }

    #[test]
    fn rows_are_told_by_member() {
        let begin = Instant::now();
        let written = written(begin, &[(1, "a"), (2, "a"), (3, "b"), (4, "b")]);
        assert_eq!(written.last_by("a").unwrap().id, 1);
        assert_eq!(written.first_by_other("a", begin).unwrap().id, 2);
        assert!(written.last_by("c").is_none());
    }
}
