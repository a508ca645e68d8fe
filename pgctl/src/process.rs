//! The server's processes: start it, adopt it, signal it, see it end.
//!
//! Invariant: life and death are read from a pidfd, never from `kill(pid, 0)`:
//! a zombie is dead, and a reused process id is somebody else.

use std::io;
use std::path::Path;

mod backends;
mod exit;
mod lock_file;
mod log;
mod postmaster;
pub(crate) mod proc;
mod reap;
mod stale;
pub(crate) mod start;
mod stop;

pub use backends::backend_ended;
pub use exit::{Exit, ExitEvents};
pub use reap::become_subreaper;
pub use start::{RaisedParameter, StartAs, Started};
pub use stop::StopMode;

pub(crate) use lock_file::{LockFile, SharedMemory, Status};
pub(crate) use postmaster::{Found, Postmaster, is_alive, open_pidfd, signal_pidfd};
pub(crate) use reap::{reap, reap_orphans};

/// Processes that work in the data directory. Called when no postmaster lives.
pub(crate) fn orphans_of(data_dir: &Path) -> io::Result<Vec<u32>> {
    let directory = match proc::DirectoryId::of(data_dir) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let found = proc::all()?.into_iter().filter(|stat| !stat.is_zombie());
    let pids = found.map(|stat| stat.pid);
    Ok(pids
        .filter(|pid| crate::kill_all::is_server_process(*pid, directory))
        .collect())
}
