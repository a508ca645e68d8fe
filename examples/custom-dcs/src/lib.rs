//! How does a cluster use a store that herdsman does not know? By whatever keeps one value for all
//! members, exclusively: `tests/contract.rs` holds it against the contract that etcd passes too.
//!
//! Here that is one JSON file, for members on one machine (several PostgreSQL for tests, containers
//! that share a local disk): `flock` makes a call exclusive, the kernel's clock since boot is common
//! to all, and a reboot ends all sessions. Not for network file systems: their locks may be lost
//! without a word. A store with sessions and transactions of its own implements `Dcs` directly, as
//! `herdsman_dcs::etcd` does.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdsman_dcs::{Call, Cause, Keeper, KeptDcs, Table, async_trait};
use rustix::fs::{FlockOperation, flock};
use rustix::time::{ClockId, clock_gettime};
use tokio::task::spawn_blocking;

/// How often a watch looks at the file.
const LOOK: Duration = Duration::from_millis(20);

/// The store in a file, which need not exist yet; beside it are files that end in `.lock` and
/// `.new`. To be given to `Agent::builder(..).store(..)`.
#[must_use]
pub fn file_dcs(path: impl Into<PathBuf>) -> KeptDcs<StoreFile> {
    KeptDcs::new(StoreFile(path.into()), LOOK)
}

/// A file that keeps a table.
#[derive(Clone, Debug)]
pub struct StoreFile(PathBuf);

/// What the file holds.
#[derive(Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct Content {
    /// Which run of the machine the times in the table are of.
    boot: String,
    table: Table,
}

#[async_trait]
impl Keeper for StoreFile {
    async fn with(&self, call: Call) -> Result<(), Cause> {
        let path = self.0.clone();
        let done = spawn_blocking(move || exclusively(&path, call)).await;
        let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
        done.map_err(|error| Cause::from_error(&error))
    }
}

/// One call. The lock is a file of its own because the other one is replaced: whatever crashes
/// leaves the content of before or of after.
fn exclusively(path: &Path, call: Call) -> io::Result<()> {
    let lock = path.with_extension("lock");
    let lock = OpenOptions::new().create(true).append(true).open(lock)?;
    flock(&lock, FlockOperation::LockExclusive)?;
    let old: Content = match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text)?,
        Err(error) if error.kind() == ErrorKind::NotFound => Content::default(),
        Err(error) => return Err(error),
    };
    let mut new = old.clone();
    new.boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let now = Duration::try_from(clock_gettime(ClockId::Boottime)).map_err(io::Error::other)?;
    // With the machine the clock began anew, and no holder of a session is left.
    let is_same_boot = old.boot == new.boot;
    new.table
        .end_overdue(if is_same_boot { now } else { Duration::MAX });
    call(&mut new.table, now);
    if new == old {
        return Ok(());
    }
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(&serde_json::to_vec_pretty(&new)?)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}
