//! Ends every process of a server, with proof.
//!
//! Each child of a postmaster leads a session of its own, so no process group
//! covers a server. It is found through `/proc`: the processes of `postgres`
//! that work in the data directory, and what these have started. Invariant: no
//! process is signalled by its bare id, and none outside that set at all.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Signal;

use crate::data_directory::blocking;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::process::proc::{self, DirectoryId, Stat};
use crate::process::{LockFile, SharedMemory, is_alive, open_pidfd, reap_orphans, signal_pidfd};
use crate::text;

/// How long to wait for a death before looking again.
const STEP: Duration = Duration::from_millis(20);

/// Proof that a server has no process left. It is made here alone, after
/// looking, and says nothing about a later start.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Gone {
    killed: usize,
    shared_memory: Option<i64>,
}

impl Gone {
    /// How many processes had to be killed.
    #[must_use]
    pub const fn killed(&self) -> usize {
        self.killed
    }

    /// Whether the server's shared memory was known and seen without users,
    /// in addition to the absence of processes.
    #[must_use]
    pub const fn shared_memory_checked(&self) -> bool {
        self.shared_memory.is_some()
    }

    /// The identifier of that shared memory. A killed server leaves it behind; its next start on the
    /// same data directory removes it, and whoever deletes the directory may (`ipcrm -m`).
    #[must_use]
    pub const fn shared_memory(&self) -> Option<i64> {
        self.shared_memory
    }
}

impl Instance {
    /// Ends every process of the server at once, without its cooperation, and
    /// proves that none is left. A start that is on its way is given up.
    ///
    /// Once begun it runs to its end, even if the future is dropped.
    ///
    /// # Errors
    /// [`Error::StillAlive`] when something is left at the limit.
    pub async fn kill_all(&self, limit: Duration) -> Result<Gone> {
        self.announce_kill();
        let data_dir = self.data_dir().to_owned();
        blocking(move || kill_server(&data_dir, limit)).await
    }
}

/// [`Instance::kill_all`] without an instance and without a runtime: blocks
/// this thread. For a guardian process.
///
/// # Errors
/// [`Error::StillAlive`] when something is left after `limit`.
pub fn kill_server(data_dir: &Path, limit: Duration) -> Result<Gone> {
    let deadline = Instant::now() + limit;
    let directory = match DirectoryId::of(data_dir) {
        Ok(directory) => directory,
        // Nobody can work in a directory that is not there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Gone {
                killed: 0,
                shared_memory: None,
            });
        }
        Err(error) => return Err(Error::io("cannot look at", data_dir)(error)),
    };
    let lock = LockFile::read(data_dir).ok().flatten();
    let killed = kill_processes(directory, deadline)?;
    let shared_memory = lock.and_then(|lock| lock.shared_memory);
    if let Some(segment) = shared_memory {
        wait_until_unused(segment, deadline)?;
    }
    Ok(Gone {
        killed,
        shared_memory: shared_memory.map(|segment| segment.id),
    })
}

/// Processes of this server, whether or not there is a postmaster.
pub(crate) fn processes_in(directory: DirectoryId) -> io::Result<Vec<Stat>> {
    let living: Vec<Stat> = proc::all()?
        .into_iter()
        .filter(|stat| !stat.is_zombie())
        .collect();
    let mut members: BTreeSet<u32> = living
        .iter()
        .map(|stat| stat.pid)
        .filter(|pid| is_server_process(*pid, directory))
        .collect();
    // Commands that the server runs, for example to archive its log.
    while living.iter().any(|stat| {
        members.contains(&stat.parent) && stat.pid != std::process::id() && members.insert(stat.pid)
    }) {}
    Ok(living
        .into_iter()
        .filter(|stat| members.contains(&stat.pid))
        .collect())
}

pub(crate) fn is_server_process(pid: u32, directory: DirectoryId) -> bool {
    proc::works_in(pid, directory).unwrap_or(false) && proc::runs_postgres(pid)
}

fn kill_processes(directory: DirectoryId, deadline: Instant) -> Result<usize> {
    let scan = || {
        let found = processes_in(directory);
        found.map_err(Error::io("cannot look at", Path::new("/proc")))
    };
    let mut killed: BTreeSet<(u32, u64)> = BTreeSet::new();
    loop {
        stop_parents(&scan()?);
        // What a parent forked before it was stopped is in this second look.
        let mut found = scan()?;
        if found.is_empty() {
            reap_orphans();
            return Ok(killed.len());
        }
        let parents = parents_in(&found);
        // Children first: those of a stopped parent cannot be replaced.
        found.sort_by_key(|stat| parents.contains(&stat.pid));
        let dying: Vec<OwnedFd> = found
            .iter()
            .filter_map(|stat| kill(stat, Signal::KILL))
            .collect();
        killed.extend(found.iter().map(|stat| (stat.pid, stat.start_ticks)));
        wait_for_deaths(
            &dying,
            deadline.min(Instant::now() + Duration::from_secs(1)),
        );
        reap_orphans();
        if Instant::now() >= deadline {
            let left: Vec<u32> = scan()?.iter().map(|stat| stat.pid).collect();
            if !left.is_empty() {
                let what = format!("processes {}", text::list(&left));
                return Err(Error::StillAlive { what });
            }
        }
    }
}

fn parents_in(found: &[Stat]) -> BTreeSet<u32> {
    let pids: BTreeSet<u32> = found.iter().map(|stat| stat.pid).collect();
    let parents = found.iter().map(|stat| stat.parent);
    parents.filter(|parent| pids.contains(parent)).collect()
}

/// Stops every process that has children here, so that it cannot fork, and
/// waits until it stands still.
fn stop_parents(found: &[Stat]) {
    let parents = parents_in(found);
    for stat in found.iter().filter(|stat| parents.contains(&stat.pid)) {
        let Some(pidfd) = kill(stat, Signal::STOP) else {
            continue;
        };
        let until = Instant::now() + STEP;
        let still_runs = || {
            let state = proc::stat(stat.pid);
            is_alive(pidfd.as_fd()) && state.is_some_and(|stat| !stat.is_stopped())
        };
        // A process in an uninterruptible wait stops only after it. It cannot
        // fork in that wait either, and the next round sees what it did since.
        while still_runs() && Instant::now() < until {
            std::thread::yield_now();
        }
    }
}

/// Signals exactly that process; `None` if it is gone.
fn kill(stat: &Stat, signal: Signal) -> Option<OwnedFd> {
    let pidfd = open_pidfd(stat.pid).ok()?;
    // The id may have been given to another process since the look.
    let is_same = proc::stat(stat.pid).is_some_and(|seen| seen.start_ticks == stat.start_ticks);
    if !is_same {
        return None;
    }
    match signal_pidfd(pidfd.as_fd(), signal) {
        Ok(()) => Some(pidfd),
        Err(error) => {
            tracing::debug!(pid = stat.pid, %error, "cannot signal a server process");
            None
        }
    }
}

fn wait_for_deaths(dying: &[OwnedFd], until: Instant) {
    for pidfd in dying {
        while is_alive(pidfd.as_fd()) && Instant::now() < until {
            let mut polled = [PollFd::new(pidfd, PollFlags::IN)];
            let step = Timespec {
                tv_sec: 0,
                tv_nsec: STEP.subsec_nanos().into(),
            };
            let _ = rustix::event::poll(&mut polled, Some(&step));
        }
    }
}

/// Waits until nobody is attached to the server's shared memory. A process that
/// we could not see, in another namespace for example, would be.
fn wait_until_unused(segment: SharedMemory, deadline: Instant) -> Result<()> {
    let table = Path::new("/proc/sysvipc/shm");
    loop {
        let attached = segment
            .attached()
            .map_err(Error::io("cannot read", table))?;
        let count = attached.unwrap_or(0);
        if count == 0 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let what = format!("shared memory segment {} has {count} users", segment.id);
            return Err(Error::StillAlive { what });
        }
        std::thread::sleep(STEP);
    }
}
