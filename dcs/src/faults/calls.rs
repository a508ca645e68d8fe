//! What the calls of a holder took and how they ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Error;

/// One call.
#[derive(Clone, Debug)]
struct Call {
    what: &'static str,
    sent: Instant,
    took: Duration,
    failed: Option<&'static str>,
}

/// All calls of one member.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<Vec<Call>>);

/// What came of the calls of some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) made: usize,
    pub(super) failed: usize,
    pub(super) longest: Duration,
    pub(super) longest_what: &'static str,
    /// From the sending of a renewal that was the first after a success to the next success.
    pub(super) longest_renewal: Duration,
    pub(super) errors: BTreeMap<&'static str, usize>,
}

impl Calls {
    fn list(&self) -> MutexGuard<'_, Vec<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call and takes note of it.
    pub(super) async fn make<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let sent = Instant::now();
        let result = call.await;
        self.list().push(Call {
            what,
            sent,
            took: sent.elapsed(),
            failed: result.as_ref().err().map(kind),
        });
        result
    }

    /// What was sent, or was still on its way, after `since`.
    pub(super) fn summary(&self, since: Instant) -> Summary {
        let mut summary = Summary::default();
        let mut renewing: Option<Instant> = None;
        for call in self.list().iter().filter(|c| c.sent + c.took >= since) {
            summary.made += 1;
            if call.took >= summary.longest {
                (summary.longest, summary.longest_what) = (call.took, call.what);
            }
            if let Some(kind) = call.failed {
                summary.failed += 1;
                *summary.errors.entry(kind).or_default() += 1;
            }
            if call.what == "renew" {
                let begun = *renewing.get_or_insert(call.sent);
                let took = (call.sent + call.took) - begun;
                summary.longest_renewal = summary.longest_renewal.max(took);
                if call.failed.is_none() {
                    renewing = None;
                }
            }
        }
        summary
    }
}

/// The name of an error's kind.
pub(super) const fn kind(error: &Error) -> &'static str {
    match error {
        Error::Unavailable(_) => "unavailable",
        Error::Unknown(_) => "unknown",
        Error::SessionLost { .. } => "session-lost",
        Error::Denied(_) => "denied",
        Error::Invalid(_) => "invalid",
        Error::Unsupported { .. } => "unsupported",
        Error::StoreReplaced { .. } => "store-replaced",
    }
}
