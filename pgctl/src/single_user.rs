//! Crash recovery without connections, by a server for a single user.
//!
//! `pg_rewind` wants a target that was shut down in order. Invariant: nothing
//! of it is archived or fetched from an archive, and no session begins.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::command::{Limit, Tool};
use crate::config::Parameters;
use crate::data_directory::{blocking, no_processes};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::process::start::absolute;

/// The longest time for replaying what is on the disk.
const RECOVERY_LIMIT: Duration = Duration::from_secs(3600);

impl Instance {
    /// Lets the server that is down replay its log and shuts it down in order,
    /// on the timeline where it is.
    ///
    /// It writes a checkpoint behind the end of its log. That makes no difference
    /// to data that has diverged, and would make a copy diverge that has not:
    /// only what is going to be rewound or thrown away is recovered in this way.
    ///
    /// # Errors
    /// [`Error::NotRewindable`] with the server's last words, when it cannot
    /// recover; [`Error::AlreadyRunning`], [`Error::Orphans`].
    pub(crate) async fn recover_single_user(&self) -> Result<()> {
        let data_dir = absolute(self.data_dir())?;
        let config_file = absolute(&self.config_file())?;
        let folder = data_dir.clone();
        blocking(move || {
            no_processes(&folder)?;
            // A server for a single user refuses to be a standby.
            for name in ["standby.signal", "recovery.signal"] {
                remove(&folder.join(name))?;
            }
            Ok(())
        })
        .await?;
        let mut tool = Tool::new("postgres", self.program("postgres")?)
            .arg("--single")
            .arg("-D")
            .arg(&data_dir)
            .arg(format!("--config-file={}", config_file.display()));
        for (name, value) in Parameters::of(&self.config()).managed() {
            tool = tool.arg(format!("--{name}={value}"));
        }
        // What is replayed twice must not be archived twice, nor as half a segment.
        for setting in ["archive_mode=on", "archive_command=false"] {
            tool = tool.arg(format!("--{setting}"));
        }
        let log = |line: &str| tracing::debug!(line, "single-user recovery");
        let recovered = tool
            .arg("template1")
            .run(Limit::Total(RECOVERY_LIMIT), log)
            .await;
        let Err(error) = recovered else {
            return Ok(());
        };
        if let Error::Command { lines, .. } = &error {
            let why = lines.last().map_or("no word why", String::as_str);
            let why = format!("it was not shut down in order and cannot recover: {why}");
            return Err(Error::NotRewindable { why });
        }
        Err(error)
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
