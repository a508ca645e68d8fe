//! The end of a server's backends, for whoever waits for one.

use std::future::{pending, poll_fn};
use std::os::fd::OwnedFd;
use std::task::Poll;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::open_pidfd;

/// Waits until one of these backends has ended, such as those that send the log to standbys.
///
/// Those that cannot be watched, because they have ended already or belong to another namespace of
/// processes, are passed over: what is told is a hint to look again, and no proof. Pending for ever
/// when none is left.
///
/// Needs a runtime of tokio with I/O.
pub async fn backend_ended(pids: &[u32]) {
    let watched: Vec<AsyncFd<OwnedFd>> = pids.iter().filter_map(|pid| watch(*pid)).collect();
    if watched.is_empty() {
        return pending().await;
    }
    poll_fn(|context| {
        let mut watched = watched.iter();
        let has_ended = watched.any(|backend| backend.poll_read_ready(context).is_ready());
        if has_ended {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

fn watch(pid: u32) -> Option<AsyncFd<OwnedFd>> {
    let pidfd = open_pidfd(pid).ok()?;
    // SAFETY: the descriptor is owned by the value and lives as long as it.
    unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }.ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_end_of_one_of_several_is_noticed() {
        let mut sleepers = [60, 61].map(|seconds| {
            let mut command = Command::new("sleep");
            command.arg(seconds.to_string()).stdin(Stdio::null());
            command.spawn().unwrap()
        });
        let pids = [sleepers[0].id(), u32::MAX, sleepers[1].id()];
        let mut ended = std::pin::pin!(backend_ended(&pids));
        let early = tokio::time::timeout(Duration::from_millis(20), ended.as_mut()).await;
        assert!(early.is_err(), "both live");
        sleepers[1].kill().unwrap();
        ended.await;
        for sleeper in &mut sleepers {
            let _ = sleeper.kill();
            let _ = sleeper.wait();
        }
    }

    #[tokio::test]
    async fn who_cannot_be_watched_is_passed_over() {
        let none = tokio::time::timeout(Duration::from_millis(20), backend_ended(&[u32::MAX]));
        assert!(none.await.is_err());
    }
}
