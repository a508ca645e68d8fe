//! The session with the store: opened, renewed, and never made to wait for anything else.

use super::{Machine, Step};
use crate::claim;
use crate::memory::NameCheck;
use crate::mutant::Mutant;
use crate::task::{Lane, Outcome, Report, Task};
use crate::work::Running;

impl Machine {
    pub(super) fn keep_session(&mut self, step: &mut Step) {
        let memory = &self.memory;
        let is_due = memory.mono() >= memory.lease.next_attempt();
        // Before the first view the rules are not known, and the name may belong to another.
        let may_open = memory.view.is_some() && memory.name == NameCheck::Ours;
        if memory.is_finished || !self.is_idle(Lane::Session) {
            return;
        }
        let limit = memory.rules.call_limit();
        let task = match memory.lease.session() {
            None if is_due && may_open && !self.has_left() => Task::OpenSession {
                ttl: memory.rules.ttl,
            },
            // A changed time to live needs a new session; a leader keeps the one that holds its key.
            Some(session)
                if session.asked != memory.rules.ttl
                    && memory.lease.leadership().is_none()
                    && is_due =>
            {
                Task::OpenSession {
                    ttl: memory.rules.ttl,
                }
            }
            Some(session) if is_due => Task::Renew {
                session: session.name.clone(),
                proves_leader: memory.lease.leadership().is_some() && !memory.lease.is_key_gone(),
                // An answer that is lost must leave time for another attempt before the server has to
                // step down.
                limit: limit.min(session.ttl / 4),
            },
            None | Some(_) => return,
        };
        // Attempts are spaced by the lease itself, which knows how much time is left.
        self.memory.work.succeeded(task.name());
        self.start(task, step);
    }

    /// What a session took with it while the cluster was being made.
    pub(super) fn keep_claim(&mut self, step: &mut Step) {
        if !self.is_idle(Lane::Store) || self.has_left() {
            return;
        }
        if let Some(commit) = claim::again(&self.memory) {
            self.start(Task::Commit(commit), step);
        }
    }

    /// Whether the session was closed on the way out: it is not opened again.
    fn has_left(&self) -> bool {
        self.memory.leaving_since.is_some()
    }

    pub(super) fn absorb_session(&mut self, ended: &Running, outcome: Outcome) {
        let memory = &mut self.memory;
        let now = memory.now.mono;
        let sent_at = ended.started_at;
        match (&ended.task, outcome) {
            (Task::OpenSession { ttl: asked }, Outcome::Done(Report::Session { name, ttl })) => {
                let is_late = memory.breaks(Mutant::SessionCountsFromTheAnswer);
                let counts_from = if is_late { now } else { sent_at };
                memory.lease.opened(name, *asked, ttl, counts_from);
            }
            (Task::Renew { session, .. }, outcome) => {
                if memory.lease.session_name().as_ref() != Some(session) {
                    return;
                }
                let is_late = memory.breaks(Mutant::RenewalCountsFromTheAnswer);
                let counts_from = if is_late { now } else { sent_at };
                match outcome {
                    Outcome::Done(_) => memory.lease.renewed(counts_from),
                    Outcome::Unknown if memory.breaks(Mutant::UnknownRenewalCounts) => {
                        memory.lease.renewed(counts_from);
                    }
                    Outcome::NotApplied => {
                        // The session lives, the leader key is not ours any more.
                        if !memory.breaks(Mutant::RefusedProofIgnored) {
                            memory.lease.key_lost(now);
                        }
                        memory.lease.renewed(counts_from);
                    }
                    Outcome::SessionLost => {
                        memory.failsafe.session_lost(session);
                        memory.lease.session_lost(now);
                    }
                    Outcome::Unknown | Outcome::Cancelled | Outcome::Failed(_) => {
                        memory.lease.attempt_failed(now);
                    }
                }
            }
            // Whatever came of it: we do not use the session any more, and it ends by itself.
            (Task::CloseSession { .. }, _) => memory.lease.session_closed(),
            (_, _) => memory.lease.attempt_failed(now),
        }
    }
}
