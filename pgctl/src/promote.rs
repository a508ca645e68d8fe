//! Promotion of a standby.

pub(crate) mod mark;

use std::fs;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use crate::config::{file_mode, write_atomically};
use crate::connection::{Session, timed_out};
use crate::control_data::{ClusterState, Leading};
use crate::data_directory::blocking;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::process::{Postmaster, StartAs, StopMode, open_pidfd, proc, signal_pidfd};
use crate::standby::Recovery;
use crate::timeline::{HistoryFiles, Timeline, Unfinished};

/// How often recovery is woken and asked, at first and later on.
const STEP: Duration = Duration::from_millis(10);
const LATER_STEP: Duration = Duration::from_millis(100);
/// A promotion that takes longer than this has log to replay.
const SOON: Duration = Duration::from_secs(2);

/// What is to be done, and until when.
struct Order {
    /// The number to take; any when there is none.
    timeline: Option<Timeline>,
    deadline: Instant,
    limit: Duration,
    /// The kills before it: one that comes later goes first.
    kills: u64,
}

impl Order {
    fn timed_out(&self) -> Error {
        timed_out("promotion".to_owned(), self.limit)
    }
}

impl Instance {
    /// Promotes the standby and waits until it is out of recovery. A server
    /// that is a primary already is left as it is.
    ///
    /// With `timeline` it begins exactly that one: the numbers between its own
    /// and this are passed. They stay passed in its files, because a standby
    /// that comes over asks for each of them. What an earlier attempt for this
    /// number left behind is removed, for which the standby is restarted.
    ///
    /// Without, PostgreSQL takes the number behind the newest that it knows of,
    /// which another server may have taken too.
    ///
    /// Dropping the future does not take the order back. Whoever looks at the server before it has
    /// been carried out sees it as [`Server::is_being_promoted`](crate::Server::is_being_promoted),
    /// also after a restart of this program.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::TimedOut`] (it may still come out of
    /// recovery later), [`Error::PreEmpted`], and any refusal. With a
    /// `timeline`, before anything is ordered: [`Error::TimelinePassed`] and
    /// [`Error::TimelineTaken`]; and [`Error::OtherTimeline`] when the server
    /// is a primary in the end, but not on that timeline.
    pub async fn promote(&self, timeline: Option<Timeline>, limit: Duration) -> Result<()> {
        let order = Order {
            timeline,
            deadline: Instant::now() + limit,
            limit,
            kills: self.kills(),
        };
        self.running_postmaster()?;
        let mut result = self.promote_once(&order).await;
        if let (Err(Error::TimelineTaken { .. }), Some(wanted)) = (&result, timeline)
            && self.is_unfinished(wanted).await?
        {
            self.restart_without_unfinished(&order).await?;
            result = self.promote_once(&order).await;
        }
        result?;
        self.forget_order().await;
        self.set_recovery(Recovery::Primary);
        if let Err(error) = self.forget_standby_settings().await {
            tracing::warn!(%error, "the promoted server goes on with settings of a standby");
        }
        Ok(())
    }

    /// Says on the disk that the postmaster is about to be told, for whoever comes after us.
    async fn mark_order(&self, postmaster: &Arc<Postmaster>) -> Result<()> {
        let (data_dir, postmaster) = (self.data_dir().to_owned(), Arc::clone(postmaster));
        blocking(move || mark::mark(&data_dir, &postmaster)).await
    }

    /// A mark that stays is about a standby that there is not any more.
    async fn forget_order(&self) {
        let data_dir = self.data_dir().to_owned();
        if let Err(error) = blocking(move || mark::forget(&data_dir)).await {
            tracing::warn!(%error, "the mark of a promotion stays");
        }
    }

    /// A primary whose processes crash recovers by itself, as its configuration says.
    async fn forget_standby_settings(&self) -> Result<()> {
        if self.write_config().await?.any() {
            self.reload().await?;
        }
        Ok(())
    }

    async fn promote_once(&self, order: &Order) -> Result<()> {
        let limit = order.limit.min(self.options().sql_timeout);
        match Session::local(self, limit).await {
            Ok(session) => {
                self.promote_by_sql(&session, order).await?;
                self.check_timeline(order, timeline_of(&session, limit))
                    .await
            }
            // No session to be had, because all are taken for example.
            Err(error) => {
                tracing::warn!(%error, "promoting without a session");
                self.promote_by_file(order).await?;
                self.check_timeline(order, self.timeline_on_disk()).await
            }
        }
    }

    async fn check_timeline(
        &self,
        order: &Order,
        found: impl Future<Output = Result<Timeline>>,
    ) -> Result<()> {
        let Some(wanted) = order.timeline else {
            return Ok(());
        };
        match found
            .await
            .map_err(|error| self.blame_kill(order.kills, error))?
        {
            found if found == wanted => Ok(()),
            found => Err(Error::OtherTimeline { wanted, found }),
        }
    }

    /// Sees to it that the next timeline of the standby gets the wanted number.
    async fn prepare_timeline(
        &self,
        order: &Order,
        own: impl Future<Output = Result<Timeline>>,
    ) -> Result<()> {
        let Some(wanted) = order.timeline else {
            return Ok(());
        };
        let own = own.await?;
        if own >= wanted {
            return Err(Error::TimelinePassed { wanted, own });
        }
        let data_dir = self.data_dir().to_owned();
        blocking(move || HistoryFiles::list(&data_dir)?.pass_to(wanted, own)).await
    }

    async fn timeline_on_disk(&self) -> Result<Timeline> {
        Ok(self.control_data().await?.newest_timeline())
    }

    /// Whether all there is of a timeline are the remains of a promotion to it.
    async fn is_unfinished(&self, timeline: Timeline) -> Result<bool> {
        let own = self.timeline_on_disk().await?;
        let data_dir = self.data_dir().to_owned();
        blocking(move || {
            let files = HistoryFiles::list(&data_dir)?;
            let found = Unfinished::find(&files, &data_dir, own)?;
            Ok(found.is_some_and(|found| found.timeline == timeline))
        })
        .await
    }

    /// A server has such a timeline for its target from its start on, and starting removes it.
    async fn restart_without_unfinished(&self, order: &Order) -> Result<()> {
        tracing::info!("restarting the standby, because a promotion of it did not get to its end");
        let left = || order.deadline.saturating_duration_since(Instant::now());
        let upstream = match self.recovery() {
            Recovery::Standby(upstream) => upstream,
            Recovery::AsFound | Recovery::Alone | Recovery::Primary | Recovery::ToTarget(_) => None,
        };
        self.stop(StopMode::Fast, left()).await?;
        let standby = StartAs::Standby { upstream };
        let started = self.start_unless_killed(standby, left(), order.kills);
        started.await.map(|_| ())
    }

    async fn promote_by_sql(&self, session: &Session, order: &Order) -> Result<()> {
        let kills = order.kills;
        let limit = self.options().sql_timeout;
        let postmaster = self.running_postmaster()?;
        let Some(startup) = startup_process(session, limit).await? else {
            return Ok(());
        };
        self.prepare_timeline(order, timeline_of(session, limit))
            .await?;
        self.mark_order(&postmaster).await?;
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
                return Ok(());
            }
            if let Err(error) = ordered {
                if is_refusal(&error) {
                    // It is not promoted, and may have to fetch these files.
                    self.forget_order().await;
                    self.remove_trailing_placeholders().await?;
                }
                return Err(error);
            }
            if Instant::now() >= order.deadline {
                return Err(order.timed_out());
            }
            if begun.elapsed() >= SOON {
                let checked = tokio::time::timeout_at(order.deadline, self.check_replay());
                checked.await.map_err(|_| order.timed_out())??;
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

    /// A standby that comes upon larger settings of its primary while it replays what is left waits
    /// for a restart, without an end.
    async fn check_replay(&self) -> Result<()> {
        let server = self.facts().await.server;
        let too_small = server.map(|server| server.too_small).unwrap_or_default();
        if too_small.is_empty() {
            return Ok(());
        }
        Err(Error::ReplayBlocked {
            parameters: too_small.join(", "),
        })
    }

    /// The way of `pg_ctl promote`.
    async fn promote_by_file(&self, order: &Order) -> Result<()> {
        let kills = order.kills;
        let data_dir = self.data_dir();
        let postmaster = self.running_postmaster()?;
        let control = data_dir.join("global/pg_control");
        let is_primary = || {
            let leading = fs::read(&control).ok().as_deref().and_then(Leading::read);
            leading.is_some_and(|leading| leading.state == ClusterState::InProduction)
        };
        if is_primary() {
            return Ok(());
        }
        self.prepare_timeline(order, self.timeline_on_disk())
            .await?;
        let mode = file_mode(data_dir)?;
        self.mark_order(&postmaster).await?;
        self.unless_killed(kills, || {
            write_atomically(&data_dir.join("promote"), b"", mode)?;
            let signalled = postmaster.signal(Signal::USR1);
            signalled.map_err(Error::io("cannot signal", "the postmaster".as_ref()))
        })??;
        while !is_primary() {
            if !postmaster.is_alive() {
                return Err(self.blame_kill(kills, Error::NotRunning));
            }
            if Instant::now() >= order.deadline {
                return Err(order.timed_out());
            }
            tokio::time::sleep(LATER_STEP).await;
        }
        Ok(())
    }

    /// An error that comes after a kill is the kill's doing.
    fn blame_kill(&self, kills: u64, error: Error) -> Error {
        self.unless_killed(kills, || ()).err().unwrap_or(error)
    }
}

/// Whether the server has said that it will not; a session that an operator ends (class 57) may
/// have given the order before.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Sql { code, .. } if !code.starts_with("57"))
}

/// The newest timeline that the server has recovered to, or begun.
async fn timeline_of(session: &Session, limit: Duration) -> Result<Timeline> {
    const ASK: &str = "SELECT greatest(c.timeline_id, r.min_recovery_end_timeline) \
                       FROM pg_control_checkpoint() c, pg_control_recovery() r";
    let results = session.run("asking for the timeline", ASK, limit).await?;
    let row = results.first().and_then(|rows| rows.first());
    let number = row.and_then(|row| row.get(0)).unwrap_or_default();
    number.parse().map_err(|_| Error::Unexpected {
        what: "timeline",
        found: format!("{number:?}"),
    })
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
