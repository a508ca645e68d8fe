//! What the API, the logs and the tests may see of a machine: a value, not a window.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::Value;

use crate::config::Rules;
use crate::failsafe;
use crate::journal::Decision;
use crate::lease::Hold;
use crate::machine::member_words;
use crate::memory::Memory;
use crate::parted;
use crate::restart::Scheduled;
use crate::situation as word;
use crate::tags::Tags;
use crate::task::{Lane, Progress};
use crate::time::{Mono, Now};
use crate::value::{Generation, InstanceId, MemberName, OpId};
use crate::view::{ClusterView, LocalView};

/// A machine as of one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// When.
    pub now: Now,
    /// The member.
    pub name: MemberName,
    /// This run of its agent.
    pub instance: InstanceId,
    /// Its tags.
    pub tags: Tags,
    /// The rules in force.
    pub rules: Rules,
    /// The state word, as published.
    pub state: &'static str,
    /// The role word, as published.
    pub role: &'static str,
    /// The leadership, when it is held.
    pub lease: Option<HeldLease>,
    /// What it has promised, and what it was promised.
    pub failsafe: FailsafeStatus,
    /// The latest view of the store.
    pub cluster: Option<Arc<ClusterView>>,
    /// Whether that view is current.
    pub is_store_reachable: bool,
    /// The latest look at the server.
    pub local: Option<LocalView>,
    /// Whether its data is known to be on another line than the last leader's: it may not take
    /// over, and nobody waits for it.
    pub has_parted: bool,
    /// The current decision, and how often it was repeated.
    pub decision: Option<Decision>,
    /// Repeats of the current decision since it was first taken.
    pub repeats: u64,
    /// The last decisions, oldest first.
    pub decisions: Vec<Arc<Decision>>,
    /// The restart that is scheduled, as it stands in the member's key.
    pub scheduled_restart: Option<Value>,
    /// Tasks in flight.
    pub tasks: Vec<RunningTask>,
    /// Tasks that failed last and will be tried again.
    pub attempts: BTreeMap<&'static str, FailedAttempts>,
}

/// How failsafe mode stands with this member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FailsafeStatus {
    /// Whether it leads on by what the others have promised.
    pub is_relied_on: bool,
    /// For whom it holds back, and until when.
    pub promised: Option<(MemberName, Mono)>,
}

/// A leadership that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeldLease {
    /// Which one.
    pub generation: Generation,
    /// Until when a writable server may go on without a renewal.
    pub fence_at: Mono,
}

/// A task in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunningTask {
    /// Its number.
    pub op: OpId,
    /// What it is.
    pub task: &'static str,
    /// Where it runs.
    pub lane: Lane,
    /// Since when.
    pub since: Mono,
    /// How far it is, where that can be told.
    pub progress: Option<Progress>,
}

/// Failures of a kind of task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedAttempts {
    /// In a row.
    pub count: u32,
    /// Not to be tried again before.
    pub next_at: Mono,
    /// What went wrong last.
    pub last_error: String,
}

impl HeldLease {
    pub(crate) fn of(memory: &Memory) -> Option<Self> {
        let is_held = matches!(word::hold(memory), Hold::Firm | Hold::Ending);
        let leadership = memory.lease.leadership().filter(|_| is_held)?;
        Some(Self {
            generation: leadership,
            fence_at: memory.lease.fence_at()?,
        })
    }
}

impl Status {
    pub(crate) fn of(memory: &Memory) -> Self {
        let (state, role) = member_words(memory);
        let lease = HeldLease::of(memory);
        Self {
            now: memory.now,
            name: memory.me().clone(),
            instance: memory.boot.instance.clone(),
            tags: memory.settings.tags.clone(),
            rules: Rules::clone(&memory.rules),
            state,
            role,
            lease,
            failsafe: FailsafeStatus {
                is_relied_on: lease.is_some() && failsafe::refuge(memory) == word::Refuge::Promised,
                promised: failsafe::promised_to(memory).map(|(to, until)| (to.clone(), until)),
            },
            cluster: memory.view.clone(),
            is_store_reachable: memory.current_view().is_some(),
            local: memory.local.clone(),
            has_parted: parted::has_parted(memory),
            decision: memory.journal.current().cloned(),
            repeats: memory.journal.repeats(),
            decisions: memory.journal.all().cloned().collect(),
            scheduled_restart: memory.scheduled_restart.as_ref().map(Scheduled::published),
            tasks: memory
                .work
                .all()
                .map(|running| RunningTask {
                    op: running.op,
                    task: running.task.name(),
                    lane: running.task.lane(),
                    since: running.started_at,
                    progress: running.progress.clone(),
                })
                .collect(),
            attempts: memory
                .work
                .all_attempts()
                .map(|(name, attempts)| {
                    let failed = FailedAttempts {
                        count: attempts.count,
                        next_at: attempts.next_at,
                        last_error: attempts.last_error.clone(),
                    };
                    (name, failed)
                })
                .collect(),
        }
    }
}
