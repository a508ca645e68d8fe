//! Moves of the leadership that somebody waits for.
//!
//! Each request is answered exactly once. A wanted move is answered when its end is seen in the
//! store, so it does not matter which member it was sent to.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::command::{Answer, AnswerKind};
use crate::memory::Memory;
use crate::plan;
use crate::remote;
use crate::schema::{key, write};
use crate::switchover::{self, Kind, Wanted};
use crate::task::{Commit, KeyState, Lane, Purpose, StoreGuard, StoreWrite, Task};
use crate::time::Mono;
use crate::value::{MemberName, RequestId, Revision};
use crate::view::MoveRequest;

/// The wanted move that is being carried out for somebody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    wanted: Option<Pending>,
    /// The agent was asked to stop: answered when it has.
    pub(crate) leave: Option<RequestId>,
    /// Why this member, as the leader, did not carry the last move out.
    pub(crate) refused: Option<String>,
}

#[derive(Clone, Debug)]
struct Pending {
    request: RequestId,
    kind: Kind,
    movement: MoveRequest,
    /// Who led when it was asked for.
    from: Option<MemberName>,
    phase: Phase,
    patience: Duration,
    until: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The others are asked, since this instant, whether one of them could take over.
    Asking(Mono),
    /// Still to be written.
    Unwritten,
    /// Written, or being written.
    Writing,
    /// In the store since this revision.
    Written(Revision),
}

impl Requests {
    /// Takes a move on; gives the answer when it is refused.
    pub(crate) fn begin(
        memory: &mut Memory,
        request: RequestId,
        wanted: Wanted,
    ) -> Result<(), Answer> {
        let (kind, movement) = switchover::admit(memory, wanted)?;
        if memory.requests.wanted.is_some() {
            return Err(answer(
                AnswerKind::Failed,
                "another switchover is being carried out",
            ));
        }
        let now = memory.mono();
        let patience = memory.rules.loop_wait.max(Duration::from_secs(10)) * 2;
        let view = memory.view.as_ref();
        let from = view.and_then(|view| Some(view.leader.as_ref()?.name.clone()));
        memory.requests.refused = None;
        memory.requests.wanted = Some(Pending {
            request,
            kind,
            phase: if movement.scheduled_at.is_some() {
                Phase::Unwritten
            } else {
                Phase::Asking(now)
            },
            movement,
            from,
            patience,
            until: now.plus(patience),
        });
        Ok(())
    }

    /// What is still to be asked or written for the move.
    pub(crate) fn task(memory: &Memory) -> Option<Task> {
        let pending = memory.requests.wanted.as_ref()?;
        match pending.phase {
            Phase::Asking(since) => {
                let is_asked = memory.evidence_since(since).is_some();
                plan::ask_everybody(memory).filter(|_| !is_asked)
            }
            Phase::Unwritten if memory.work.is_idle(Lane::Store) => {
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
            Phase::Unwritten | Phase::Writing | Phase::Written(_) => None,
        }
    }

    pub(crate) fn writing(&mut self, task: &Task) {
        if let (Some(pending), Task::Commit(_)) = (&mut self.wanted, task) {
            pending.phase = Phase::Writing;
        }
    }

    /// The commit was made: the request is answered by what comes of it, unless it is for later.
    pub(crate) fn written(&mut self, revision: Revision) -> Option<(RequestId, Answer)> {
        let pending = self.wanted.as_mut()?;
        pending.phase = Phase::Written(revision);
        pending.movement.scheduled_at.as_ref()?;
        let request = self.wanted.take()?.request;
        Some((
            request,
            answer(AnswerKind::Accepted, "Switchover scheduled"),
        ))
    }

    /// The commit was not made, or nobody knows.
    pub(crate) fn not_written(&mut self, is_known: bool) -> Option<(RequestId, Answer)> {
        let pending = self.wanted.take()?;
        let text = if is_known {
            "failed to write failover key into DCS".to_owned()
        } else {
            let title = pending.kind.title();
            format!("{title} status unknown; operation may still be in progress")
        };
        Some((pending.request, answer(AnswerKind::Failed, &text)))
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
            (memory.mono() >= pending.until).then(|| {
                let text = format!(
                    "{} status unknown after {} seconds; operation may still be in progress",
                    pending.kind.title(),
                    pending.patience.as_secs()
                );
                answer(AnswerKind::Failed, &text)
            })
        });
        let request = pending.request;
        if let Some(ended) = ended {
            memory.requests.wanted = None;
            return vec![(request, ended)];
        }
        if is_answered(memory, pending)
            && let Some(pending) = &mut memory.requests.wanted
        {
            pending.phase = Phase::Unwritten;
        }
        Vec::new()
    }
}

/// Whether the question before the writing has got its answers.
fn is_answered(memory: &Memory, pending: &Pending) -> bool {
    let Phase::Asking(since) = pending.phase else {
        return false;
    };
    memory.evidence_since(since).is_some() || memory.known_members().is_empty()
}

fn end_of(memory: &Memory, pending: &Pending) -> Option<Answer> {
    let written = match pending.phase {
        Phase::Asking(since) if is_answered(memory, pending) => {
            let evidence = memory.evidence_since(since);
            let is_possible = switchover::has_good_candidate(memory, &pending.movement, evidence);
            let text = format!(
                "{} is not possible: no good candidates have been found",
                pending.kind.word()
            );
            return (!is_possible).then(|| answer(AnswerKind::Refused, &text));
        }
        Phase::Asking(_) | Phase::Unwritten | Phase::Writing => return None,
        Phase::Written(written) => written,
    };
    let view = memory
        .current_view()
        .filter(|view| view.revision > written)?;
    let leader = view.leader.as_ref().map(|held| &held.name);
    let is_cleared = view.failover.value.is_none();
    match leader {
        Some(leader) if Some(leader) != pending.from.as_ref() => {
            // The next leader counts once it is primary: only then can clients write. Where nobody
            // does, it counts once it follows what the cluster follows.
            let is_standby_cluster = remote::is_followed(memory);
            let is_primary = view.members.get(leader).is_some_and(|member| {
                member.is_primary() || (is_standby_cluster && member.is_standby_leader())
            });
            is_primary.then(|| moved(leader, pending))
        }
        Some(_) | None if is_cleared => {
            let title = pending.kind.title();
            let text = match &memory.requests.refused {
                Some(why) => format!("{title} failed: {why}"),
                None => format!("{title} failed"),
            };
            Some(answer(AnswerKind::Failed, &text))
        }
        Some(_) | None => None,
    }
}

fn moved(leader: &MemberName, pending: &Pending) -> Answer {
    let (done, begins) = match pending.kind {
        Kind::Switchover => ("switched", "Switched"),
        Kind::Failover => ("failed", "Failed"),
    };
    let text = match &pending.movement.candidate {
        Some(candidate) if candidate != leader => {
            format!("{begins} over to \"{leader}\" instead of \"{candidate}\"")
        }
        Some(_) | None => format!("Successfully {done} over to \"{leader}\""),
    };
    answer(AnswerKind::Done, &text)
}

fn answer(kind: AnswerKind, text: &str) -> Answer {
    Answer {
        kind,
        text: text.to_owned(),
    }
}
