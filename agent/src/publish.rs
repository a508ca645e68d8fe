//! What the REST API may show: a snapshot after every step.

use std::collections::BTreeMap;
use std::sync::Arc;

use herdsman_ha_core::{Decision, Mono, Now, Outcome, Status, Wall};
use herdsman_pgctl::{Facts, Instance, Server, ServerRole};
use herdsman_rest_api::{Counters, SenderFacts, ServerFacts, Snapshot, SnapshotWriter};

use crate::settings::{Settings, WatchdogMode};

/// Fills snapshots.
pub(crate) struct Publisher {
    writer: SnapshotWriter,
    scope: String,
    is_watchdog_required: bool,
    counters: Counters,
    store_seen: Option<Now>,
}

impl Publisher {
    pub(crate) fn new(writer: SnapshotWriter, settings: &Settings) -> Self {
        Self {
            writer,
            scope: settings.scope.clone(),
            is_watchdog_required: settings.watchdog.mode == WatchdogMode::Required,
            counters: Counters::default(),
            store_seen: None,
        }
    }

    /// Waits until somebody wants to know where the server is at this moment.
    pub(crate) async fn look_wanted(&self) {
        self.writer.look_wanted().await;
    }

    /// Counts a decision for the metrics.
    pub(crate) fn count_decision(&mut self, decision: &Decision) {
        let code = decision.reason.code();
        *self.counters.decisions.entry(code).or_default() += 1;
    }

    /// Counts a started task for the metrics.
    pub(crate) fn count_start(&mut self, task: &'static str) {
        *self.counters.tasks_started.entry(task).or_default() += 1;
    }

    /// Counts the end of a task for the metrics.
    pub(crate) fn count_end(&mut self, task: &'static str, outcome: &Outcome) {
        if !matches!(outcome, Outcome::Done(_) | Outcome::Cancelled) {
            *self.counters.tasks_failed.entry(task).or_default() += 1;
        }
    }

    pub(crate) fn publish(
        &mut self,
        status: Arc<Status>,
        facts: Option<&Facts>,
        instance: &Instance,
        now: Now,
    ) {
        if status.is_store_reachable {
            self.store_seen = Some(now);
        }
        let server = facts.and_then(|facts| facts.server.as_ref());
        self.writer.publish(Snapshot {
            server: server.map(server_facts),
            refused: instance
                .refused()
                .into_iter()
                .map(|(name, refused)| (name, refused.why))
                .collect(),
            store_seen: self.store_seen,
            taken_at: now.mono,
            counters: self.counters.clone(),
            ..first_snapshot(status, &self.scope, self.is_watchdog_required, now.mono)
        });
    }
}

/// A snapshot of a machine before anything else is known.
pub(crate) fn first_snapshot(
    status: Arc<Status>,
    scope: &str,
    is_watchdog_required: bool,
    taken_at: Mono,
) -> Snapshot {
    Snapshot {
        status,
        server: None,
        scope: scope.to_owned(),
        refused: BTreeMap::new(),
        is_watchdog_required,
        store_seen: None,
        taken_at,
        counters: Counters::default(),
    }
}

fn server_facts(server: &Server) -> ServerFacts {
    let mut facts = ServerFacts {
        server_version: server.version.number(),
        postmaster_start_time: Wall(server.postmaster_start_millis),
        ..ServerFacts::default()
    };
    if let ServerRole::Standby(standby) = &server.role {
        facts.replayed_timestamp = standby.replayed_at_millis.map(Wall);
        facts.is_replay_paused = standby.replay_paused;
        facts.latest_end = standby
            .receiver
            .as_ref()
            .and_then(|receiver| receiver.latest_end)
            .map(|lsn| herdsman_ha_core::Lsn(lsn.0));
    }
    facts.replication = server
        .senders
        .iter()
        .map(|sender| SenderFacts {
            usename: sender.username.clone(),
            application_name: sender.application_name.clone(),
            client_addr: sender.client_address.clone(),
            state: sender.state.clone(),
            sync_state: sender.sync_state.clone(),
            sync_priority: sender.sync_priority,
        })
        .collect();
    facts
}
