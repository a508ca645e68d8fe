//! Zombies: processes that have ended and wait to be asked how.
//!
//! A zombie postmaster that nobody reaps makes the next start fail, because
//! PostgreSQL's own check of the lock file takes it for a living process.
//! Invariant: only processes of `postgres` are reaped here, never a child that
//! some other part of this program waits for.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, WaitId, WaitIdOptions};

use super::proc;

/// Makes this process the parent of processes whose own parent ends.
///
/// An agent that is not PID 1 should call it once at its start: then it can
/// reap a postmaster that an earlier agent started, and what is left of one.
///
/// # Errors
/// The system's refusal, which no Linux of this century gives.
pub fn become_subreaper() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Postmasters of this process whose watcher reaps them itself.
static WATCHED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// An entry in the set of watched postmasters, as long as it lives.
#[derive(Debug)]
pub(crate) struct Watched(u32);

impl Watched {
    pub(crate) fn new(pid: u32) -> Self {
        watched().insert(pid);
        Self(pid)
    }

    pub(crate) const fn pid(&self) -> u32 {
        self.0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        watched().remove(&self.0);
    }
}

fn watched() -> std::sync::MutexGuard<'static, BTreeSet<u32>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reaps ended server processes that came to us because their postmaster died
/// and we are a subreaper or PID 1. Blocks for a walk over `/proc`.
pub(crate) fn reap_orphans() {
    let me = std::process::id();
    for stat in proc::all().unwrap_or_default() {
        // Every child of a postmaster leads a session of its own, and so does
        // a postmaster; no short program that we run for an answer does.
        let is_ours = stat.parent == me && stat.is_zombie() && stat.session == stat.pid;
        if is_ours && stat.command == "postgres" && !watched().contains(&stat.pid) {
            reap(stat.pid);
        }
    }
}

/// Reaps one process, if it has ended and is our child.
pub(crate) fn reap(pid: u32) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    if let Err(error) = rustix::process::waitid(WaitId::Pid(pid), options) {
        tracing::trace!(%error, "nothing to reap");
    }
}
