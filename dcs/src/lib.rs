//! Sessions with a time to live, and a small key space that they can bind keys to.
//!
//! This is what a distributed configuration store has to give a cluster manager, and no more:
//! a [`Session`] that ends unless it is renewed, keys that vanish with it, guarded commits that
//! apply wholly or not at all, and a watch that tells when something changed, or a [`Mirror`] that
//! follows it.
//! The crate knows nothing of PostgreSQL, leaders or failover.
//!
//! The one rule to remember: what a holder may conclude from an answer counts from the moment the
//! call was *started*, see [`Dcs`].
//!
//! | backend | feature | for |
//! |---|---|---|
//! | [`memory`] | always there | one process: examples, tests, embedding |
//! | `etcd` | `etcd` | etcd 3.4 and newer |
//! | `zookeeper` | `zookeeper` | ZooKeeper 3.6 and newer |
//!
//! ```
//! use std::time::Duration;
//! use herdsman_dcs::memory::MemoryStore;
//! use herdsman_dcs::{Condition, Dcs, Guard, Lifetime, Prefix, Renewal};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! let dcs = store.handle("node-1");
//! let folder = Prefix::new("/service/demo")?;
//! let lock = folder.key("leader")?;
//!
//! // Take the lock: create the key unless somebody has it, bound to our session.
//! let session = dcs.open(Duration::from_secs(10)).await?;
//! let free = Guard::new(lock.clone(), Condition::Absent);
//! let outcome = dcs.put_if(Some(&session), free, b"node-1".to_vec(), Lifetime::Session).await?;
//! assert!(outcome.is_applied());
//!
//! // Keep it: the renewal proves that the key is still ours, not only that the session lives.
//! let proof = [Guard::new(lock.clone(), Condition::HeldBySession)];
//! assert_eq!(dcs.renew(&session, &proof).await?, Renewal::Held);
//!
//! // Everybody sees who holds it.
//! let snapshot = store.handle("node-2").snapshot(&folder).await?;
//! assert_eq!(snapshot.entries[&lock].value, b"node-1");
//!
//! // The end of the session is the end of the key.
//! dcs.release(session).await?;
//! assert!(dcs.snapshot(&folder).await?.entries.is_empty());
//! # Ok(())
//! # }
//! ```

mod commit;
#[cfg(feature = "contract")]
pub mod contract;
mod dcs;
mod error;
#[cfg(feature = "etcd")]
pub mod etcd;
#[cfg(all(feature = "etcd", feature = "zookeeper", feature = "test-servers"))]
pub mod faults;
#[cfg(any(feature = "etcd", feature = "zookeeper"))]
mod fed;
mod kept;
mod key;
pub mod memory;
mod mirror;
mod revision;
mod seen;
mod session;
mod snapshot;
mod table;
#[cfg(feature = "test-servers")]
pub mod test_servers;
#[cfg(any(feature = "etcd", feature = "zookeeper"))]
mod tls;
mod watch;
#[cfg(feature = "zookeeper")]
pub mod zookeeper;

pub use async_trait::async_trait;
pub use commit::{Commit, CommitOutcome, Condition, Guard, Lifetime, Write};
pub use dcs::{Capabilities, Dcs, Limits};
pub use error::{Cause, Error};
pub use kept::{Call, Keeper, KeptDcs};
pub use key::{Key, KeyError, Prefix};
pub use mirror::Mirror;
pub use revision::Revision;
pub use session::{Renewal, Session, SessionId, SessionIdError};
pub use snapshot::{Change, Entry, Snapshot};
pub use table::Table;
#[cfg(any(feature = "etcd", feature = "zookeeper"))]
pub use tls::TlsOptions;
pub use watch::{Watch, WatchEvent, WatchSource};
