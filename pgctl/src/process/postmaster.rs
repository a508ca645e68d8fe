//! A living postmaster, whoever started it.
//!
//! Invariant: a [`Postmaster`] holds the pidfd of exactly one process, so a
//! signal can never reach another one that got the same id.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{broadcast, watch};

use super::exit::Exit;
use super::lock_file::LockFile;
use super::proc::{self, DirectoryId, Stat};
use super::reap::Watched;

/// How far the start that `postmaster.pid` notes may be from the one the kernel
/// knows, when nothing better tells whose process it is.
const START_TIME_TOLERANCE_SECONDS: i64 = 10;

/// A postmaster that was alive when it was found, and is watched since.
#[derive(Debug)]
pub(crate) struct Postmaster {
    pub(crate) pid: u32,
    pub(crate) start_ticks: u64,
    pidfd: Arc<OwnedFd>,
    exit: watch::Receiver<Option<Exit>>,
}

/// A process that was found, before it is watched.
#[derive(Debug)]
pub(crate) struct Found {
    pid: u32,
    start_ticks: u64,
    pidfd: OwnedFd,
}

impl Found {
    /// The living postmaster that `postmaster.pid` names, if it is one of this
    /// data directory.
    pub(crate) fn by_lock_file(data_dir: &Path) -> Option<Self> {
        let lock = LockFile::read(data_dir).ok()??;
        if lock.is_single_user {
            return None;
        }
        let found = Self::by_pid(lock.pid)?;
        let stat = proc::stat(lock.pid)?;
        let is_ours = is_postmaster_of(data_dir, &lock, &stat);
        // The process may have ended and its id been reused while we looked.
        (is_ours && is_alive(found.pidfd.as_fd())).then_some(found)
    }

    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    fn by_pid(pid: u32) -> Option<Self> {
        let pidfd = open_pidfd(pid).ok()?;
        let start_ticks = proc::stat(pid)?.start_ticks;
        Some(Self {
            pid,
            start_ticks,
            pidfd,
        })
    }

    /// A child that was just spawned. It may have ended already; as nobody has
    /// reaped it yet, its id is still its own.
    pub(crate) fn spawned(pid: u32) -> Option<Self> {
        Self::by_pid(pid)
    }
}

fn is_postmaster_of(data_dir: &Path, lock: &LockFile, stat: &Stat) -> bool {
    let Ok(directory) = DirectoryId::of(data_dir) else {
        return false;
    };
    match proc::works_in(lock.pid, directory) {
        // The start time is not asked for here: the clock may have been set
        // since, and a process of `postgres` in this very directory is ours.
        Ok(works_here) => works_here && proc::runs_postgres(lock.pid),
        // Another user's process shows no working directory.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let near = |start: i64| (start - lock.start_time).abs() <= START_TIME_TOLERANCE_SECONDS;
            stat.command.starts_with("postgres")
                && Path::new(&lock.data_dir) == data_dir
                && stat.start_time().is_some_and(near)
        }
        Err(_) => false,
    }
}

impl Postmaster {
    /// Begins to watch a process. Its end goes to `exits`, and it is reaped if
    /// it is our child by then, whether or not anybody still holds the handle.
    pub(crate) fn watch(found: Found, exits: broadcast::Sender<Exit>) -> io::Result<Self> {
        let pidfd = Arc::new(found.pidfd);
        let shared = Shared(Arc::clone(&pidfd));
        // SAFETY: the descriptor is owned by the value, which gives the same one
        // each time and cannot be closed while it lives.
        let ready = unsafe { AsyncFd::register_with_interest(shared, Interest::READABLE) }?;
        let (sender, exit) = watch::channel(None);
        let watched = Watched::new(found.pid);
        tokio::spawn(async move {
            // An error here means that the runtime is going away.
            let Ok(_guard) = ready.readable().await else {
                return;
            };
            let ended = reap(watched.pid(), ready.get_ref().as_fd());
            drop(watched);
            tracing::debug!(pid = ended.pid, "postmaster has ended");
            // Nobody listening is fine for both.
            let _ = sender.send(Some(ended));
            let _ = exits.send(ended);
        });
        Ok(Self {
            pid: found.pid,
            start_ticks: found.start_ticks,
            pidfd,
            exit,
        })
    }

    pub(crate) fn is_alive(&self) -> bool {
        is_alive(self.pidfd.as_fd())
    }

    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        signal_pidfd(self.pidfd.as_fd(), signal)
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(ended) => (*ended).unwrap_or_else(|| self.unknown_exit()),
            // The watching task went away with its runtime.
            Err(_) => self.unknown_exit(),
        }
    }

    const fn unknown_exit(&self) -> Exit {
        Exit {
            pid: self.pid,
            code: None,
            signal: None,
        }
    }
}

#[derive(Debug)]
struct Shared(Arc<OwnedFd>);

impl std::os::fd::AsRawFd for Shared {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn reap(pid: u32, pidfd: BorrowedFd<'_>) -> Exit {
    let status = rustix::process::waitid(
        WaitId::PidFd(pidfd),
        WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
    );
    let status = status.ok().flatten();
    Exit {
        pid,
        code: status.as_ref().and_then(|status| status.exit_status()),
        signal: status
            .as_ref()
            .and_then(|status| status.terminating_signal()),
    }
}

pub(crate) fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
    // Non-blocking, as the event loop needs it.
    Ok(rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}

/// Whether the process lives. A zombie does not.
pub(crate) fn is_alive(pidfd: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(&pidfd, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    loop {
        match rustix::event::poll(&mut polled, Some(&now)) {
            Ok(ready) => return ready == 0,
            Err(rustix::io::Errno::INTR) => {}
            // Cannot be: the descriptor is open. Alive is the careful answer.
            Err(_) => return true,
        }
    }
}

pub(crate) fn signal_pidfd(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    Ok(rustix::process::pidfd_send_signal(pidfd, signal)?)
}
