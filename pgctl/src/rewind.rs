//! Taking diverged data back to where a primary's history left it, by `pg_rewind`.
//!
//! Invariant: whatever can be found out without changing anything is found out
//! first, by a dry run; from the first change to the last the data directory
//! carries a mark, and data that carries it is never started.

mod archive;
mod kept;
mod relay;
mod source;

use std::time::Duration;

use crate::command::{Limit, Tool};
use crate::control_data::ClusterState;
use crate::data_directory::{blocking, forget_wreck, mark_wreck, no_processes, note_failure};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::options::ToolOption;
use crate::process::start::absolute;
use crate::standby::{Recovery, SignalFile};
use crate::text;
use crate::upstream::Upstream;

pub(crate) use source::first_column;

use kept::KeptFiles;
use relay::Relay;

/// Options that we give ourselves, or that would break what we rely on.
const FORBIDDEN: [&str; 13] = [
    "target-pgdata",
    "source-pgdata",
    "source-server",
    "write-recovery-conf",
    "dry-run",
    "restore-target-wal",
    "config-file",
    "no-ensure-shutdown",
    "no-sync",
    "progress",
    "debug",
    "version",
    "help",
];

/// How long a question to the source may take.
const ASK_LIMIT: Duration = Duration::from_secs(10);

/// What came of a rewind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewound {
    /// The data is that of the source, from where the two had parted on.
    Done,
    /// The source's history has all that this data has: nothing was changed.
    NotNeeded,
}

/// A rewind that has been prepared: the programs' arguments and what lives as
/// long as they run.
struct Plan {
    connection: String,
    passfile: crate::config::Passfile,
    key: Option<crate::config::KeyPassword>,
    /// Between the program and its source, where files must be hidden from it.
    _relay: Option<Relay>,
    system_id: u64,
}

impl Instance {
    /// Takes the data back to where its history left that of the primary
    /// `source`, and on to what the source has. The server must be down.
    ///
    /// A server that was not shut down in order is recovered first, without
    /// connections. Log that waits for its archive is archived. The member's own
    /// configuration files are as before at the end, whatever the end is. The
    /// data must be started as a standby of `source` then.
    ///
    /// `confirm` is asked right before the first change; `false` ends it all.
    /// `no_progress_limit` is the longest time without a word from the program.
    /// Dropping the future kills the program.
    ///
    /// # Errors
    /// [`Error::NotRewindable`]: nothing was changed, and trying again will not
    /// help. [`Error::Wrecked`]: what is left is useless and carries a mark.
    /// Others, such as [`Error::Unreachable`]: nothing was changed, it may be
    /// tried again.
    pub async fn rewind(
        &self,
        source: &Upstream,
        no_progress_limit: Duration,
        confirm: impl AsyncFnOnce() -> Result<bool>,
    ) -> Result<Rewound> {
        let plan = self.plan_rewind(source).await?;
        if !self.dry_run(source, &plan, no_progress_limit).await? {
            return Ok(Rewound::NotNeeded);
        }
        if !confirm().await? {
            return Err(Error::Unreachable {
                to: source.to_string(),
                message: "it is no running primary any more".to_owned(),
                code: None,
            });
        }
        let data_dir = self.data_dir().to_owned();
        let system_id = plan.system_id;
        let kept = blocking(move || {
            no_processes(&data_dir)?;
            let kept = KeptFiles::keep(&data_dir)?;
            mark_wreck(&data_dir, system_id)?;
            Ok(kept)
        })
        .await?;
        let tool = self.rewind_tool(&plan, &[]).await;
        let ran = match tool {
            Ok(tool) => run(tool, no_progress_limit).await,
            Err(error) => Err(error),
        };
        self.finish_rewind(kept, plan.system_id, ran).await
    }

    async fn plan_rewind(&self, source: &Upstream) -> Result<Plan> {
        self.check_cluster().await?;
        self.program("pg_rewind")
            .map_err(|error| Error::NotRewindable {
                why: error.to_string(),
            })?;
        let mut control = self.control_data().await?;
        if !(control.wal_log_hints || control.checksums) {
            let why = "the data has neither wal_log_hints nor checksums".to_owned();
            return Err(Error::NotRewindable { why });
        }
        let is_clean = |state| {
            matches!(
                state,
                ClusterState::ShutDown | ClusterState::ShutDownInRecovery
            )
        };
        if !is_clean(control.state) {
            self.recover_single_user().await?;
            control = self.control_data().await?;
        }
        self.let_archive_be_used().await?;
        self.archive_what_is_ready().await;
        let route = self.way_around_sockets(source, ASK_LIMIT).await?;
        let relay = match route {
            Some(route) => Some(Relay::open(source, &route)?),
            None => None,
        };
        let reached_at = relay.as_ref().map(Relay::as_upstream);
        let (connection, passfile, key) = self.prepare_rewind(source, reached_at.as_ref()).await?;
        Ok(Plan {
            connection,
            passfile,
            key,
            _relay: relay,
            system_id: control.system_id,
        })
    }

    /// The program reads from the server's own configuration how log is fetched.
    async fn let_archive_be_used(&self) -> Result<()> {
        // What an earlier handle wrote may be for a standby alone, too.
        let is_withheld = matches!(self.recovery(), Recovery::Alone | Recovery::AsFound);
        if is_withheld && self.restores() {
            self.set_recovery(Recovery::Standby(None));
            self.write_config().await?;
        }
        Ok(())
    }

    /// Whether there is something to do. Everything is looked at and nothing
    /// changed; what would be copied is not fetched.
    async fn dry_run(&self, source: &Upstream, plan: &Plan, limit: Duration) -> Result<bool> {
        let tool = self.rewind_tool(plan, &["--dry-run"]).await?;
        let mut is_needed = true;
        let ran = tool
            .run_until(Limit::Silence(limit), |line| {
                tracing::debug!(line, "pg_rewind --dry-run");
                is_needed &= !line.contains("no rewind required");
                // All that can be known beforehand is known; the rest is copying.
                line.contains("need to copy")
            })
            .await;
        let Err(error) = ran else {
            return Ok(is_needed);
        };
        // Without the source nothing can be said about our data.
        if !self.is_primary(source, ASK_LIMIT).await? {
            return Err(error);
        }
        if let Error::Command { lines, .. } = &error {
            let why = reason_in(lines);
            return Err(Error::NotRewindable { why });
        }
        Err(error)
    }

    async fn rewind_tool(&self, plan: &Plan, more: &[&str]) -> Result<Tool> {
        let config = self.config();
        let version = self.program_version().await?;
        let data_dir = absolute(self.data_dir())?;
        let mut tool = Tool::new("pg_rewind", self.program("pg_rewind")?)
            .arg(format!("--target-pgdata={}", data_dir.display()))
            .arg(format!("--source-server={}", plan.connection))
            .arg("--no-ensure-shutdown")
            .arg("--progress")
            .env("PGPASSFILE", &plan.passfile.0)
            .env("PGOPTIONS", "-c statement_timeout=0")
            // There it is seen by whoever looks for what works on the data.
            .works_in(&data_dir);
        if let Some(key) = &plan.key {
            tool = key.given_to(tool);
        }
        let config_file = absolute(&self.config_file())?;
        if version.major() >= 15 {
            tool = tool.arg(format!("--config-file={}", config_file.display()));
        }
        // An older program finds the configuration in one place only.
        let is_found = version.major() >= 15 || config_file == data_dir.join("postgresql.conf");
        if self.restores() && is_found {
            tool = tool.arg("--restore-target-wal");
        }
        for option in config.rewind_options.iter().filter(|o| is_allowed(o)) {
            tool = tool.arg(option.argument());
        }
        for option in more {
            tool = tool.arg(*option);
        }
        Ok(tool)
    }

    /// Whether the server is told how to fetch log from an archive.
    fn restores(&self) -> bool {
        let config = self.config();
        let places = [&config.recovery_conf, &config.parameters];
        places.iter().any(|place| {
            let command = place
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("restore_command"));
            command.is_some_and(|(_, command)| !command.trim().is_empty())
        })
    }

    async fn finish_rewind(
        &self,
        kept: KeptFiles,
        system_id: u64,
        ran: Result<()>,
    ) -> Result<Rewound> {
        let data_dir = self.data_dir().to_owned();
        let instance = self.clone();
        blocking(move || {
            // Whatever became of the data, the files are the member's own.
            let restored = kept.restore();
            let failure = ran.and(restored).err();
            let Some(error) = failure else {
                // Started as anything else it would spoil what was copied.
                instance.set_signal_files(SignalFile::Standby)?;
                forget_wreck(&data_dir)?;
                kept.forget()?;
                return Ok(Rewound::Done);
            };
            let why = if let Error::Command { lines, .. } = &error {
                reason_in(lines)
            } else {
                text::chain(&error)
            };
            note_failure(&data_dir, system_id, &why)?;
            Err(Error::Wrecked { why })
        })
        .await
    }

    /// Gives a wreck its own configuration files back, if an interrupted rewind
    /// took them. Does nothing while a program works there.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub async fn tidy_wreck(&self) -> Result<()> {
        let data_dir = self.data_dir().to_owned();
        blocking(move || {
            if crate::data_directory::wreck_on(&data_dir).is_none() {
                return Ok(());
            }
            if no_processes(&data_dir).is_err() {
                return Ok(());
            }
            match KeptFiles::left_beside(&data_dir)? {
                Some(kept) => kept.restore(),
                None => Ok(()),
            }
        })
        .await
    }
}

async fn run(tool: Tool, limit: Duration) -> Result<()> {
    let log = |line: &str| tracing::info!(line, "pg_rewind");
    tool.run(Limit::Silence(limit), log).await.map(drop)
}

fn is_allowed(option: &ToolOption) -> bool {
    let allowed = !FORBIDDEN.contains(&option.name.as_str());
    if !allowed {
        let option = &option.name;
        tracing::warn!(option, "option of pg_rewind is not allowed and left out");
    }
    allowed
}

/// What the program said about why it gave up.
fn reason_in(lines: &[String]) -> String {
    let is_reason = |line: &&String| line.contains("error: ") || line.contains("fatal: ");
    let reasons: Vec<&str> = lines
        .iter()
        .filter(is_reason)
        .map(|line| line.trim_start_matches("pg_rewind: "))
        .collect();
    match (reasons.is_empty(), lines.last()) {
        (false, _) => reasons.join("; "),
        (true, Some(last)) => last.clone(),
        (true, None) => "no word why".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_every_error_that_the_program_told() {
        let lines = [
            "pg_rewind: connected to server",
            "pg_rewind: error: could not open file \"pg_wal/1\": No such file or directory",
            "    0/53125 kB (0%) copied",
            "pg_rewind: fatal: could not read WAL",
        ]
        .map(str::to_owned);
        assert_eq!(
            reason_in(&lines),
            "error: could not open file \"pg_wal/1\": No such file or directory; \
             fatal: could not read WAL"
        );
        assert_eq!(reason_in(&[]), "no word why");
    }

    #[test]
    fn options_that_would_break_a_rewind_are_left_out() {
        assert!(!is_allowed(&ToolOption::flag("dry-run")));
        assert!(!is_allowed(&ToolOption::with_value("source-pgdata", "/x")));
        assert!(is_allowed(&ToolOption::with_value("sync-method", "syncfs")));
    }
}
