//! Making this member's data a copy of the cluster's: by `pg_basebackup`, or by commands of the
//! user's, in the order configured.
//!
//! Invariant: the data directory carries a mark from before the first byte until one of the ways
//! has reported success and a cluster is there, so that an interrupted copy is never started.

use std::time::Duration;

use herdsman_ha_core as core;
use herdsman_ha_core::{Outcome, Progress, Report};
use herdsman_pgctl as pgctl;

use super::server::upstream;
use super::{Executor, Tell, done, failed, transient};
use crate::kept_config;
use crate::settings::ReplicaMethod;

/// The longest silence of a running copy.
pub(super) const COPY_SILENCE: Duration = Duration::from_secs(120);

/// Whom to copy, and how.
#[derive(Clone, Copy)]
pub(super) struct Copy<'a> {
    pub(super) from: &'a core::Upstream,
    /// By `pg_basebackup`, whatever other ways are configured.
    pub(super) is_direct: bool,
}

impl<'a> Copy<'a> {
    /// In the ways that are configured.
    pub(super) const fn usual(from: &'a core::Upstream) -> Self {
        Self {
            from,
            is_direct: false,
        }
    }
}

impl Executor {
    pub(super) async fn clone_from(&self, from: Option<&core::Upstream>, tell: &Tell) -> Outcome {
        match from {
            Some(from) => {
                let copied = self.copy(Copy::usual(from), tell).await;
                if from.is_source {
                    kept_config::forget(self.instance.data_dir()).await;
                }
                done(copied)
            }
            None => self.restore().await,
        }
    }

    /// Tries each way that needs no running member until one succeeds.
    async fn restore(&self) -> Outcome {
        let methods = self.effective.get().replica_methods.clone();
        let mut last = None;
        for method in methods.iter().flatten().filter(|method| method.no_leader) {
            match self.copy_with(method, None).await {
                Ok(()) => return Outcome::Done(Report::Nothing),
                Err(error) => last = Some(error),
            }
        }
        last.map_or_else(
            || transient("no method of create_replica_methods has no_leader any more"),
            |error| failed(&error),
        )
    }

    /// Tries each way until one succeeds. The caller has seen that nothing but remains of our own
    /// copies is in the data directory, or may be deleted.
    pub(super) async fn copy(&self, copy: Copy<'_>, tell: &Tell) -> pgctl::Result<()> {
        let from = &upstream(copy.from);
        let methods = match copy.is_direct {
            true => vec![None],
            false => self.effective.get().replica_methods.clone(),
        };
        let mut last = None;
        for method in &methods {
            let Some(method) = method else {
                self.wipe_leftover().await?;
                match self.copy_usually(from, tell).await {
                    Ok(()) => return Ok(()),
                    Err(error) => last = Some(error),
                }
                continue;
            };
            match self.copy_with(method, Some(from)).await {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        last.map_or(Ok(()), Err)
    }

    /// One way of the user's; what a failed one leaves behind is removed unless the next shall go
    /// on with it.
    async fn copy_with(
        &self,
        method: &ReplicaMethod,
        from: Option<&pgctl::Upstream>,
    ) -> pgctl::Result<()> {
        let copied = self.copy_by(method, from).await;
        if let Err(error) = &copied {
            tracing::warn!(%error, method = method.name, "no copy by this method");
            if !method.keep_data {
                self.wipe_leftover().await?;
            }
        }
        copied
    }

    async fn wipe_leftover(&self) -> pgctl::Result<()> {
        if matches!(
            self.instance.facts().await.data,
            pgctl::DataDirectory::Leftover(_)
        ) {
            // Remains of our own unfinished copy: nobody else's data.
            self.instance.wipe().await?;
        }
        Ok(())
    }

    async fn copy_usually(&self, from: &pgctl::Upstream, tell: &Tell) -> pgctl::Result<()> {
        let progress = |progress: pgctl::CloneProgress| {
            let (done, total) = (progress.done_bytes, progress.total_bytes);
            tracing::info!(done_bytes = done, total_bytes = total, "copying");
            tell(Progress {
                done,
                total: Some(total),
            });
        };
        self.instance.basebackup(from, COPY_SILENCE, progress).await
    }

    /// `from` is empty for the method that is told so: a member to connect to is missing.
    async fn copy_by(
        &self,
        method: &ReplicaMethod,
        from: Option<&pgctl::Upstream>,
    ) -> pgctl::Result<()> {
        if !method.keep_data {
            self.wipe_leftover().await?;
        }
        self.instance.mark(pgctl::Leftover::Clone).await?;
        let mut script = pgctl::Script::new(&method.command)?;
        let (connection, passfile) = match from {
            Some(from) => self.instance.connection_for(from).await?,
            None => (String::new(), None),
        };
        if !method.no_params {
            for (name, value) in &method.arguments {
                script = script.arg(format!("--{name}={value}"));
            }
            let data_dir = self.instance.data_dir().display();
            script = script
                .arg(format!("--scope={}", self.settings.scope))
                .arg("--role=replica")
                .arg(format!("--datadir={data_dir}"))
                .arg(format!("--connstring={connection}"));
        }
        if let Some(passfile) = passfile {
            script = script.env("PGPASSFILE", passfile);
        }
        tracing::info!(method = method.name, "copying");
        let name = method.name.as_str();
        let said = |line: &str| tracing::info!(line, "{name}");
        // How long a restore takes is for whoever wrote it.
        script.run(None, said).await?;
        self.instance.finish_copy().await
    }
}
