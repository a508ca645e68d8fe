//! What the log says: one line per change of decision, one per task.

use herdsman_ha_core::{Decision, Lane, OpId, Outcome, Task, Verdict};

/// A decision that differs from the one before.
pub(crate) fn decided(decision: &Decision) {
    let code = decision.reason.code().as_str();
    match decision.verdict {
        Verdict::Act => tracing::info!(code, "{}", decision.reason),
        Verdict::Hold => tracing::info!(code, hold = true, "{}", decision.reason),
    }
}

/// A task begins.
pub(crate) fn started(op: OpId, task: &Task) {
    // Renewals and records go on all the time.
    match task.lane() {
        Lane::Server | Lane::Leadership | Lane::Synchrony => {
            tracing::info!(%op, task = task.name(), "started");
        }
        Lane::Session
        | Lane::Store
        | Lane::Peers
        | Lane::Promises
        | Lane::Identity
        | Lane::Checkpoint
        | Lane::Slots => tracing::debug!(%op, task = task.name(), "started"),
    }
}

/// A task has ended.
pub(crate) fn ended(op: OpId, task: &'static str, outcome: &Outcome) {
    match outcome {
        Outcome::Done(_) | Outcome::Cancelled | Outcome::NotApplied => {
            tracing::debug!(%op, task, ?outcome, "ended");
        }
        Outcome::SessionLost => tracing::warn!(%op, task, "the session with the store is gone"),
        Outcome::Unknown => tracing::warn!(%op, task, "the store's answer is not known"),
        // A server that is just dying or just coming up is asked again in a moment.
        Outcome::Failed(failure) if failure.is_transient && task == "identify" => {
            tracing::debug!(%op, task, error = failure.message, "no answer");
        }
        Outcome::Failed(failure) => {
            tracing::warn!(%op, task, error = failure.message, "did not work");
        }
    }
}
