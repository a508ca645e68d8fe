//! A new cluster by `initdb`.

use std::time::Duration;

use crate::command::{Limit, Tool};
use crate::error::Result;
use crate::facts::Leftover;
use crate::instance::Instance;

/// Options that would break what we rely on, or that we give ourselves.
const FORBIDDEN: [&str; 8] = [
    "pgdata",
    "nosync",
    "no-sync",
    "pwfile",
    "pwprompt",
    "sync-only",
    "username",
    "version",
];

impl Instance {
    /// Makes a new cluster in the empty or missing data directory, with the
    /// superuser of the configuration. Each line that `initdb` prints goes to
    /// `line`.
    ///
    /// Dropping the future kills `initdb`; what it left shows as
    /// [`DataDirectory::Leftover`](crate::DataDirectory::Leftover). A mark that
    /// the caller had put before stays.
    ///
    /// # Errors
    /// [`Error::NotEmpty`](crate::Error::NotEmpty),
    /// [`Error::Command`](crate::Error::Command),
    /// [`Error::TimedOut`](crate::Error::TimedOut).
    pub async fn initdb(&self, limit: Duration, mut line: impl FnMut(&str) + Send) -> Result<()> {
        self.program_version().await?;
        let config = self.config();
        let program = self.program("initdb")?;
        let is_held = self.has_mark().await?;
        let mut marked = self.prepare_empty(Leftover::Bootstrap).await?;
        let mut tool = Tool::new("initdb", program);
        for option in &config.initdb {
            if FORBIDDEN.contains(&option.name.as_str()) {
                tracing::warn!(
                    option = option.name,
                    "option of initdb is not allowed and left out"
                );
                continue;
            }
            tool = tool.arg(option.argument());
        }
        if let Some(user) = &config.superuser.username {
            tool = tool.arg(format!("--username={user}"));
        }
        if let Some(password) = &config.superuser.password {
            // Through a pipe: no file holds it and no argument shows it.
            let input = format!("{}\n", password.expose()).into_bytes();
            tool = tool.arg("--pwfile=/dev/stdin").input(input);
        }
        tool = tool.arg(self.data_dir());
        tool.run(Limit::Total(limit), |text| {
            // It speaks of the directory once it has seen that it is empty.
            if text.contains("directory") {
                self.mark_late(&mut marked, Leftover::Bootstrap);
            }
            line(text);
        })
        .await?;
        match is_held {
            true => Ok(()),
            false => self.unmark().await,
        }
    }
}
