//! Logical slots that were copied here, until the primary is seen to keep what they need.
//!
//! A promotion before that is warned of: the primary may have removed rows of its catalogs that a
//! consumer of the slot will ask for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use herdsman_pgctl as pgctl;
use herdsman_pgctl::{KeptRows, Xid};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::observe;

/// How often the primary is asked. A standby tells it what it needs every ten seconds
/// (`wal_receiver_status_interval`).
const STEP: Duration = Duration::from_secs(1);

/// The same when it has taken long already.
const LATER_STEP: Duration = Duration::from_secs(15);

/// How long a server may take to answer.
const LIMIT: Duration = Duration::from_secs(3);

/// How long it may take until what a standby tells another one has come to the primary: twice the
/// interval for each of the two.
const RELAYED: Duration = Duration::from_secs(40);

/// Those that are not ready. Ends its watch when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Copied(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    unready: Vec<String>,
    watch: Option<AbortHandle>,
}

impl Copied {
    /// These slots were copied from this primary.
    pub(super) fn watch(
        &self,
        instance: &pgctl::Instance,
        primary: pgctl::Upstream,
        slots: Vec<String>,
    ) {
        let mut state = lock(&self.0);
        for slot in slots {
            if !state.unready.contains(&slot) {
                state.unready.push(slot);
            }
        }
        let watch = Watch {
            instance: instance.clone(),
            primary,
            since: Instant::now(),
            first: KeptRows::new(),
        };
        let watch = tokio::spawn(watch.run(Arc::downgrade(&self.0)));
        if let Some(before) = state.watch.replace(watch.abort_handle()) {
            before.abort();
        }
    }

    pub(super) fn unready(&self) -> Vec<String> {
        lock(&self.0).unready.clone()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Watch {
    instance: pgctl::Instance,
    primary: pgctl::Upstream,
    since: Instant,
    /// What the primary's own slots kept when that of our standby was first seen to keep anything.
    first: KeptRows,
}

impl Watch {
    /// Asks until all are ready, or our server is a primary.
    async fn run(mut self, state: Weak<Mutex<State>>) {
        loop {
            let is_soon = self.since.elapsed() < RELAYED;
            tokio::time::sleep(if is_soon { STEP } else { LATER_STEP }).await;
            let Some(unready) = state.upgrade().map(|state| lock(&state).unready.clone()) else {
                return;
            };
            match self.instance.facts().await.server.map(|server| server.role) {
                Some(pgctl::ServerRole::Primary { .. }) => {
                    if let Some(state) = state.upgrade() {
                        lock(&state).unready.clear();
                    }
                    return;
                }
                Some(pgctl::ServerRole::Standby(standby)) => self.notice(standby.upstream),
                None => continue,
            }
            let ready = match self.ready(&unready).await {
                Ok(ready) => ready,
                Err(error) => {
                    tracing::debug!(error = observe::chain(&error), "copied slots");
                    continue;
                }
            };
            if !ready.is_empty() {
                tracing::info!(slots = ?ready, "the primary keeps what copied slots need");
            }
            let Some(state) = state.upgrade() else { return };
            let mut state = lock(&state);
            state.unready.retain(|slot| !ready.contains(slot));
            if state.unready.is_empty() {
                return;
            }
        }
    }

    /// Another server keeps something else.
    fn notice(&mut self, upstream: Option<(String, u16)>) {
        if let Some((host, port)) = upstream
            && (&host, port) != (&self.primary.host, self.primary.port)
        {
            self.primary = pgctl::Upstream::new(host, port);
            self.first.clear();
        }
    }

    async fn ready(&mut self, unready: &[String]) -> pgctl::Result<Vec<String>> {
        let own = pgctl::slot_name(self.instance.name());
        let mut names = unready.to_vec();
        names.push(own.clone());
        let asked = self.instance.kept_rows(&self.primary, &names, LIMIT).await;
        let theirs = match asked {
            Ok(theirs) => theirs,
            // What a standby is told comes to the primary with what it tells itself.
            Err(pgctl::Error::Unexpected { .. }) if self.since.elapsed() >= RELAYED => {
                return Ok(unready.to_vec());
            }
            Err(error) => return Err(error),
        };
        let ours = self.instance.needed_rows(unready, LIMIT).await?;
        let Some(kept) = theirs.get(&own).copied() else {
            return Ok(Vec::new());
        };
        for (slot, xid) in &theirs {
            self.first.entry(slot.clone()).or_insert(*xid);
        }
        // A slot that is not here any more needs nothing.
        let is_ready =
            |slot: &&String| !ours.contains_key(*slot) || is_ready(slot, kept, &self.first, &ours);
        Ok(unready.iter().filter(is_ready).cloned().collect())
    }
}

/// Whether the primary keeps all rows that a slot needs: it has kept them ever since its own slot
/// needed nothing older.
fn is_ready(slot: &str, kept: Xid, first: &KeptRows, ours: &BTreeMap<String, Xid>) -> bool {
    let (Some(first), Some(needed)) = (first.get(slot), ours.get(slot)) else {
        return false;
    };
    first.is_at_most(kept) && kept.is_at_most(*needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(xid: u32) -> KeptRows {
        [("cdc".to_owned(), Xid(xid))].into()
    }

    #[test]
    fn slot_is_ready_when_what_it_needs_was_never_let_go() {
        let ready = |first, kept, needed| is_ready("cdc", Xid(kept), &rows(first), &rows(needed));
        assert!(ready(700, 700, 700));
        // The primary's slot had gone on before it was told what ours needs.
        assert!(!ready(710, 700, 700));
        // Ours has followed it, and the primary knows; or does not know yet.
        assert!(ready(710, 710, 710));
        assert!(!ready(710, 715, 710));
        assert!(!is_ready("cdc", Xid(1), &KeptRows::new(), &rows(1)));
    }
}
