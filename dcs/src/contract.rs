//! What every backend must do, as tests: run them against yours before you trust it.
//!
//! One claim is one function, which panics when the claim does not hold. [`contract_tests!`]
//! turns all of them into tests of their own. A claim about something that the backend does not
//! offer (see [`Capabilities`](crate::Capabilities)) demands that it says so.
//!
//! ```
//! use std::sync::Arc;
//! use herdsman_dcs::contract::Backend;
//! use herdsman_dcs::memory::MemoryStore;
//! use herdsman_dcs::{Dcs, async_trait};
//!
//! struct Memory(MemoryStore);
//!
//! #[async_trait]
//! impl Backend for Memory {
//!     async fn handle(&self, name: &str) -> Arc<dyn Dcs> {
//!         Arc::new(self.0.handle(name))
//!     }
//! }
//!
//! async fn memory() -> Memory {
//!     Memory(MemoryStore::new())
//! }
//!
//! mod contract {
//!     herdsman_dcs::contract_tests!(super::memory);
//! }
//! ```
//!
//! Invariant: the claims use nothing but the trait and tokio's clock, so they hold for a store that
//! is far away as for one in this process.
//!
//! [`contract_tests!`]: crate::contract_tests

pub mod commits;
pub mod races;
pub mod sessions;
pub mod watches;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use crate::{
    Change, CommitOutcome, Dcs, Entry, Error, Key, Prefix, Revision, Session, Snapshot, Watch,
    WatchEvent,
};

/// Longer than any claim needs on a busy machine; only a claim that hangs reaches it.
const LONGEST_CLAIM: Duration = Duration::from_secs(120);
/// The same for one event of a watch.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A store to be tested, empty below its prefix.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Access to the store as another process would have it.
    async fn handle(&self, name: &str) -> Arc<dyn Dcs>;

    /// A folder that nobody else uses.
    fn prefix(&self) -> Prefix {
        Prefix::new("/contract").expect("the text is a path")
    }
}

/// Runs one claim on a fresh backend, on a tokio runtime of its own.
///
/// # Panics
/// When the claim does not hold.
pub fn check<B, M>(make: impl FnOnce() -> M, claim: impl AsyncFnOnce(&dyn Backend))
where
    B: Backend,
    M: Future<Output = B>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async {
        let backend = make().await;
        timeout(LONGEST_CLAIM, claim(&backend))
            .await
            .expect("the claim takes too long");
    });
}

/// Expands to one `#[test]` for each claim of the [contract](crate::contract), to be placed in a
/// module of its own.
///
/// The argument is an async function that makes a fresh [`Backend`](crate::contract::Backend).
#[macro_export]
macro_rules! contract_tests {
    ($make:expr) => {
        $crate::contract_tests! { @each $make;
            commits::absent_guard_holds_only_without_the_key,
            commits::present_guard_holds_only_with_the_key,
            commits::revision_guard_holds_only_at_the_last_put,
            commits::held_guard_holds_only_for_the_session_of_the_key,
            commits::all_failed_guards_are_named,
            commits::guards_without_writes_are_a_question,
            commits::several_writes_are_one_step,
            commits::nothing_is_applied_when_one_guard_fails,
            commits::put_if_and_delete_if_obey_their_guard,
            commits::created_revision_names_one_life_of_a_key,
            commits::put_replaces_the_lifetime,
            commits::deleting_a_missing_key_is_no_error,
            commits::invalid_commits_are_refused,
            commits::values_are_any_bytes,
            commits::snapshot_sees_acknowledged_commits_below_its_prefix,
            sessions::granted_ttl_is_at_least_what_was_asked_for,
            sessions::sessions_have_names_of_their_own,
            sessions::release_deletes_the_bound_keys_in_one_step,
            sessions::session_ends_after_its_ttl_and_not_before,
            sessions::renewed_session_outlives_its_first_ttl,
            sessions::renewal_proves_its_guards,
            sessions::ended_session_is_lost_to_every_call,
            sessions::failed_guard_comes_before_a_lost_session,
            sessions::session_is_resumed_by_its_name,
            watches::watch_begins_with_a_list,
            watches::watch_tells_changes_in_order,
            watches::watch_tells_one_commit_as_one_step,
            watches::watch_tells_the_end_of_a_session,
            watches::watch_sees_only_its_prefix,
            watches::mirror_of_a_watch_equals_a_snapshot,
            watches::abandoned_wait_loses_no_event,
            races::exactly_one_of_many_takes_a_free_key,
            races::no_guarded_update_is_lost,
        }
    };
    (@each $make:expr; $($file:ident::$claim:ident,)*) => {
        $(
            #[test]
            fn $claim() {
                $crate::contract::check($make, $crate::contract::$file::$claim);
            }
        )*
    };
}

/// The content of one key.
async fn entry(dcs: &dyn Dcs, backend: &dyn Backend, key: &Key) -> Option<Entry> {
    let mut snapshot = read(dcs, backend).await;
    snapshot.entries.remove(key)
}

/// Everything that the claim wrote.
async fn read(dcs: &dyn Dcs, backend: &dyn Backend) -> Snapshot {
    ok(dcs.snapshot(&backend.prefix()).await)
}

fn key(backend: &dyn Backend, name: &str) -> Key {
    backend.prefix().key(name).expect("claims use valid names")
}

/// A session that is long enough not to end during a claim.
async fn long_session(dcs: &dyn Dcs) -> Session {
    ok(dcs.open(Duration::from_secs(300)).await)
}

/// A session that ends soon, as far as the store allows.
async fn short_session(dcs: &dyn Dcs) -> Session {
    let wish = Duration::from_secs(1).max(dcs.capabilities().shortest_ttl);
    ok(dcs.open(wish).await)
}

#[track_caller]
fn ok<T>(answer: Result<T, Error>) -> T {
    match answer {
        Ok(value) => value,
        Err(error) => panic!("the store answered: {error:?}"),
    }
}

/// The revision of a commit that must have been applied.
#[track_caller]
fn applied(answer: Result<CommitOutcome, Error>) -> Revision {
    match ok(answer) {
        CommitOutcome::Applied { revision } => revision,
        CommitOutcome::NotApplied { failed } => panic!("not applied because of {failed:?}"),
    }
}

/// The failed keys of a commit that must not have been applied.
#[track_caller]
fn refused(answer: Result<CommitOutcome, Error>) -> Vec<Key> {
    match ok(answer) {
        CommitOutcome::Applied { revision } => panic!("applied at {revision}"),
        CommitOutcome::NotApplied { failed } => failed,
    }
}

async fn next(watch: &mut Watch) -> WatchEvent {
    let event = timeout(LONGEST_WAIT, watch.next()).await;
    event.expect("the watch tells nothing")
}

async fn listed(watch: &mut Watch) -> Snapshot {
    match next(watch).await {
        WatchEvent::Listed(snapshot) => snapshot,
        other @ (WatchEvent::Changed { .. } | WatchEvent::Interrupted(_)) => {
            panic!("expected a list, got {other:?}")
        }
    }
}

async fn changed(watch: &mut Watch) -> (Revision, Vec<Change>) {
    match next(watch).await {
        WatchEvent::Changed { revision, changes } => (revision, changes),
        other @ (WatchEvent::Listed(_) | WatchEvent::Interrupted(_)) => {
            panic!("expected a change, got {other:?}")
        }
    }
}
