//! Following a prefix in etcd: one task for each watch, which ends with it.
//!
//! Whatever breaks the stream (a dead or hung server, a member without a leader, a compaction) is
//! told as an interruption, and the task lists anew and follows from there.
//!
//! Invariant: the events of one list and what follows it have no gap, because the stream begins at
//! the revision after the list's.

use std::convert::Infallible as Never;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Event, EventType, KeyValue, WatchOptions, WatchResponse, WatchStream};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::failure::Failure;
use super::pool::Chosen;
use super::{Inner, LARGEST_ANSWER, txn};
use crate::fed::Fed;
use crate::{Cause, Change, Error, Prefix, Revision, Watch, WatchEvent};

/// How far the task runs ahead of its reader before it gives up the stream. It must not wait for
/// the reader with a stream open: what is not read there takes the room of the other calls on the
/// same connection.
const QUEUE: usize = 1024;
/// How often a watch on a connection that is otherwise alive is asked for a sign of life.
const SURE: Duration = Duration::from_secs(300);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Follows the prefix until the reader is gone.
pub(super) fn follow(inner: Arc<Inner>, prefix: Prefix) -> Watch {
    Watch::new(Fed::start(QUEUE, |events| async move {
        let follower = Follower {
            inner,
            prefix,
            events,
        };
        // It returns only when nobody reads any more, and then nobody wants to know.
        let ReaderGone = follower.run().await;
    }))
}

struct Follower {
    inner: Arc<Inner>,
    prefix: Prefix,
    events: mpsc::Sender<WatchEvent>,
}

/// The watch was dropped.
struct ReaderGone;

/// Why a stream is not followed any further.
enum Break {
    ReaderGone,
    /// The server is to blame and should be left alone for a while.
    Server(Cause),
    /// The stream is over, and another one at the same server may do.
    Stream(Error),
}

impl From<ReaderGone> for Break {
    fn from(_: ReaderGone) -> Self {
        Self::ReaderGone
    }
}

impl Follower {
    async fn run(&self) -> ReaderGone {
        let mut is_told = false;
        let mut pause = FIRST_PAUSE;
        loop {
            let Ok(revision) = self.list(is_told).await else {
                return ReaderGone;
            };
            let started = Instant::now();
            let Err(error) = self.follow(revision).await else {
                return ReaderGone;
            };
            if self.tell(WatchEvent::Interrupted(error)).await.is_err() {
                return ReaderGone;
            }
            is_told = true;
            if started.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
                continue;
            }
            // Streams that break at once must not become a busy loop.
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Lists until it succeeds. The reader is told of one failure, unless it knows of the gap.
    async fn list(&self, mut is_told: bool) -> Result<Revision, ReaderGone> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.inner.list(&self.prefix).await {
                Ok(snapshot) => {
                    let revision = snapshot.revision;
                    self.tell(WatchEvent::Listed(snapshot)).await?;
                    return Ok(revision);
                }
                Err(_) if is_told => {}
                Err(error) => {
                    self.tell(WatchEvent::Interrupted(error)).await?;
                    is_told = true;
                }
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Follows from after the revision until something breaks, which is returned, or until the
    /// reader is gone.
    async fn follow(&self, revision: Revision) -> Result<(), Error> {
        let pool = &self.inner.pool;
        let chosen = pool.choose();
        let reason = tokio::select! {
            Err(reason) = self.stream(&chosen, revision) => reason,
            // A call has noticed first that the server does not answer.
            () = pool.until_out(&chosen) => Break::Server(Cause::new("the server is left alone")),
        };
        match reason {
            Break::ReaderGone => Ok(()),
            Break::Stream(error) => Err(error),
            Break::Server(cause) => {
                pool.put_out_after_watch(&chosen, &cause);
                Err(Error::Unavailable(cause))
            }
        }
    }

    /// Follows one stream until it breaks.
    async fn stream(&self, chosen: &Chosen, after: Revision) -> Result<Never, Break> {
        let pool = &self.inner.pool;
        let mut stream = self.open(chosen, after).await?;
        let mut is_asked = false;
        let mut heard_at = Instant::now();
        let mut is_due = heard_at + SURE;
        loop {
            // Answers to calls on the same connection are signs of life, for a while.
            let sign = pool
                .heard_at(chosen)
                .max(Some(heard_at))
                .unwrap_or(heard_at);
            let ask_at = is_due.min(sign + pool.silence());
            let until = if is_asked {
                heard_at + pool.limits().attempt * 2
            } else {
                ask_at
            };
            tokio::select! {
                message = stream.message() => {
                    is_asked = false;
                    heard_at = Instant::now();
                    let message = message.map_err(Failure::from)?;
                    let Some(message) = message else {
                        return Err(Break::Server(Cause::new("the server ended the watch")));
                    };
                    self.pass_on(&message)?;
                }
                // Pings of HTTP/2 notice a hung server too, but not a watch that the server forgot.
                () = sleep_until(until) => {
                    if is_asked {
                        return Err(Break::Server(Cause::new("the server of the watch is silent")));
                    }
                    let is_still_quiet = pool.heard_at(chosen).max(Some(heard_at)) == Some(sign);
                    if !is_still_quiet && Instant::now() < is_due {
                        continue;
                    }
                    is_asked = true;
                    heard_at = Instant::now();
                    is_due = heard_at + SURE;
                    stream.request_progress().await.map_err(Failure::from)?;
                }
            }
        }
    }

    async fn open(&self, chosen: &Chosen, after: Revision) -> Result<WatchStream, Break> {
        let pool = &self.inner.pool;
        let (from, to) = txn::range(&self.prefix);
        let options = WatchOptions::new()
            .with_range(to)
            .with_start_revision(txn::number(after.next()));
        let open = async {
            let client = pool.client(chosen).await?.watch_client();
            let mut client = client.max_decoding_message_size(LARGEST_ANSWER);
            Ok(client.watch(from, Some(options)).await?)
        };
        match timeout(pool.limits().attempt, open).await {
            Ok(stream) => stream.map_err(|failure: Failure| failure.into()),
            Err(_) => Err(Break::Server(Cause::new("the watch is not opened in time"))),
        }
    }

    fn pass_on(&self, message: &WatchResponse) -> Result<(), Break> {
        if message.canceled() {
            let reason = match message.compact_revision() {
                0 => Cause::new(message.cancel_reason()),
                oldest => Cause::new(format!("etcd has forgotten what was before {oldest}")),
            };
            return Err(Break::Stream(Error::Unavailable(reason)));
        }
        for step in message.events().chunk_by(|a, b| at(a) == at(b)) {
            let changes: Vec<Change> = step.iter().filter_map(change).collect();
            if let (Some(first), false) = (step.first(), changes.is_empty()) {
                let revision = txn::revision(at(first));
                // The store of before had come this far, should another one take its place.
                let seen = self.inner.seen.note(revision, None);
                seen.map_err(Break::Stream)?;
                self.tell_at_once(WatchEvent::Changed { revision, changes })?;
            }
        }
        Ok(())
    }

    fn tell_at_once(&self, event: WatchEvent) -> Result<(), Break> {
        self.events.try_send(event).map_err(|error| match error {
            TrySendError::Closed(_) => Break::ReaderGone,
            TrySendError::Full(_) => {
                let reason = "the reader of the watch is too far behind";
                Break::Stream(Error::unavailable(reason))
            }
        })
    }

    async fn tell(&self, event: WatchEvent) -> Result<(), ReaderGone> {
        self.events.send(event).await.map_err(|_| ReaderGone)
    }
}

impl From<Failure> for Break {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Retry { cause, .. } => Self::Server(cause),
            failure @ (Failure::LeaseNotFound | Failure::Final(_)) => {
                Self::Stream(failure.into_error(None))
            }
        }
    }
}

fn at(event: &Event) -> i64 {
    event.kv().map_or(0, KeyValue::mod_revision)
}

fn change(event: &Event) -> Option<Change> {
    let kv = event.kv()?;
    Some(match event.event_type() {
        EventType::Put => {
            let (key, entry) = txn::entry(kv)?;
            Change {
                key,
                entry: Some(entry),
            }
        }
        EventType::Delete => Change {
            key: txn::key(kv)?,
            entry: None,
        },
    })
}
