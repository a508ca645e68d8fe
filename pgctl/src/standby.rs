//! Following an upstream.
//!
//! Invariant: what is written to disk is also what this handle remembers, so
//! that a later write of the configuration keeps it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::{file_mode, write_atomically};
use crate::data_directory::blocking;
use crate::error::{Error, Result};
use crate::facts::ServerRole;
use crate::instance::Instance;
use crate::timeline::{HistoryFiles, Timeline, Unfinished};
use crate::upstream::Upstream;

/// How long a server may take to read its files; what comes later is a later fact.
const TOLD_LIMIT: Duration = Duration::from_secs(1);
const TOLD_STEP: Duration = Duration::from_millis(2);

/// What [`Instance::follow`] had to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Everything was as it should be.
    Unchanged,
    /// The settings were written and the running server told to read them.
    Reloaded,
    /// The settings were written; the server is down.
    Written,
}

/// What the recovery section of the main configuration file shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// As it is: this handle has not decided on it yet.
    AsFound,
    /// None.
    Primary,
    /// That of a standby.
    Standby(Option<Upstream>),
    /// That of a standby that is to come to the end of its own log, and no further.
    Alone,
    /// That of a restore, which ends with a primary.
    ToTarget(BTreeMap<String, String>),
}

/// The file that makes the next start one of a server in recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalFile {
    None,
    Standby,
    /// Recovery that ends by itself.
    Recovery,
}

impl Instance {
    /// Lets the standby stream from `upstream`, or from nobody.
    ///
    /// A running server is reloaded, not restarted, and has read its files when
    /// this returns. Whether it comes to stream is a later fact. On a running
    /// primary this only prepares its next start.
    ///
    /// Numbers that a promotion was to pass, which did not come to be, can be
    /// taken by other servers from then on.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub async fn follow(&self, upstream: Option<Upstream>) -> Result<Followed> {
        let before = self.recovery();
        let wanted = Recovery::Standby(upstream);
        let is_new = before != wanted;
        self.set_recovery(wanted);
        let written = self.write_follow().await;
        if written.is_err() {
            self.set_recovery(before);
        }
        let changed = written?;
        if self.postmaster().is_none() {
            return Ok(if changed {
                Followed::Written
            } else {
                Followed::Unchanged
            });
        }
        // A reload that was lost is repeated: after a failed attempt the files
        // may be right although the server never read them.
        if changed || is_new {
            self.reload().await?;
            self.wait_until_told().await;
            return Ok(Followed::Reloaded);
        }
        Ok(Followed::Unchanged)
    }

    /// A server reads its files a moment after it was told to. Whoever looked right away would see
    /// the old upstream, and tell it again.
    async fn wait_until_told(&self) {
        let Recovery::Standby(upstream) = self.recovery() else {
            return;
        };
        let wanted = upstream
            .filter(|upstream| upstream.hosts().next().is_some())
            .map(|upstream| (upstream.host, upstream.port));
        let deadline = Instant::now() + TOLD_LIMIT;
        while Instant::now() < deadline {
            let server = self.facts().await.server;
            let Some(ServerRole::Standby(standby)) = server.map(|server| server.role) else {
                return;
            };
            if standby.upstream == wanted {
                return;
            }
            tokio::time::sleep(TOLD_STEP).await;
        }
    }

    /// Whoever follows may have to fetch the files of these numbers.
    pub(crate) async fn remove_trailing_placeholders(&self) -> Result<()> {
        let data_dir = self.data_dir().to_owned();
        blocking(move || HistoryFiles::list(&data_dir)?.remove_trailing_placeholders()).await
    }

    /// Removes from a server that is down what it has of timelines newer than `own`, if it has
    /// nothing of their log: what is left of a promotion, or can be fetched again.
    pub(crate) async fn remove_unfinished(&self, own: Timeline) -> Result<()> {
        let data_dir = self.data_dir().to_owned();
        blocking(move || {
            let mut files = HistoryFiles::list(&data_dir)?;
            while let Some(unfinished) = Unfinished::find(&files, &data_dir, own)? {
                unfinished.remove(&mut files)?;
            }
            files.remove_trailing_placeholders()
        })
        .await
    }

    async fn write_follow(&self) -> Result<bool> {
        self.remove_trailing_placeholders().await?;
        self.clean_auto_conf()?;
        let change = self.write_config().await?;
        let signal_is_new = self.set_signal_files(SignalFile::Standby)?;
        Ok(change.any() || signal_is_new)
    }

    /// Makes the signal files say what the next start is. Returns whether they
    /// did not.
    pub(crate) fn set_signal_files(&self, wanted: SignalFile) -> Result<bool> {
        let data_dir = self.data_dir();
        let files = [
            (SignalFile::Standby, "standby.signal"),
            (SignalFile::Recovery, "recovery.signal"),
        ];
        let mut changed = false;
        for (kind, name) in files {
            let path = data_dir.join(name);
            changed |= match kind == wanted {
                true if path.exists() => false,
                true => write_atomically(&path, b"", file_mode(data_dir)?)?,
                false => remove(&path)?,
            };
        }
        Ok(changed)
    }
}

fn remove(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("cannot remove", path)(error)),
    }
}
