//! Replication slots.

use std::collections::BTreeMap;
use std::time::Duration;

use super::server::upstream;
use super::{Executor, done, failed, transient};
use crate::observe;
use herdsman_ha_core as core;
use herdsman_ha_core::{Outcome, Report, SlotWork, StopMode};
use herdsman_pgctl as pgctl;

/// How long the leader's server may take to tell its slots.
const FETCH_LIMIT: Duration = Duration::from_secs(3);

fn logical_slots(slots: BTreeMap<String, core::LogicalSlot>) -> Vec<pgctl::LogicalSlot> {
    let slots = slots.into_iter();
    slots
        .map(|(name, slot)| pgctl::LogicalSlot {
            name,
            database: slot.database,
            plugin: slot.plugin,
        })
        .collect()
}

impl Executor {
    /// A promotion does not wait for slots.
    pub(super) fn warn_of_unready_slots(&self) {
        let slots = self.copied.unready();
        if !slots.is_empty() {
            tracing::warn!(
                ?slots,
                "logical slots were copied here, and the primary has not been seen to keep the rows \
                 of catalogs that they need: their consumers may fail"
            );
        }
    }

    /// Until the server is stopped a failure is a transient one: it was not touched.
    pub(super) async fn copy_slots(
        &self,
        from: &core::Upstream,
        slots: BTreeMap<String, core::LogicalSlot>,
    ) -> Outcome {
        let wanted = logical_slots(slots);
        let primary = upstream(from);
        let fetched = self.instance.fetch_slots(&primary, &wanted, FETCH_LIMIT);
        let files = match fetched.await {
            Ok(files) => files,
            Err(error) => return transient(observe::chain(&error)),
        };
        if files.is_empty() {
            return Outcome::Done(Report::Nothing);
        }
        let names: Vec<String> = files.iter().map(|file| file.name().to_owned()).collect();
        let mut outcome = self.stop(StopMode::Fast).await;
        if matches!(outcome, Outcome::Done(_)) {
            outcome = done(self.instance.put_slots(files).await);
        }
        if let Outcome::Failed(failure) = &mut outcome {
            failure.is_transient = false;
        } else {
            tracing::info!(slots = ?names, from = %from.name, "logical slots are copied");
            self.copied.watch(&self.instance, primary, names);
        }
        outcome
    }

    pub(super) async fn sync_slots(&self, work: SlotWork) -> Outcome {
        let logical_names: Vec<String> = work.logical.keys().cloned().collect();
        let plan = pgctl::SlotPlan {
            dropped: work.dropped.into_iter().collect(),
            physical: work.wanted.into_iter().collect(),
            logical: logical_slots(work.logical),
            advanced: work
                .advanced
                .into_iter()
                .map(|(name, lsn)| (name, pgctl::Lsn(lsn.0)))
                .collect(),
            followed: work
                .followed
                .into_iter()
                .map(|(name, slot)| pgctl::FollowedSlot {
                    name,
                    database: slot.database,
                    confirmed: pgctl::Lsn(slot.confirmed.0),
                })
                .collect(),
        };
        match self.instance.sync_slots(&plan).await {
            Ok(changes) => {
                if !changes.created.is_empty() || !changes.dropped.is_empty() {
                    let (created, dropped) = (&changes.created, &changes.dropped);
                    tracing::info!(?created, ?dropped, "replication slots");
                }
                for slot in changes
                    .created
                    .iter()
                    .filter(|slot| logical_names.contains(slot))
                {
                    tracing::warn!(
                        slot,
                        "this logical slot begins here: if a former primary had it, its consumer \
                         misses what it had not read there"
                    );
                }
                for (slot, error) in &changes.failed {
                    tracing::warn!(slot, error, "replication slot");
                }
                Outcome::Done(Report::Nothing)
            }
            Err(error) => failed(&error),
        }
    }
}
