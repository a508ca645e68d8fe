//! Tasks on PostgreSQL.

use std::collections::BTreeSet;
use std::time::Duration;

use herdsman_ha_core as core;
use herdsman_ha_core::{
    Grant, LeaderElsewhere, Lsn, Outcome, Position, Report, ServerIdentity, StartAs, StopMode,
    SystemId, Timeline,
};
use herdsman_pgctl as pgctl;

use super::{Executor, done, failed, transient};

/// The longest that initdb, its configuration and the first start may take.
const BOOTSTRAP_LIMIT: Duration = Duration::from_secs(600);
/// The longest silence of a running copy.
const COPY_SILENCE: Duration = Duration::from_secs(120);
/// How long a stop in order may take before everything is dropped.
const FAST_STOP_LIMIT: Duration = Duration::from_secs(30);
/// How long an immediate stop may take before the processes are killed.
const IMMEDIATE_STOP_LIMIT: Duration = Duration::from_secs(5);
/// How long killing every process may take; longer only hangs in the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// How long a standby may replay what it received before it is primary.
const PROMOTION_LIMIT: Duration = Duration::from_secs(600);
/// How long a checkpoint may take.
const CHECKPOINT_LIMIT: Duration = Duration::from_secs(3600);
/// How long another server may take to say who it is.
const IDENTIFY_LIMIT: Duration = Duration::from_secs(3);

fn upstream(upstream: &core::Upstream) -> pgctl::Upstream {
    let server = pgctl::Upstream::new(upstream.host.clone(), upstream.port);
    match &upstream.slot {
        Some(slot) => server.with_slot(slot.clone()),
        None => server,
    }
}

impl Executor {
    pub(super) async fn identify(&self, from: &core::Upstream) -> Outcome {
        match self.identity(&upstream(from)).await {
            Ok(identity) => Outcome::Done(Report::Identity(identity)),
            Err(error) => failed(&error),
        }
    }

    async fn identity(&self, server: &pgctl::Upstream) -> pgctl::Result<ServerIdentity> {
        let identity = self.instance.identify(server, IDENTIFY_LIMIT).await?;
        let is_primary = self.instance.is_primary(server, IDENTIFY_LIMIT).await?;
        let history = self
            .instance
            .timeline_history(server, identity.timeline, IDENTIFY_LIMIT)
            .await?;
        Ok(ServerIdentity {
            system_id: SystemId(identity.system_id),
            is_primary,
            position: Position {
                timeline: Timeline(identity.timeline.0),
                lsn: Lsn(identity.lsn.0),
            },
            history: history
                .into_iter()
                .map(|line| (Timeline(line.timeline.0), Lsn(line.switch_lsn.0)))
                .collect(),
        })
    }

    pub(super) async fn bootstrap(&self) -> Outcome {
        match tokio::time::timeout(BOOTSTRAP_LIMIT, self.make_cluster()).await {
            Ok(result) => done(result),
            Err(_) => transient(format!("no new cluster within {BOOTSTRAP_LIMIT:?}")),
        }
    }

    /// The mark on the directory stays until users exist, so that an interrupted attempt shows as
    /// a leftover and never as a cluster.
    async fn make_cluster(&self) -> pgctl::Result<()> {
        let instance = &self.instance;
        if matches!(
            instance.facts().await.data,
            pgctl::DataDirectory::Leftover(_)
        ) {
            instance.wipe().await?;
        }
        instance.mark(pgctl::Leftover::Bootstrap).await?;
        let log = |line: &str| tracing::debug!(line, "initdb");
        instance.initdb(BOOTSTRAP_LIMIT, log).await?;
        self.append_bootstrap_hba().await;
        let started = instance
            .start(pgctl::StartAs::Primary, BOOTSTRAP_LIMIT)
            .await?;
        tracing::debug!(pid = started.pid, "the new cluster runs");
        instance.bootstrap_users(BOOTSTRAP_LIMIT).await?;
        instance.unmark().await
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
        let path = self.instance.data_dir().join("pg_hba.conf");
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

    pub(super) async fn clone_from(&self, from: &core::Upstream) -> Outcome {
        done(self.copy(&upstream(from)).await)
    }

    async fn copy(&self, from: &pgctl::Upstream) -> pgctl::Result<()> {
        if matches!(
            self.instance.facts().await.data,
            pgctl::DataDirectory::Leftover(_)
        ) {
            // Remains of our own unfinished copy: nobody else's data.
            self.instance.wipe().await?;
        }
        let progress = |progress: pgctl::CloneProgress| {
            let (done, total) = (progress.done_bytes, progress.total_bytes);
            tracing::info!(done_bytes = done, total_bytes = total, "copying");
        };
        self.instance.basebackup(from, COPY_SILENCE, progress).await
    }

    /// Deletes data: only while the server that the witness speaks of answers as a running primary
    /// of the same cluster, in this moment.
    pub(super) async fn replace(
        &self,
        witness: &LeaderElsewhere,
        from: &core::Upstream,
    ) -> Outcome {
        if *witness.leader() != from.name || *witness.leader() == self.name {
            return transient("the witness speaks of another member");
        }
        let server = upstream(from);
        match self.confirm(witness, &server).await {
            Ok(true) => {}
            Ok(false) => return transient(format!("{} is not a running primary", from.name)),
            Err(error) => return failed(&error),
        }
        let stopped = self.stop(StopMode::Immediate).await;
        if !matches!(stopped, Outcome::Done(_)) {
            return stopped;
        }
        // Stopping took a while: the last look is right before the deletion.
        match self.confirm(witness, &server).await {
            Ok(true) => {}
            Ok(false) => return transient(format!("{} is not a running primary", from.name)),
            Err(error) => return failed(&error),
        }
        tracing::warn!(leader = %from.name, "the data has diverged: it is removed and copied anew");
        let replaced = async {
            self.instance.mark(pgctl::Leftover::Clone).await?;
            self.instance.wipe().await?;
            self.copy(&server).await
        };
        done(replaced.await)
    }

    async fn confirm(
        &self,
        witness: &LeaderElsewhere,
        server: &pgctl::Upstream,
    ) -> pgctl::Result<bool> {
        let identity = self.instance.identify(server, IDENTIFY_LIMIT).await?;
        let is_primary = self.instance.is_primary(server, IDENTIFY_LIMIT).await?;
        Ok(is_primary && SystemId(identity.system_id) == witness.system_id())
    }

    pub(super) async fn start(&self, role: StartAs, limit: Duration) -> Outcome {
        let role = match role {
            StartAs::Primary(grant) => {
                if let Err(outcome) = self.check(grant) {
                    return outcome;
                }
                pgctl::StartAs::Primary
            }
            StartAs::Standby(from) => pgctl::StartAs::Standby {
                upstream: from.as_ref().map(upstream),
            },
        };
        // What is left of a crashed server would keep the new one from starting.
        if self.instance.facts().await.orphans
            && let Err(error) = self.instance.kill_all(KILL_LIMIT).await
        {
            return failed(&error);
        }
        done(self.instance.start(role, limit).await)
    }

    pub(super) async fn stop(&self, mode: StopMode) -> Outcome {
        let orders = match mode {
            StopMode::Fast => &[
                (pgctl::StopMode::Fast, FAST_STOP_LIMIT),
                (pgctl::StopMode::Immediate, IMMEDIATE_STOP_LIMIT),
            ][..],
            StopMode::Immediate => &[(pgctl::StopMode::Immediate, IMMEDIATE_STOP_LIMIT)][..],
        };
        for (mode, limit) in orders {
            match self.instance.stop(*mode, *limit).await {
                Ok(_) => return Outcome::Done(Report::Nothing),
                Err(error) => tracing::warn!(%error, ?mode, "PostgreSQL did not stop in time"),
            }
        }
        self.kill_all().await
    }

    pub(super) async fn promote(
        &self,
        grant: Grant,
        timeline: Timeline,
        slots: BTreeSet<String>,
    ) -> Outcome {
        if let Err(outcome) = self.check(grant) {
            return outcome;
        }
        let number = Some(pgctl::Timeline(timeline.0));
        if let Err(error) = self.instance.promote(number, PROMOTION_LIMIT).await {
            return failed(&error);
        }
        // The other members are pointed here only when this is told: their slots come first.
        let outcome = self.sync_slots(slots, BTreeSet::new()).await;
        if let Outcome::Failed(failure) = outcome {
            tracing::warn!(error = failure.message, "slots of members are missing");
        }
        Outcome::Done(Report::Nothing)
    }

    /// The second look at a grant, in the moment of execution.
    fn check(&self, grant: Grant) -> Result<(), Outcome> {
        if self.grants.still_holds(grant, self.clock.mono()) {
            return Ok(());
        }
        Err(transient("the lease ended before the task began"))
    }

    pub(super) async fn follow(&self, from: Option<core::Upstream>) -> Outcome {
        done(self.instance.follow(from.as_ref().map(upstream)).await)
    }

    pub(super) async fn kill_all(&self) -> Outcome {
        match self.instance.kill_all(KILL_LIMIT).await {
            Ok(_proof) => Outcome::Done(Report::Gone),
            Err(error) => {
                tracing::error!(%error, "processes of PostgreSQL cannot be killed");
                failed(&error)
            }
        }
    }

    pub(super) async fn checkpoint(&self) -> Outcome {
        done(self.instance.checkpoint(CHECKPOINT_LIMIT).await)
    }

    pub(super) async fn sync_slots(
        &self,
        wanted: BTreeSet<String>,
        dropped: BTreeSet<String>,
    ) -> Outcome {
        let wanted: Vec<String> = wanted.into_iter().collect();
        let dropped: Vec<String> = dropped.into_iter().collect();
        match self.instance.sync_physical_slots(&wanted, &dropped).await {
            Ok(changes) => {
                for (slot, error) in &changes.failed {
                    tracing::warn!(slot, error, "replication slot");
                }
                Outcome::Done(Report::Nothing)
            }
            Err(error) => failed(&error),
        }
    }
}
