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

use super::replica::{COPY_SILENCE, Copy};
use super::server::{KILL_LIMIT, upstream};
use super::{Executor, Tell, done, failed, transient};
use crate::observe::ended;

/// How long another server may take to say who it is.
const IDENTIFY_LIMIT: Duration = Duration::from_secs(3);
/// How long to wait here for the checkpoint that a new primary writes at once.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(20);
/// How often to ask for it.
const CHECKPOINT_STEP: Duration = Duration::from_millis(100);

impl Executor {
    pub(super) async fn identify(&self, from: &core::Upstream, needs: Option<Position>) -> Outcome {
        let asked = match self.identity(&upstream(from), needs).await {
            Ok(mut identity) if from.is_source => {
                identity.contradicts = self.contradiction(&identity).await;
                Ok(identity)
            }
            asked => asked,
        };
        match asked {
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
            history: history.iter().map(ended).collect(),
            missing_wal,
            contradicts: None,
        })
    }

    /// Where our own history and that of another cluster's server differ about a timeline that both
    /// know by the same number. Within one cluster no number is used twice.
    async fn contradiction(&self, theirs: &ServerIdentity) -> Option<Lsn> {
        let facts = self.instance.facts().await;
        let running = facts.server.as_ref().map(|server| server.timeline.0);
        let stopped = match &facts.data {
            pgctl::DataDirectory::Cluster(control) => Some(control.timeline.0),
            pgctl::DataDirectory::Missing
            | pgctl::DataDirectory::Empty
            | pgctl::DataDirectory::Leftover(_)
            | pgctl::DataDirectory::Wreck(_)
            | pgctl::DataDirectory::NotACluster(_)
            | pgctl::DataDirectory::Unreadable(_) => None,
        };
        let own = pgctl::Timeline(running.or(stopped)?);
        let lines = self.instance.own_history(own).await.ok()?;
        let lines: Vec<(Timeline, Lsn)> = lines.iter().map(ended).collect();
        contradiction(Timeline(own.0), &lines, theirs)
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
        copy: Copy<'_>,
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
        tracing::warn!(leader = %leader.name, from = %copy.from.name, "our data is removed and copied anew");
        let replaced = async {
            // What an earlier run of the agent left at work there, a rewind for example.
            let _ = self.instance.kill_all(KILL_LIMIT).await?;
            self.instance.mark(pgctl::Leftover::Clone).await?;
            // The mark makes it ours to empty; a way that works on what is there may keep it.
            self.copy(copy, tell).await
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

/// Where two histories of the timeline `own` come to differ; none: they are the same, or the server
/// has never been on a timeline of that number.
fn contradiction(own: Timeline, lines: &[(Timeline, Lsn)], theirs: &ServerIdentity) -> Option<Lsn> {
    let has_it = theirs.position.timeline == own
        || theirs.history.iter().any(|(timeline, _)| *timeline == own);
    if !has_it {
        return None;
    }
    let before: Vec<(Timeline, Lsn)> = theirs
        .history
        .iter()
        .filter(|(timeline, _)| *timeline < own)
        .copied()
        .collect();
    if before == lines {
        return None;
    }
    let common = before.iter().zip(lines).take_while(|(a, b)| a == b).count();
    let ends = [before.get(common), lines.get(common)];
    ends.into_iter().flatten().map(|(_, end)| *end).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theirs(timeline: u32, history: &[(u32, u64)]) -> ServerIdentity {
        ServerIdentity {
            system_id: SystemId(7_000_000_000),
            is_primary: true,
            position: Position {
                timeline: Timeline(timeline),
                lsn: Lsn(900),
            },
            history: lines(history),
            missing_wal: None,
            contradicts: None,
        }
    }

    fn lines(history: &[(u32, u64)]) -> Vec<(Timeline, Lsn)> {
        let line = |(timeline, lsn): &(u32, u64)| (Timeline(*timeline), Lsn(*lsn));
        history.iter().map(line).collect()
    }

    #[test]
    fn two_timelines_of_one_number_contradict_each_other_where_they_part() {
        let check = |own, mine: &[(u32, u64)], server: &ServerIdentity| {
            contradiction(Timeline(own), &lines(mine), server)
        };
        let server = theirs(3, &[(1, 100), (2, 500)]);
        assert_eq!(check(3, &[(1, 100), (2, 500)], &server), None);
        assert_eq!(check(2, &[(1, 100)], &server), None);
        assert_eq!(check(2, &[(1, 80)], &server), Some(Lsn(80)));
        // A number was left out on one side.
        assert_eq!(check(3, &[(1, 100)], &server), Some(Lsn(500)));
        // What the server never was on is no matter of numbers.
        assert_eq!(check(4, &[(1, 100), (3, 600)], &server), None);
    }
}
