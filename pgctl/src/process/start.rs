//! Starting the server.
//!
//! `postgres` is spawned directly, in a session of its own, and outlives us.
//! Invariant: nothing is spawned while another process of this server may be
//! left, nor after a kill that was announced since the start began.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::lock_file::{LockFile, Status};
use super::postmaster::Postmaster;
use super::{log, reap_orphans, stale};
use crate::command::is_ours;
use crate::connection::{Session, timed_out};
use crate::control_data::ControlData;
use crate::data_directory::{blocking, no_processes};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::standby::{Recovery, SignalFile};
use crate::upstream::Upstream;

/// The first version that takes another `restore_command` while it runs.
const RESTORE_COMMAND_IS_RELOADED: u32 = 14;

/// What a server shall be when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartAs {
    /// It takes writes.
    Primary,
    /// It recovers, and follows the upstream if there is one.
    Standby {
        /// Whom to stream from. Without one it replays the log that it has, and nothing from an
        /// archive before somebody lets it [`follow`](Instance::follow): a server that went on
        /// past the point where the next timeline begins would be led onto that by its archive
        /// while it starts, with its own log in place of the other's. Only a copy that needs
        /// more log to be whole fetches it (and any server of version 13, which cannot be told
        /// otherwise while it runs).
        upstream: Option<Upstream>,
    },
    /// What was restored from a backup: it recovers by these settings, and
    /// takes writes when it has come to their target.
    Recover {
        /// Such as `restore_command` and `recovery_target_time`.
        settings: BTreeMap<String, String>,
    },
    /// As its signal files and settings say, which somebody else has written.
    AsFound,
}

impl StartAs {
    const fn signal(&self) -> Option<SignalFile> {
        match self {
            Self::Primary => Some(SignalFile::None),
            Self::Standby { .. } => Some(SignalFile::Standby),
            Self::Recover { .. } => Some(SignalFile::Recovery),
            Self::AsFound => None,
        }
    }
}

/// A server that has come up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Started {
    /// Its postmaster.
    pub pid: u32,
    /// Settings that had to be larger than configured, because a standby does
    /// not start with less than its primary had. They need another restart
    /// when the configuration may apply again.
    pub raised: Vec<RaisedParameter>,
}

/// A parameter that was started with more than its configured value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaisedParameter {
    /// Its name.
    pub name: String,
    /// The configured value.
    pub configured: u64,
    /// The value in force, from the control file.
    pub in_force: u64,
}

impl Instance {
    /// Starts the server and waits until it takes connections; for a standby
    /// that is when it is consistent.
    ///
    /// The configuration is written first, signal files are set to fit. A
    /// standby loses what a promotion left that did not get to its end. The
    /// postmaster has a session of its own and outlives this process. When the
    /// future is dropped after the spawn, the server goes on starting.
    ///
    /// # Errors
    /// [`Error::StartFailed`] with the last lines of the log when it ended,
    /// [`Error::TimedOut`] when it is still starting after `limit`,
    /// [`Error::PreEmpted`] when everything was killed meanwhile,
    /// [`Error::AlreadyRunning`], [`Error::Orphans`], [`Error::NoCluster`], and
    /// what [`preflight`](Self::preflight) tells.
    pub async fn start(&self, as_what: StartAs, limit: Duration) -> Result<Started> {
        if matches!(as_what, StartAs::Standby { .. }) {
            self.wait_for_nobody_as_standby();
        }
        self.start_unless_killed(as_what, limit, self.kills()).await
    }

    pub(crate) async fn start_unless_killed(
        &self,
        as_what: StartAs,
        limit: Duration,
        kills: u64,
    ) -> Result<Started> {
        let deadline = Instant::now() + limit;
        let mut started = self
            .try_start(as_what.clone(), deadline, limit, kills)
            .await;
        if let Err(Error::StartFailed { log, .. }) = &started
            && self.fall_back(log)?
        {
            let again = self.try_start(as_what, deadline, limit, kills).await;
            match again {
                // It was not the configuration: the first failure is the one to tell.
                Err(Error::StartFailed { .. }) => self.forget_checks(),
                other => started = other,
            }
        }
        if started.is_ok()
            && let Err(error) = self.keep_proven().await
        {
            tracing::warn!(%error, "the configuration that the server runs with is not kept");
        }
        started
    }

    async fn try_start(
        &self,
        as_what: StartAs,
        deadline: Instant,
        limit: Duration,
        kills: u64,
    ) -> Result<Started> {
        self.check_before_start().await?;
        let signal = as_what.signal();
        let is_standby = signal == Some(SignalFile::Standby);
        self.set_recovery(match as_what {
            StartAs::Primary => Recovery::Primary,
            StartAs::Standby { upstream: None } if self.is_whole().await? => Recovery::Alone,
            StartAs::Standby { upstream } => Recovery::Standby(upstream),
            StartAs::Recover { settings } => Recovery::ToTarget(settings),
            StartAs::AsFound => Recovery::AsFound,
        });
        if signal.is_some() {
            self.clean_auto_conf()?;
        }
        self.write_config().await?;
        let raised = match signal {
            Some(SignalFile::None) => Vec::new(),
            Some(SignalFile::Standby | SignalFile::Recovery) | None => {
                let control = self.control_data().await?;
                if is_standby {
                    self.remove_unfinished(control.newest_timeline()).await?;
                }
                self.too_small_for_standby(&control)
            }
        };
        let mut command = self.postmaster_command(&raised)?;
        if matches!(signal, Some(SignalFile::Recovery) | None) {
            // Nobody reads while a backup is recovered, and its log may raise settings meanwhile: with
            // readers let in it would stand still then.
            command.arg("--hot_standby=off");
        }
        // It reads them all.
        self.set_unread(false);
        let log_start = self.log_length();
        let spawned = self.unless_killed(kills, || {
            if let Some(signal) = signal {
                self.set_signal_files(signal)?;
            }
            let child = command.spawn();
            child.map_err(Error::io("cannot run", Path::new(command.get_program())))
        })??;
        // The child is watched and reaped by its pidfd, not by this handle.
        let pid = spawned.id();
        drop(spawned);
        let postmaster = self.watch_spawned(pid).ok_or_else(|| Error::Unexpected {
            what: "state of the spawned server",
            found: format!("process {pid} cannot be watched"),
        })?;
        tracing::info!(pid, is_standby, "postmaster spawned");
        self.wait_until_up(&postmaster, deadline, limit, log_start, kills)
            .await?;
        Ok(Started { pid, raised })
    }

    /// Whether what is in the data directory is enough for a start, and the server can be told
    /// later where there is more.
    async fn is_whole(&self) -> Result<bool> {
        let control = self.control_data().await?;
        let has_label = self.data_dir().join("backup_label").exists();
        Ok(!has_label
            && !control.is_unfinished_copy
            && control.major_version >= RESTORE_COMMAND_IS_RELOADED)
    }

    async fn check_before_start(&self) -> Result<()> {
        if let Some(postmaster) = self.postmaster() {
            return Err(Error::AlreadyRunning {
                pid: postmaster.pid,
            });
        }
        self.check_cluster().await?;
        let data_dir = self.data_dir().to_owned();
        let config = self.config();
        let port = config.listen.port();
        let socket_dirs = stale::socket_dirs(&config);
        blocking(move || {
            reap_orphans();
            no_processes(&data_dir)?;
            stale::remove_locks(&data_dir, &socket_dirs, port)
        })
        .await
    }

    /// Settings below what the control file demands of a standby.
    fn too_small_for_standby(&self, control: &ControlData) -> Vec<RaisedParameter> {
        let parameters = self.parameters();
        let refused = self.refused();
        let raised = control.limits.iter().filter_map(|(name, needed)| {
            let configured = match parameters.settings.get(*name) {
                Some(text) => text.trim().parse().ok()?,
                // Without a value of ours the server's own default would be taken.
                None if refused.contains_key(*name) => 0,
                None => return None,
            };
            (configured < *needed).then(|| RaisedParameter {
                name: (*name).to_owned(),
                configured,
                in_force: *needed,
            })
        });
        raised.collect()
    }

    fn postmaster_command(&self, raised: &[RaisedParameter]) -> Result<Command> {
        let data_dir = fs::canonicalize(self.data_dir())
            .map_err(Error::io("cannot look at", self.data_dir()))?;
        let config_file = absolute(&self.config_file())?;
        let mut command = Command::new(self.program("postgres")?);
        command.arg("-D").arg(&data_dir);
        command.arg(format!("--config-file={}", config_file.display()));
        for (name, value) in self.parameters().managed() {
            if !raised.iter().any(|raised| raised.name == name) {
                command.arg(format!("--{name}={value}"));
            }
        }
        for higher in raised {
            command.arg(format!("--{}={}", higher.name, higher.in_force));
        }
        clean_environment(&mut command);
        self.name_service_file(&mut command)?;
        // From its first moment on it can be found by its working directory.
        command.current_dir(&data_dir).stdin(Stdio::null());
        if let Some(path) = &self.options().log_file {
            let open = || -> io::Result<(File, File)> {
                let options = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o600)
                    .open(path)?;
                Ok((options.try_clone()?, options))
            };
            let (out, err) = open().map_err(Error::io("cannot open", path))?;
            command.stdout(out).stderr(err);
        }
        // SAFETY: setsid is async-signal-safe, and nothing else happens
        // between fork and exec.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()
                    .map(|_| ())
                    .map_err(io::Error::from)
            });
        }
        Ok(command)
    }

    async fn wait_until_up(
        &self,
        postmaster: &Arc<Postmaster>,
        deadline: Instant,
        limit: Duration,
        log_start: u64,
        kills: u64,
    ) -> Result<()> {
        let mut pause = Duration::from_millis(5);
        loop {
            if self.takes_connections(postmaster.pid, deadline).await {
                return Ok(());
            }
            tokio::select! {
                exit = postmaster.ended() => {
                    // Its end is then the kill's doing, not the server's fault.
                    self.unless_killed(kills, || ())?;
                    let log = self.log_since(log_start);
                    return Err(Error::StartFailed { exit, log });
                }
                () = tokio::time::sleep_until(deadline) => {
                    return Err(timed_out("starting PostgreSQL".to_owned(), limit));
                }
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 3 / 2).min(Duration::from_millis(100));
        }
    }

    async fn takes_connections(&self, pid: u32, deadline: Instant) -> bool {
        let lock = LockFile::read(self.data_dir()).ok().flatten();
        match lock
            .filter(|lock| lock.pid == pid)
            .and_then(|lock| lock.status)
        {
            Some(Status::Ready) => {}
            // Without hot standby it will take none, and is as far as it gets.
            Some(Status::Standby) => return self.has_no_hot_standby(),
            Some(Status::Starting | Status::Stopping) | None => return false,
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match Session::local(self, left.min(self.options().sql_timeout)).await {
            Ok(_) => true,
            // A refusal of us, for another reason than that it is starting.
            Err(Error::Unreachable { code, .. }) => code.is_some_and(|code| code != "57P03"),
            Err(_) => false,
        }
    }

    fn has_no_hot_standby(&self) -> bool {
        let parameters = self.parameters();
        let value = parameters.settings.get("hot_standby").map(String::as_str);
        matches!(value, Some("off" | "false" | "no" | "0"))
    }

    fn log_length(&self) -> u64 {
        let path = self.options().log_file.as_ref();
        path.and_then(|path| fs::metadata(path).ok())
            .map_or(0, |file| file.len())
    }

    fn log_since(&self, start: u64) -> Vec<String> {
        log::last_words(self.data_dir(), self.options().log_file.as_deref(), start)
    }
}

pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(Error::io("cannot resolve", path))
}

/// The server shall not see what is meant for us, nor our secrets.
fn clean_environment(command: &mut Command) {
    const SINGLE: [&str; 6] = [
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
        "PGDATA",
        "PGPASSWORD",
        "PGPASSFILE",
    ];
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if is_ours(&text) || text.starts_with("KUBERNETES_") || SINGLE.contains(&&*text) {
            command.env_remove(&name);
        }
    }
    // A limit for the server alone is given under another name.
    if let Some(value) = std::env::var_os("PG_MALLOC_ARENA_MAX") {
        command.env("MALLOC_ARENA_MAX", value);
    }
}
