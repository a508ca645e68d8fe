//! Tasks on PostgreSQL.

use std::collections::BTreeSet;
use std::time::Duration;

use herdsman_ha_core as core;
use herdsman_ha_core::{
    Generation, Grant, Lsn, Outcome, Report, SlotWork, StartAs, StopMode, SyncNames, Timeline,
};
use herdsman_pgctl as pgctl;

use super::{Executor, done, failed, transient};
use crate::observe;
use crate::settings::RESERVED_NAME;

/// How long a stop in order may take before everything is dropped, when nothing is configured.
const FAST_STOP_LIMIT: Duration = Duration::from_secs(30);
/// How long the user's command before a stop may hold it up.
const BEFORE_STOP_LIMIT: Duration = Duration::from_secs(30);
/// How long an immediate stop may take before the processes are killed.
const IMMEDIATE_STOP_LIMIT: Duration = Duration::from_secs(5);
/// How long killing every process may take; longer only hangs in the kernel.
pub(super) const KILL_LIMIT: Duration = Duration::from_secs(10);
/// How long a standby may replay what it received before it is primary.
const PROMOTION_LIMIT: Duration = Duration::from_secs(600);
/// How long a checkpoint may take.
const CHECKPOINT_LIMIT: Duration = Duration::from_secs(3600);
/// How long a new list of synchronous standbys may take to come into force before it is tried again.
const WAIT_LIMIT: Duration = Duration::from_secs(5);

fn synchronous_names(names: &SyncNames) -> pgctl::SynchronousNames {
    match names {
        SyncNames::Configured => pgctl::SynchronousNames::Configured,
        SyncNames::All(names) => {
            pgctl::SynchronousNames::All(names.iter().map(ToString::to_string).collect())
        }
        SyncNames::Unmatched => pgctl::SynchronousNames::All(vec![RESERVED_NAME.to_owned()]),
    }
}

pub(super) fn upstream(upstream: &core::Upstream) -> pgctl::Upstream {
    let mut server = pgctl::Upstream::new(upstream.host.clone(), upstream.port);
    // Of several hosts the primary counts.
    server.read_write_only = upstream.is_source && upstream.host.contains(',');
    match &upstream.slot {
        Some(slot) => server.with_slot(slot.clone()),
        None => server,
    }
}

impl Executor {
    pub(super) async fn start(&self, role: StartAs, limit: Duration) -> Outcome {
        let role = match role {
            StartAs::Primary(grant) => {
                if let Err(outcome) = self.check(grant) {
                    return outcome;
                }
                pgctl::StartAs::Primary
            }
            StartAs::Standby(from) => pgctl::StartAs::Standby {
                upstream: from.as_ref().map(|from| self.followed(from)),
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
        if mode == StopMode::Fast {
            self.call_before_stop().await;
        }
        let in_order = self.effective.get().stop_timeout;
        let orders = [
            (pgctl::StopMode::Fast, in_order.unwrap_or(FAST_STOP_LIMIT)),
            (pgctl::StopMode::Immediate, IMMEDIATE_STOP_LIMIT),
        ];
        let first = usize::from(mode == StopMode::Immediate);
        for (mode, limit) in orders.into_iter().skip(first) {
            match self.instance.stop(mode, limit).await {
                Ok(_) => return Outcome::Done(Report::Nothing),
                Err(error) => tracing::warn!(%error, ?mode, "PostgreSQL did not stop in time"),
            }
        }
        self.kill_all().await
    }

    /// The user's command before a stop in order; what becomes of it changes nothing.
    async fn call_before_stop(&self) {
        let Some(command) = self.effective.get().before_stop.clone() else {
            return;
        };
        if self.instance.facts().await.process == pgctl::Process::Down {
            return;
        }
        let said = |line: &str| tracing::info!(line, "before_stop");
        let ran = match pgctl::Script::new(&command) {
            Ok(script) => script.run(Some(BEFORE_STOP_LIMIT), said).await,
            Err(error) => Err(error),
        };
        if let Err(error) = ran {
            tracing::warn!(%error, "postgresql.before_stop");
        }
    }

    /// The user's script that must agree to a promotion. How long it takes is for whoever wrote it:
    /// the lease is renewed meanwhile, and when it is lost the script is killed.
    pub(super) async fn pre_promote(&self, generation: Generation) -> Outcome {
        let Some(command) = self.effective.get().pre_promote.clone() else {
            // Taken out of the configuration since the machine was told of it.
            return Outcome::Done(Report::Nothing);
        };
        tracing::info!(%generation, "asking pre_promote");
        let said = |line: &str| tracing::info!(line, "pre_promote");
        let ran = match pgctl::Script::new(&command) {
            Ok(script) => script.run(None, said).await,
            Err(error) => Err(error),
        };
        match ran {
            Ok(()) => Outcome::Done(Report::Nothing),
            Err(error) => Outcome::Failed(core::Failure {
                is_transient: false,
                message: format!("postgresql.pre_promote: {}", observe::chain(&error)),
            }),
        }
    }

    pub(super) async fn promote(
        &self,
        grant: Grant,
        timeline: Timeline,
        slots: BTreeSet<String>,
        sync: &SyncNames,
    ) -> Outcome {
        if let Err(outcome) = self.check(grant) {
            return outcome;
        }
        let names = synchronous_names(sync);
        if let Err(error) = self.instance.prepare_synchronous(&names, WAIT_LIMIT).await {
            return failed(&error);
        }
        // Coming into force takes a moment.
        if let Err(outcome) = self.check(grant) {
            return outcome;
        }
        self.warn_of_unready_slots();
        let number = Some(pgctl::Timeline(timeline.0));
        if let Err(error) = self.instance.promote(number, PROMOTION_LIMIT).await {
            return failed(&error);
        }
        // The other members are pointed here only when this is told: their slots come first.
        let work = SlotWork {
            wanted: slots,
            ..SlotWork::default()
        };
        let outcome = self.sync_slots(work).await;
        if let Outcome::Failed(failure) = outcome {
            tracing::warn!(error = failure.message, "slots of members are missing");
        }
        Outcome::Done(Report::Nothing)
    }

    pub(super) async fn wait_for(&self, names: &SyncNames) -> Outcome {
        let names = synchronous_names(names);
        match self.instance.wait_for_standbys(&names, WAIT_LIMIT).await {
            Ok(position) => Outcome::Done(Report::InForce(Lsn(position.0))),
            Err(error) => failed(&error),
        }
    }

    /// The second look at a grant, in the moment of execution.
    fn check(&self, grant: Grant) -> Result<(), Outcome> {
        if self.grants.still_holds(grant, self.clock.mono()) {
            return Ok(());
        }
        Err(transient("the lease ended before the task began"))
    }

    pub(super) async fn follow(&self, from: Option<core::Upstream>) -> Outcome {
        let from = from.as_ref().map(|from| self.followed(from));
        done(self.instance.follow(from).await)
    }

    /// A server to follow. The leader of a standby cluster alone replays late, if it shall: the
    /// others get what it has received.
    fn followed(&self, from: &core::Upstream) -> pgctl::Upstream {
        let mut server = upstream(from);
        let effective = self.effective.get();
        let source = effective.standby_source.as_ref().filter(|_| from.is_source);
        let delay = source.and_then(|source| source.recovery_min_apply_delay.clone());
        if let Some(delay) = delay {
            let name = "recovery_min_apply_delay".to_owned();
            server.settings.insert(name, delay);
        }
        server
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
}
