//! Stopping, restarting and reloading the server.

use std::io;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::exit::Exit;
use super::postmaster::Postmaster;
use super::start::{StartAs, Started};
use crate::connection::{Session, timed_out};
use crate::error::{Error, Result};
use crate::instance::Instance;

/// How long backends may take to read the files anew.
const READ_LIMIT: Duration = Duration::from_secs(5);
const READ_STEP: Duration = Duration::from_millis(5);

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Wait for clients to leave, then shut down in order.
    Smart,
    /// Send clients away, then shut down in order.
    Fast,
    /// End at once; the next start recovers as after a crash.
    Immediate,
}

impl StopMode {
    const fn signal(self) -> Signal {
        match self {
            Self::Smart => Signal::TERM,
            Self::Fast => Signal::INT,
            Self::Immediate => Signal::QUIT,
        }
    }
}

impl Instance {
    /// Stops the server and waits for its end. `None`: it was down already.
    ///
    /// Dropping the future does not take the order back.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it is not down after `limit`; it goes on stopping.
    pub async fn stop(&self, mode: StopMode, limit: Duration) -> Result<Option<Exit>> {
        let Some(postmaster) = self.postmaster() else {
            return Ok(None);
        };
        send(&postmaster, mode.signal())?;
        match tokio::time::timeout(limit, postmaster.ended()).await {
            Ok(exit) => Ok(Some(exit)),
            Err(_) => Err(timed_out("stopping PostgreSQL".to_owned(), limit)),
        }
    }

    /// Stops and starts the server; each gets `limit`.
    ///
    /// # Errors
    /// Those of [`stop`](Self::stop) and [`start`](Self::start).
    pub async fn restart(
        &self,
        as_what: StartAs,
        mode: StopMode,
        limit: Duration,
    ) -> Result<Started> {
        let kills = self.kills();
        self.stop(mode, limit).await?;
        self.start_unless_killed(as_what, limit, kills).await
    }

    /// Makes the server read its configuration files again. It does so soon
    /// after, not before this returns.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    #[expect(
        clippy::unused_async,
        reason = "a postmaster found here is watched in the runtime"
    )]
    pub async fn reload(&self) -> Result<()> {
        let postmaster = self.running_postmaster()?;
        // Whoever writes after this moment has to tell it again.
        self.set_unread(false);
        let sent = send(&postmaster, Signal::HUP);
        if sent.is_err() {
            self.set_unread(true);
        }
        sent
    }

    /// Makes the server read its configuration files again and waits until
    /// backends have done so, a few seconds at the most.
    ///
    /// # Errors
    /// [`Error::NotRunning`], a server that does not answer, and
    /// [`Error::TimedOut`].
    pub async fn reload_and_wait(&self) -> Result<()> {
        let session = Session::local(self, self.options().sql_timeout).await?;
        let before = self.loaded_at(&session).await?;
        self.reload().await?;
        let deadline = Instant::now() + READ_LIMIT;
        while self.loaded_at(&session).await? == before {
            if Instant::now() >= deadline {
                return Err(timed_out(
                    "reading the configuration".to_owned(),
                    READ_LIMIT,
                ));
            }
            tokio::time::sleep(READ_STEP).await;
        }
        Ok(())
    }

    async fn loaded_at(&self, session: &Session) -> Result<Option<String>> {
        let ask = "SELECT pg_conf_load_time()::text";
        let answer = session
            .run("asking for the load time", ask, self.options().sql_timeout)
            .await?;
        let row = answer.first().and_then(|rows| rows.first());
        Ok(row.and_then(|row| row.get(0).map(str::to_owned)))
    }

    /// Makes the server do a checkpoint and waits for its end.
    ///
    /// # Errors
    /// [`Error::TimedOut`] after `limit`, and any refusal.
    pub async fn checkpoint(&self, limit: Duration) -> Result<()> {
        let session = Session::local(self, limit).await?;
        session.run("checkpoint", "CHECKPOINT", limit).await?;
        Ok(())
    }
}

fn send(postmaster: &Postmaster, signal: Signal) -> Result<()> {
    match postmaster.signal(signal) {
        // It has ended in this moment, which is noticed elsewhere.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::io("cannot signal", "the postmaster".as_ref())),
    }
}
