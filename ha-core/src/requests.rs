//! Requests of operators that have not been answered yet.
//!
//! Each request is answered exactly once. A wanted move is answered when its end is seen in the
//! store, so it does not matter which member it was sent to.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::memory::Memory;
use crate::schema::{key, write};
use crate::task::{
    Answer, AnswerKind, Commit, KeyState, Lane, Purpose, StoreGuard, StoreWrite, Task,
};
use crate::time::Mono;
use crate::value::{MemberName, RequestId, Revision};
use crate::view::MoveRequest;

const UNKNOWN: &str = "Switchover status unknown; operation may still be in progress";

/// The wanted move that is being carried out for somebody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    wanted: Option<Pending>,
    /// The agent was asked to stop: answered when it has.
    pub(crate) leave: Option<RequestId>,
}

#[derive(Clone, Debug)]
struct Pending {
    request: RequestId,
    movement: MoveRequest,
    phase: Phase,
    until: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Still to be written.
    Unwritten,
    /// Written, or being written.
    Writing,
    /// In the store since this revision.
    Written(Revision),
}

impl Requests {
    /// Takes a move on; refuses a second one.
    pub(crate) fn begin(
        &mut self,
        request: RequestId,
        movement: MoveRequest,
        now: Mono,
        patience: Duration,
    ) -> Result<(), Answer> {
        if self.wanted.is_some() {
            return Err(answer(
                AnswerKind::Failed,
                "another switchover is being carried out",
            ));
        }
        let until = now.plus(patience);
        self.wanted = Some(Pending {
            request,
            movement,
            phase: Phase::Unwritten,
            until,
        });
        Ok(())
    }

    /// The commit that is still to be made.
    pub(crate) fn task(memory: &Memory) -> Option<Task> {
        let pending = memory.requests.wanted.as_ref()?;
        if pending.phase != Phase::Unwritten || !memory.work.is_idle(Lane::Store) {
            return None;
        }
        let view = memory.current_view()?;
        Some(Task::Commit(Commit {
            purpose: Purpose::RequestMove,
            session: memory.lease.session_name(),
            guards: vec![StoreGuard {
                key: key::FAILOVER.to_owned(),
                is: KeyState::seen(view.failover.revision),
            }],
            writes: vec![StoreWrite::Put {
                key: key::FAILOVER.to_owned(),
                value: write::failover(Some(&pending.movement)),
            }],
        }))
    }

    pub(crate) fn writing(&mut self) {
        if let Some(pending) = &mut self.wanted {
            pending.phase = Phase::Writing;
        }
    }

    /// The commit was made.
    pub(crate) fn written(&mut self, revision: Revision) {
        if let Some(pending) = &mut self.wanted {
            pending.phase = Phase::Written(revision);
        }
    }

    /// The commit was not made, or nobody knows.
    pub(crate) fn not_written(&mut self, is_known: bool) -> Option<(RequestId, Answer)> {
        let pending = self.wanted.take()?;
        let text = if is_known {
            "failed to write failover key into DCS"
        } else {
            UNKNOWN
        };
        Some((pending.request, answer(AnswerKind::Failed, text)))
    }

    /// When the wanted move is given up.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.wanted.as_ref().map(|pending| pending.until)
    }

    /// Answers what can be answered now.
    pub(crate) fn settle(memory: &mut Memory) -> Vec<(RequestId, Answer)> {
        let Some(pending) = &memory.requests.wanted else {
            return Vec::new();
        };
        let ended = end_of(memory, pending).or_else(|| {
            (memory.mono() >= pending.until).then(|| answer(AnswerKind::Failed, UNKNOWN))
        });
        let Some(ended) = ended else {
            return Vec::new();
        };
        let request = pending.request;
        memory.requests.wanted = None;
        vec![(request, ended)]
    }
}

fn end_of(memory: &Memory, pending: &Pending) -> Option<Answer> {
    let Phase::Written(written) = pending.phase else {
        return None;
    };
    let view = memory
        .current_view()
        .filter(|view| view.revision > written)?;
    let leader = view.leader.as_ref().map(|held| &held.name);
    match leader {
        Some(leader) if Some(leader) != pending.movement.leader.as_ref() => {
            // The next leader counts once it is primary: only then can clients write.
            let is_primary = view
                .members
                .get(leader)
                .is_some_and(crate::view::MemberView::is_primary);
            is_primary.then(|| moved(leader, pending.movement.candidate.as_ref()))
        }
        Some(_) if view.failover.value.is_none() => {
            Some(answer(AnswerKind::Failed, "Switchover failed"))
        }
        Some(_) | None => None,
    }
}

fn moved(leader: &MemberName, candidate: Option<&MemberName>) -> Answer {
    let text = match candidate {
        Some(candidate) if candidate != leader => {
            format!("Switched over to \"{leader}\" instead of \"{candidate}\"")
        }
        Some(_) | None => format!("Successfully switched over to \"{leader}\""),
    };
    Answer {
        kind: AnswerKind::Done,
        text,
    }
}

fn answer(kind: AnswerKind, text: &str) -> Answer {
    Answer {
        kind,
        text: text.to_owned(),
    }
}
