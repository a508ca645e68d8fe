//! The session with the store: opened, renewed, and never made to wait for anything else.

use super::{Machine, Step};
use crate::memory::NameCheck;
use crate::task::{Lane, Task};

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
                proves_leader: memory.lease.leadership().is_some(),
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

    /// Whether the session was closed on the way out: it is not opened again.
    fn has_left(&self) -> bool {
        self.memory.leaving_since.is_some()
    }
}
