//! A copy of another server by `pg_basebackup`.
//!
//! Invariant: the directory carries a mark from before the first byte until
//! the program has reported success.

use std::path::PathBuf;
use std::time::Duration;

use crate::command::{Limit, Tool};
use crate::error::{Error, Result};
use crate::facts::Leftover;
use crate::instance::Instance;
use crate::options::ToolOption;
use crate::upstream::Upstream;

/// Options that would break what we rely on, or that we give ourselves.
const FORBIDDEN: [&str; 15] = [
    "pgdata",
    "format",
    "wal-method",
    "xlog-method",
    "gzip",
    "version",
    "dbname",
    "host",
    "port",
    "username",
    "password",
    "no-password",
    "progress",
    "verbose",
    "help",
];

/// How far a clone has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloneProgress {
    /// Copied so far.
    pub done_bytes: u64,
    /// The size as estimated at the beginning; what is done may exceed it.
    pub total_bytes: u64,
}

impl Instance {
    /// Copies the server at `from` into the empty or missing data directory,
    /// and calls `progress` about once per second.
    ///
    /// A mark stays on disk until the copy is complete, so that an interrupted
    /// one shows as [`DataDirectory::Leftover`](crate::DataDirectory::Leftover).
    /// Dropping the future kills the copying program. `no_progress_limit` is
    /// the longest time without a word from it.
    ///
    /// # Errors
    /// [`Error::NotEmpty`](crate::Error::NotEmpty),
    /// [`Error::Command`](crate::Error::Command) with the program's last lines,
    /// [`Error::TimedOut`](crate::Error::TimedOut).
    pub async fn basebackup(
        &self,
        from: &Upstream,
        no_progress_limit: Duration,
        mut progress: impl FnMut(CloneProgress) + Send,
    ) -> Result<()> {
        let version = self.program_version().await?;
        let program = self.program("pg_basebackup")?;
        let (connection, passfile) = self.prepare_connection(from).await?;
        let key = self.write_key_password(&self.config().replication, "clone")?;
        let mut marked = self.prepare_empty(Leftover::Clone).await?;
        let mut tool = Tool::new("pg_basebackup", program);
        tool = tool
            .arg(format!("--pgdata={}", self.data_dir().display()))
            .arg("--wal-method=stream")
            .arg(format!("--dbname={connection}"))
            .arg("--no-password")
            .arg("--progress")
            .arg("--verbose");
        let config = self.config();
        let options: Vec<&ToolOption> = config
            .basebackup
            .iter()
            .filter(|option| is_allowed(option, version.major()))
            .collect();
        // Nobody waits for minutes for a checkpoint that is spread out.
        if !options.iter().any(|option| option.name == "checkpoint") {
            tool = tool.arg("--checkpoint=fast");
        }
        for option in options {
            tool = tool.arg(option.argument());
        }
        if let Some(passfile) = passfile {
            tool = tool.env("PGPASSFILE", passfile);
        }
        if let Some(key) = &key {
            tool = key.given_to(tool);
        }
        tool.run(Limit::Silence(no_progress_limit), |line| {
            // Its first words come after it has seen that the folder is empty.
            self.mark_late(&mut marked, Leftover::Clone);
            match parse_progress(line) {
                Some(seen) => progress(seen),
                None => tracing::debug!(line, "pg_basebackup"),
            }
        })
        .await?;
        self.finish_copy().await
    }

    /// Ends a copy that somebody's own program has made in the marked data directory: sees that
    /// there is a cluster, and takes the mark away.
    ///
    /// # Errors
    /// [`Error::NoCluster`] when there is none.
    pub async fn finish_copy(&self) -> Result<()> {
        self.control_data()
            .await
            .map_err(|error| Error::NoCluster {
                path: self.data_dir().to_owned(),
                what: format!("what was copied is none: {error}"),
            })?;
        self.forget_proven()?;
        self.unmark().await
    }

    /// A connection string to a server for a program of the user's, without passwords, and the
    /// password file that belongs to it. The password of an encrypted key is not handed over.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub async fn connection_for(&self, from: &Upstream) -> Result<(String, Option<PathBuf>)> {
        self.prepare_connection(from).await
    }
}

fn is_allowed(option: &ToolOption, major: u32) -> bool {
    // Before 15 compression is the client's, of an archive that we do not make.
    let on_server = option
        .value
        .as_deref()
        .is_some_and(|value| value.starts_with("server-"));
    let is_wrong_compression = option.name == "compress" && !(major >= 15 && on_server);
    let allowed = !FORBIDDEN.contains(&option.name.as_str()) && !is_wrong_compression;
    if !allowed {
        tracing::warn!(
            option = option.name,
            "option of pg_basebackup is not allowed and left out"
        );
    }
    allowed
}

/// Reads `  1234/5678 kB (21%), 0/1 tablespace (...)`.
fn parse_progress(line: &str) -> Option<CloneProgress> {
    let (numbers, _) = line.trim_start().split_once(" kB (")?;
    let (done, total) = numbers.split_once('/')?;
    let bytes = |kilobytes: &str| Some(kilobytes.trim().parse::<u64>().ok()?.saturating_mul(1024));
    Some(CloneProgress {
        done_bytes: bytes(done)?,
        total_bytes: bytes(total)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_lines_are_read_and_others_are_not() {
        let line = "   2048/22528 kB (9%), 0/1 tablespace (/srv/data/base/1/2608)";
        assert_eq!(
            parse_progress(line),
            Some(CloneProgress {
                done_bytes: 2048 * 1024,
                total_bytes: 22528 * 1024
            })
        );
        assert_eq!(
            parse_progress("pg_basebackup: starting background WAL receiver"),
            None
        );
        assert_eq!(parse_progress("a/b kB (x)"), None);
    }

    #[test]
    fn options_that_break_the_clone_are_left_out() {
        let compress = ToolOption::with_value("compress", "server-lz4");
        assert!(is_allowed(&compress, 15) && !is_allowed(&compress, 14));
        assert!(!is_allowed(&ToolOption::with_value("compress", "9"), 15));
        assert!(!is_allowed(&ToolOption::with_value("format", "t"), 15));
        assert!(is_allowed(&ToolOption::with_value("max-rate", "100M"), 13));
    }
}
