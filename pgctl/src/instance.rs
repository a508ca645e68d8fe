//! The handle of one PostgreSQL instance, and what it remembers.
//!
//! Invariant: everything remembered here can be found again from the disk and
//! from `/proc`. A new handle in a new process comes to the same facts.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::broadcast;

use crate::config::Refusals;
use crate::error::{Error, Result};
use crate::options::{Config, InstanceOptions};
use crate::probe::Probe;
use crate::process::{Exit, ExitEvents, Found, Postmaster};
use crate::standby::Recovery;
use crate::synchronous::Override;
use crate::version::Version;

/// One PostgreSQL instance. Cheap to clone; clones are the same instance.
#[derive(Clone, Debug)]
pub struct Instance {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: InstanceOptions,
    config: RwLock<Arc<Config>>,
    recovery: Mutex<Recovery>,
    synchronous: Mutex<Override>,
    version: Mutex<Option<Version>>,
    postmaster: Mutex<Option<Arc<Postmaster>>>,
    exits: broadcast::Sender<Exit>,
    /// Grows with each `kill_all`. Whoever makes a process or gives the server
    /// up to writes holds the lock meanwhile and compares with what it was.
    kills: Mutex<u64>,
    probe: tokio::sync::Mutex<Probe>,
    refusals: Mutex<Refusals>,
    /// Files were written that the running server was not told of.
    is_unread: AtomicBool,
    /// Local users need no password, for as long as a cluster is made from a backup.
    trusts_local: AtomicBool,
    /// One writes the configuration files at a time: whoever came later has the newer wish.
    files: tokio::sync::Mutex<()>,
}

impl Instance {
    /// A handle for what the options describe. Touches nothing.
    #[must_use]
    pub fn new(options: InstanceOptions) -> Self {
        let config = RwLock::new(Arc::new(options.config.clone()));
        let (exits, _) = broadcast::channel(16);
        Self {
            inner: Arc::new(Inner {
                options,
                config,
                recovery: Mutex::new(Recovery::AsFound),
                synchronous: Mutex::default(),
                version: Mutex::new(None),
                postmaster: Mutex::new(None),
                exits,
                kills: Mutex::new(0),
                probe: tokio::sync::Mutex::default(),
                refusals: Mutex::default(),
                is_unread: AtomicBool::new(false),
                trusts_local: AtomicBool::new(false),
                files: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.inner.options.data_dir
    }

    /// The member's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.options.name
    }

    /// The settings as they are.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        let config = self.inner.config.read();
        Arc::clone(&config.unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the settings. Nothing is written before the next start,
    /// [`follow`](Self::follow) or [`write_config`](Self::write_config).
    pub fn set_config(&self, config: Config) {
        let mut current = self
            .inner
            .config
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(config);
    }

    /// Looks for a running postmaster, whoever started it, and watches it from
    /// then on. Returns its process id.
    ///
    /// [`facts`](Self::facts) and every call that needs it do the same.
    // Async because the watching task needs the runtime of the caller.
    #[expect(clippy::unused_async, reason = "it must be called within a runtime")]
    pub async fn adopt(&self) -> Option<u32> {
        self.postmaster().map(|postmaster| postmaster.pid)
    }

    /// The next end of this server's postmaster, as an event. Pending while no
    /// postmaster is known. An end between two calls is missed: loops
    /// subscribe to [`exit_events`](Self::exit_events).
    pub async fn exited(&self) -> Exit {
        let mut events = self.exit_events();
        self.postmaster();
        events.next().await
    }

    /// Subscribes to the ends of this server's postmasters: of the one that is
    /// known now and of all that are started or adopted later.
    #[must_use]
    pub fn exit_events(&self) -> ExitEvents {
        ExitEvents::new(self.inner.exits.subscribe())
    }
}

impl Instance {
    pub(crate) fn options(&self) -> &InstanceOptions {
        &self.inner.options
    }

    pub(crate) fn config_dir(&self) -> &Path {
        self.inner
            .options
            .config_dir
            .as_deref()
            .unwrap_or_else(|| self.data_dir())
    }

    /// The main configuration file.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.config_dir()
            .join(format!("{}.conf", self.inner.options.config_base_name))
    }

    pub(crate) fn probe(&self) -> &tokio::sync::Mutex<Probe> {
        &self.inner.probe
    }

    /// What is kept out of the files.
    pub(crate) fn refusals(&self) -> MutexGuard<'_, Refusals> {
        lock(&self.inner.refusals)
    }

    pub(crate) fn is_unread(&self) -> bool {
        self.inner.is_unread.load(Ordering::SeqCst)
    }

    pub(crate) fn set_unread(&self, is_unread: bool) {
        self.inner.is_unread.store(is_unread, Ordering::SeqCst);
    }

    pub(crate) fn trusts_local(&self) -> bool {
        self.inner.trusts_local.load(Ordering::SeqCst)
    }

    pub(crate) fn set_trusts_local(&self, trusts: bool) {
        self.inner.trusts_local.store(trusts, Ordering::SeqCst);
    }

    pub(crate) fn files(&self) -> &tokio::sync::Mutex<()> {
        &self.inner.files
    }

    pub(crate) fn known_version(&self) -> Option<Version> {
        *lock(&self.inner.version)
    }

    pub(crate) fn remember_version(&self, version: Version) {
        *lock(&self.inner.version) = Some(version);
    }

    pub(crate) fn recovery(&self) -> Recovery {
        lock(&self.inner.recovery).clone()
    }

    pub(crate) fn synchronous(&self) -> Override {
        lock(&self.inner.synchronous).clone()
    }

    pub(crate) fn set_synchronous(&self, synchronous: Override) {
        *lock(&self.inner.synchronous) = synchronous;
    }

    pub(crate) fn set_recovery(&self, recovery: Recovery) {
        *lock(&self.inner.recovery) = recovery;
    }

    /// The living postmaster, known or found.
    pub(crate) fn postmaster(&self) -> Option<Arc<Postmaster>> {
        let mut known = lock(&self.inner.postmaster);
        if known
            .as_ref()
            .is_some_and(|postmaster| postmaster.is_alive())
        {
            return known.clone();
        }
        *known = Found::by_lock_file(self.data_dir()).and_then(|found| self.watch(found));
        known.clone()
    }

    pub(crate) fn running_postmaster(&self) -> Result<Arc<Postmaster>> {
        self.postmaster().ok_or(Error::NotRunning)
    }

    /// Watches a process that was just spawned.
    pub(crate) fn watch_spawned(&self, pid: u32) -> Option<Arc<Postmaster>> {
        let mut known = lock(&self.inner.postmaster);
        // A round of facts may have found it by its lock file already.
        if known
            .as_ref()
            .is_none_or(|postmaster| postmaster.pid != pid)
        {
            *known = Found::spawned(pid).and_then(|found| self.watch(found));
        }
        known.clone()
    }

    fn watch(&self, found: Found) -> Option<Arc<Postmaster>> {
        match Postmaster::watch(found, self.inner.exits.clone()) {
            Ok(postmaster) => Some(Arc::new(postmaster)),
            Err(error) => {
                tracing::error!(%error, "cannot watch the postmaster");
                None
            }
        }
    }

    /// How many times everything was killed. Remember it at the beginning of
    /// what a kill must pre-empt.
    pub(crate) fn kills(&self) -> u64 {
        *lock(&self.inner.kills)
    }

    /// Announces a kill: from here on nothing begun before makes a process.
    pub(crate) fn announce_kill(&self) {
        *lock(&self.inner.kills) += 1;
    }

    /// Does `act` unless a kill was announced since; a kill waits meanwhile.
    pub(crate) fn unless_killed<T>(&self, since: u64, act: impl FnOnce() -> T) -> Result<T> {
        let kills = lock(&self.inner.kills);
        match *kills == since {
            true => Ok(act()),
            false => Err(Error::PreEmpted),
        }
    }
}

/// A value in our locks is replaced as a whole, so a panic elsewhere cannot
/// have left it half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
