//! Making a cluster that does not exist yet: by `initdb`, or by a command of the user's, for
//! example from a backup.
//!
//! Invariant: the mark on the data directory stays until the cluster runs, has its users and the
//! user's last command has succeeded; an interrupted attempt shows as a leftover and never as a
//! cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use herdsman_ha_core::Outcome;
use herdsman_pgctl as pgctl;

use super::{Executor, done, transient};
use crate::kept_config;
use crate::settings::{BootstrapMethod, Parameter};

/// The longest that initdb, its configuration and the first start may take.
const BOOTSTRAP_LIMIT: Duration = Duration::from_secs(600);
/// The longest that a restore from a backup and its recovery may take.
const RESTORE_LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);

impl Executor {
    pub(super) async fn bootstrap(&self) -> Outcome {
        let method = self.settings.bootstrap.as_ref();
        let method = method.and_then(|bootstrap| bootstrap.method.as_ref());
        let limit = match method {
            None => BOOTSTRAP_LIMIT,
            Some(_) => RESTORE_LIMIT,
        };
        let made = tokio::time::timeout(limit, self.make_cluster(method)).await;
        if !matches!(made, Ok(Ok(()))) {
            // What was begun is a leftover, which nobody may keep running.
            self.instance.forget_trust();
            self.kill_all().await;
        }
        match made {
            Ok(result) => done(result),
            Err(_) => transient(format!("no new cluster within {limit:?}")),
        }
    }

    async fn make_cluster(&self, method: Option<&BootstrapMethod>) -> pgctl::Result<()> {
        let instance = &self.instance;
        if matches!(
            instance.facts().await.data,
            pgctl::DataDirectory::Leftover(_)
        ) {
            instance.wipe().await?;
        }
        instance.mark(pgctl::Leftover::Bootstrap).await?;
        match method {
            None => self.init_and_start().await?,
            Some(method) => self.restore_and_start(method).await?,
        }
        instance.bootstrap_users(BOOTSTRAP_LIMIT).await?;
        if method.is_some() {
            // Users have the passwords of the configuration from here on.
            instance.trust_nobody().await?;
            self.start_anew().await?;
        }
        self.run_post_bootstrap().await?;
        instance.unmark().await
    }

    async fn init_and_start(&self) -> pgctl::Result<()> {
        let log = |line: &str| tracing::debug!(line, "initdb");
        self.instance.initdb(BOOTSTRAP_LIMIT, log).await?;
        self.append_bootstrap_hba().await;
        self.check_claim()?;
        let started = self
            .instance
            .start(pgctl::StartAs::Primary, BOOTSTRAP_LIMIT)
            .await?;
        tracing::debug!(pid = started.pid, "the new cluster runs");
        Ok(())
    }

    /// Making it took its time, and this agent may have stood still meanwhile: a claim that has ended
    /// with its session is another's by now.
    fn check_claim(&self) -> pgctl::Result<()> {
        if self.grants.has_claim(self.clock.mono()) {
            return Ok(());
        }
        tracing::warn!("the session that claims the new cluster has ended: it is given up");
        Err(pgctl::Error::PreEmpted)
    }

    /// Whatever the command has restored is recovered as it is told, and takes writes at its end.
    async fn restore_and_start(&self, method: &BootstrapMethod) -> pgctl::Result<()> {
        let mut script = pgctl::Script::new(&method.command)?;
        if !method.no_params {
            let data_dir = self.instance.data_dir().display();
            script = script
                .arg(format!("--scope={}", self.settings.scope))
                .arg(format!("--datadir={data_dir}"));
        }
        for (name, value) in &method.arguments {
            script = script.arg(format!("--{name}={value}"));
        }
        tracing::info!(method = method.name, "making the cluster");
        let name = method.name.as_str();
        let said = |line: &str| tracing::info!(line, "{name}");
        script.run(None, said).await?;
        kept_config::forget(self.instance.data_dir()).await;
        self.check_claim()?;
        // The users of a backup may have other passwords.
        self.instance.trust_local_users();
        let role = if method.keep_existing_recovery_conf {
            pgctl::StartAs::AsFound
        } else if method.recovery_conf.is_empty() {
            pgctl::StartAs::Primary
        } else {
            pgctl::StartAs::Recover {
                settings: settings(&method.recovery_conf),
            }
        };
        let started = self.instance.start(role, RESTORE_LIMIT).await?;
        tracing::info!(pid = started.pid, "what was restored is recovered");
        self.instance.wait_for_writes(RESTORE_LIMIT).await
    }

    /// While it was recovered it let no readers in, and trusted whoever came from this machine: both
    /// end with that run of the server.
    async fn start_anew(&self) -> pgctl::Result<()> {
        self.check_claim()?;
        let fast = pgctl::StopMode::Fast;
        self.instance.stop(fast, BOOTSTRAP_LIMIT).await?;
        let started = self
            .instance
            .start(pgctl::StartAs::Primary, BOOTSTRAP_LIMIT)
            .await?;
        tracing::info!(pid = started.pid, "the new cluster runs");
        Ok(())
    }

    /// `bootstrap.pg_hba` goes behind what initdb wrote, when nothing else rules that file.
    async fn append_bootstrap_hba(&self) {
        use tokio::io::AsyncWriteExt;
        let Some(bootstrap) = &self.settings.bootstrap else {
            return;
        };
        if bootstrap.pg_hba.is_empty() || self.instance.config().pg_hba.is_some() {
            return;
        }
        // Where there is one beside the configuration the server reads that.
        let own = self.settings.postgresql.config_dir.join("pg_hba.conf");
        let usual = self.instance.data_dir().join("pg_hba.conf");
        let path = if own.exists() { own } else { usual };
        let lines = format!("\n{}\n", bootstrap.pg_hba.join("\n"));
        let appended = async {
            let mut file = tokio::fs::OpenOptions::new()
                .append(true)
                .open(&path)
                .await?;
            file.write_all(lines.as_bytes()).await?;
            file.sync_all().await
        };
        if let Err(error) = appended.await {
            tracing::warn!(%error, path = %path.display(), "bootstrap.pg_hba is not applied");
        }
    }

    /// The user's command on the new cluster; without its success there is none.
    async fn run_post_bootstrap(&self) -> pgctl::Result<()> {
        let bootstrap = self.settings.bootstrap.as_ref();
        let Some(command) = bootstrap.and_then(|bootstrap| bootstrap.post_bootstrap.as_ref())
        else {
            return Ok(());
        };
        let (connection, passfile) = self.instance.superuser_connection()?;
        let mut script = pgctl::Script::new(command)?.arg(connection).env(
            "PGOPTIONS",
            "-c synchronous_commit=local -c statement_timeout=0",
        );
        if let Some(passfile) = &passfile {
            script = script.env("PGPASSFILE", passfile);
        }
        let said = |line: &str| tracing::info!(line, "post_bootstrap");
        let ran = script.run(None, said).await;
        if let Some(passfile) = passfile {
            // It held the superuser's password.
            let _ = tokio::fs::remove_file(passfile).await;
        }
        ran
    }
}

/// Recovery goes to its target and then takes writes, unless something else is said.
fn settings(given: &[Parameter]) -> BTreeMap<String, String> {
    let mut settings: BTreeMap<String, String> = given
        .iter()
        .filter_map(|parameter| Some((parameter.name.clone(), parameter.value.clone()?)))
        .collect();
    let has_target = settings
        .keys()
        .any(|name| name.starts_with("recovery_target") && name != "recovery_target_timeline");
    if has_target {
        settings
            .entry("recovery_target_action".to_owned())
            .or_insert_with(|| "promote".to_owned());
    }
    settings
}
