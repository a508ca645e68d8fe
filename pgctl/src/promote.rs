//! Promotion of a standby.

use std::fs;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use crate::config::{file_mode, write_atomically};
use crate::connection::{Session, timed_out};
use crate::control_data::{ClusterState, Leading};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::process::{open_pidfd, proc, signal_pidfd};
use crate::standby::Recovery;

/// How often recovery is woken and asked, at first and later on.
const STEP: Duration = Duration::from_millis(10);
const LATER_STEP: Duration = Duration::from_millis(100);
/// A promotion that takes longer than this has log to replay.
const SOON: Duration = Duration::from_secs(2);

impl Instance {
    /// Promotes the standby and waits until it is out of recovery. A server
    /// that is a primary already is left as it is.
    ///
    /// Dropping the future does not take the order back.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::TimedOut`] (it may still come out of
    /// recovery later), [`Error::PreEmpted`], and any refusal.
    pub async fn promote(&self, limit: Duration) -> Result<()> {
        let kills = self.kills();
        let deadline = Instant::now() + limit;
        self.running_postmaster()?;
        let done = match Session::local(self, limit.min(self.options().sql_timeout)).await {
            Ok(session) => self.promote_by_sql(&session, deadline, kills).await?,
            // No session to be had, because all are taken for example.
            Err(error) => {
                tracing::warn!(%error, "promoting without a session");
                self.promote_by_file(deadline, kills).await?
            }
        };
        if !done {
            return Err(timed_out("promotion".to_owned(), limit));
        }
        self.set_recovery(Recovery::Primary);
        Ok(())
    }

    async fn promote_by_sql(
        &self,
        session: &Session,
        deadline: Instant,
        kills: u64,
    ) -> Result<bool> {
        let limit = self.options().sql_timeout;
        let postmaster = self.running_postmaster()?;
        let Some(startup) = startup_process(session, limit).await? else {
            return Ok(true);
        };
        self.unless_killed(kills, || ())?;
        // It fails if recovery has ended since, which is then seen below.
        let ordered = session
            .run("promotion", "SELECT pg_promote(false)", limit)
            .await;
        let ordered = ordered.map_err(|error| self.blame_kill(kills, error));
        let begun = Instant::now();
        loop {
            let asked = startup_process(session, limit).await;
            if asked
                .map_err(|error| self.blame_kill(kills, error))?
                .is_none()
            {
                return Ok(true);
            }
            if let Err(error) = ordered {
                return Err(error);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            wake(startup, postmaster.pid);
            let step = if begun.elapsed() < SOON {
                STEP
            } else {
                LATER_STEP
            };
            tokio::time::sleep(step).await;
        }
    }

    /// The way of `pg_ctl promote`.
    async fn promote_by_file(&self, deadline: Instant, kills: u64) -> Result<bool> {
        let data_dir = self.data_dir();
        let postmaster = self.running_postmaster()?;
        let control = data_dir.join("global/pg_control");
        let is_primary = || {
            let leading = fs::read(&control).ok().as_deref().and_then(Leading::read);
            leading.is_some_and(|leading| leading.state == ClusterState::InProduction)
        };
        if is_primary() {
            return Ok(true);
        }
        let mode = file_mode(data_dir)?;
        self.unless_killed(kills, || {
            write_atomically(&data_dir.join("promote"), b"", mode)?;
            let signalled = postmaster.signal(Signal::USR1);
            signalled.map_err(Error::io("cannot signal", "the postmaster".as_ref()))
        })??;
        while !is_primary() {
            if !postmaster.is_alive() {
                return Err(self.blame_kill(kills, Error::NotRunning));
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            tokio::time::sleep(LATER_STEP).await;
        }
        Ok(true)
    }

    /// An error that comes after a kill is the kill's doing.
    fn blame_kill(&self, kills: u64, error: Error) -> Error {
        self.unless_killed(kills, || ()).err().unwrap_or(error)
    }
}

/// The process that recovers, 0 if it does not show, or `None` when the server is
/// out of recovery.
async fn startup_process(session: &Session, limit: Duration) -> Result<Option<u32>> {
    const ASK: &str = "SELECT coalesce((SELECT pid FROM pg_stat_activity \
                       WHERE backend_type = 'startup'), 0) WHERE pg_is_in_recovery()";
    let results = session.run("asking for recovery", ASK, limit).await?;
    let pid = results
        .first()
        .and_then(|rows| rows.first())
        .and_then(|row| row.get(0));
    Ok(pid.and_then(|pid| pid.parse().ok()))
}

/// Wakes the process that recovers.
///
/// Without it one promotion in several takes five seconds, seen with 15: when
/// the order comes within milliseconds of the primary's death, the process has
/// looked for orders already and then sleeps out `wal_retrieve_retry_interval`.
/// A hangup only makes it look again. It is sent to that one process, because a
/// reload of the server would add a line to its log every time.
fn wake(startup: u32, postmaster: u32) {
    let Some(pidfd) = (startup != 0).then(|| open_pidfd(startup).ok()).flatten() else {
        return;
    };
    // The id may have been given to another process since it was asked for.
    let is_ours = proc::stat(startup).is_some_and(|stat| stat.parent == postmaster);
    if is_ours && let Err(error) = signal_pidfd(pidfd.as_fd(), Signal::HUP) {
        tracing::trace!(%error, "recovery has ended");
    }
}
