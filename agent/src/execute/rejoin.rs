//! Comparing with a leader, and coming back to it: by a rewind or by a new copy.
//!
//! Data is changed or deleted only while the server that the witness speaks of answers as a running
//! primary of the same cluster, in that moment.

use std::time::Duration;

use herdsman_ha_core as core;
use herdsman_ha_core::{
    LeaderElsewhere, Lsn, Outcome, Position, Report, ServerIdentity, StopMode, SystemId, Timeline,
};
use herdsman_pgctl as pgctl;
use tokio::time::Instant;

use super::replica::COPY_SILENCE;
use super::server::{KILL_LIMIT, upstream};
use super::{Executor, Tell, done, failed, transient};

/// How long another server may take to say who it is.
const IDENTIFY_LIMIT: Duration = Duration::from_secs(3);
/// How long to wait here for the checkpoint that a new primary writes at once.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(20);
/// How often to ask for it.
const CHECKPOINT_STEP: Duration = Duration::from_millis(100);

impl Executor {
    pub(super) async fn identify(&self, from: &core::Upstream, needs: Option<Position>) -> Outcome {
        match self.identity(&upstream(from), needs).await {
            Ok(identity) => Outcome::Done(Report::Identity(identity)),
            Err(error) => failed(&error),
        }
    }

    async fn identity(
        &self,
        server: &pgctl::Upstream,
        needs: Option<Position>,
    ) -> pgctl::Result<ServerIdentity> {
        let identity = self.instance.identify(server, IDENTIFY_LIMIT).await?;
        let is_primary = self.instance.is_primary(server, IDENTIFY_LIMIT).await?;
        let history = self
            .instance
            .timeline_history(server, identity.timeline, IDENTIFY_LIMIT)
            .await?;
        let missing_wal = match needs {
            Some(position) => self.missing_wal(server, position, &history).await,
            None => None,
        };
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
            missing_wal,
        })
    }

    /// The segment that a standby at this position asks for next, when the server does not have it.
    /// A server that does not tell has everything, as far as anybody knows.
    async fn missing_wal(
        &self,
        server: &pgctl::Upstream,
        position: Position,
        history: &[pgctl::HistoryLine],
    ) -> Option<String> {
        let timeline = pgctl::Timeline(position.timeline.0);
        let lsn = pgctl::Lsn(position.lsn.0);
        let asked = self
            .instance
            .missing_segment(server, timeline, lsn, history, IDENTIFY_LIMIT)
            .await;
        asked.unwrap_or_else(|error| {
            tracing::debug!(%error, "the server does not tell which WAL it has");
            None
        })
    }

    /// Deletes data: only while the leader's server, which the witness speaks of, answers as a
    /// running primary of the same cluster, in this moment.
    pub(super) async fn replace(
        &self,
        witness: &LeaderElsewhere,
        leader: &core::Upstream,
        from: &core::Upstream,
        tell: &Tell,
    ) -> Outcome {
        if let Err(refused) = self.prove(witness, leader).await {
            return refused;
        }
        let stopped = self.stop(StopMode::Immediate).await;
        if !matches!(stopped, Outcome::Done(_)) {
            return stopped;
        }
        // Stopping took a while: the last look is right before the deletion.
        if let Err(refused) = self.prove(witness, leader).await {
            return refused;
        }
        tracing::warn!(leader = %leader.name, from = %from.name, "our data is removed and copied anew");
        let replaced = async {
            // What an earlier run of the agent left at work there, a rewind for example.
            let _ = self.instance.kill_all(KILL_LIMIT).await?;
            self.instance.mark(pgctl::Leftover::Clone).await?;
            // The mark makes it ours to empty; a way that works on what is there may keep it.
            self.copy(&upstream(from), tell).await
        };
        done(replaced.await)
    }

    /// The witness speaks of this leader, whose server says the same of itself in this moment;
    /// otherwise the task ends so.
    async fn prove(
        &self,
        witness: &LeaderElsewhere,
        leader: &core::Upstream,
    ) -> Result<(), Outcome> {
        if *witness.leader() != leader.name || *witness.leader() == self.name {
            return Err(transient("the witness speaks of another member"));
        }
        match self.confirm(witness, &upstream(leader)).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(transient(format!(
                "{} is not a running primary",
                leader.name
            ))),
            Err(error) => Err(failed(&error)),
        }
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

    /// Changes data: the second look at the witness is right before the first change.
    pub(super) async fn rewind(&self, witness: &LeaderElsewhere, from: &core::Upstream) -> Outcome {
        if let Err(refused) = self.prove(witness, from).await {
            return refused;
        }
        let server = upstream(from);
        // The standby serves readers until then.
        match self.wait_until_settled(&server).await {
            Ok(true) => {}
            Ok(false) => {
                return transient(format!("{} has not written its checkpoint yet", from.name));
            }
            Err(error) => return failed(&error),
        }
        let stopped = self.stop(StopMode::Fast).await;
        if !matches!(stopped, Outcome::Done(_)) {
            return stopped;
        }
        tracing::warn!(leader = %from.name, "the data has diverged: it is rewound");
        let confirm = async || self.confirm(witness, &server).await;
        match self.instance.rewind(&server, COPY_SILENCE, confirm).await {
            Ok(rewound) => {
                tracing::info!(?rewound, leader = %from.name, "the rewind has come to its end");
                Outcome::Done(Report::Nothing)
            }
            Err(error) => failed(&error),
        }
    }

    async fn wait_until_settled(&self, server: &pgctl::Upstream) -> pgctl::Result<bool> {
        let deadline = Instant::now() + CHECKPOINT_WAIT;
        loop {
            if self.instance.is_settled(server, IDENTIFY_LIMIT).await? {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            tokio::time::sleep(CHECKPOINT_STEP).await;
        }
    }
}
