//! What other members and the leader's server have answered. No decision is taken here.

use alloc::string::String;

use super::Machine;
use crate::cascade;
use crate::memory::{Evidence, IdentityCheck, Memory, NameCheck};
use crate::mutant::Mutant;
use crate::plan;
use crate::task::{Failure, Outcome, Report, Task};
use crate::value::MemberName;
use crate::view::{PeerAnswer, PeerReport, ServerIdentity};
use crate::work::Running;

impl Machine {
    pub(super) fn absorb_answers(&mut self, ended: &Running, outcome: Outcome) {
        let Outcome::Done(Report::Peers(reports)) = outcome else {
            return;
        };
        let memory = &mut self.memory;
        let now = memory.now.mono;
        let me: MemberName = memory.settings.name.clone();
        if memory.name == NameCheck::Unproven
            && let Some(report) = reports.iter().find(|report| report.name == me)
        {
            memory.name = judge_name(report, memory);
            if memory.name == NameCheck::Unproven {
                let message = String::from("nobody answers under our name");
                let is_transient = true;
                let failure = Failure {
                    is_transient,
                    message,
                };
                memory.work.failed(ended.task.name(), now, &failure);
            }
        }
        let reports: alloc::vec::Vec<PeerReport> = reports
            .into_iter()
            .filter(|report| report.name != me)
            .collect();
        if reports.is_empty() {
            return;
        }
        if reports
            .iter()
            .all(|report| report.answer == PeerAnswer::Unreachable)
        {
            memory.silent_rounds += 1;
        } else {
            memory.silent_rounds = 0;
        }
        memory.evidence = Some(Evidence {
            asked_at: ended.started_at,
            answered_at: memory.now.mono,
            own: memory.own_position(),
            reports,
        });
    }

    pub(super) fn absorb_identity(&mut self, ended: &Running, outcome: Outcome) {
        let Outcome::Done(Report::Identity(identity)) = outcome else {
            return;
        };
        let memory = &mut self.memory;
        let Task::Identify { upstream, .. } = &ended.task else {
            return;
        };
        cascade::note_answer(memory, &upstream.name, ended.started_at, &identity);
        let Some(leader) = memory.view.as_ref().and_then(|view| view.leader.as_ref()) else {
            return;
        };
        // What a server said under an earlier leadership proves nothing about the present one.
        let is_of_this_leadership = memory.leader_since.is_some_and(|(generation, since)| {
            generation == leader.generation && ended.started_at >= since
        });
        let is_any_taken = memory.breaks(Mutant::IdentityOfEarlierLeadership);
        let opposite = plan::opposite(memory).map(|opposite| opposite.name);
        let is_asked_for =
            upstream.name == leader.name || opposite.as_ref() == Some(&upstream.name);
        if !is_asked_for || !(is_of_this_leadership || is_any_taken) {
            return;
        }
        let is_primary = identity.is_primary || memory.breaks(Mutant::StandbyAsWitness);
        let own_timeline = memory.own_timeline();
        if upstream.is_source {
            memory.source_timeline = memory.source_timeline.max(Some(identity.position.timeline));
        }
        memory.identity = Some(IdentityCheck {
            own_timeline,
            server: upstream.name.clone(),
            generation: leader.generation,
            asked_at: ended.started_at,
            identity: ServerIdentity {
                is_primary,
                ..identity
            },
        });
    }
}

/// What the answer of the API under our name means. Silence where we would answer ourselves is that
/// of an earlier run; elsewhere whoever has the name may be cut off from us alone, and has it until
/// its key goes.
fn judge_name(report: &PeerReport, memory: &Memory) -> NameCheck {
    let view = memory.view.as_ref();
    let registered = view.and_then(|view| view.members.get(memory.me()));
    let address = registered.and_then(|member| member.api_url.as_ref());
    let is_elsewhere = address.is_some_and(|address| *address != memory.settings.api_url);
    match (&report.answer, report.answer.instance()) {
        (PeerAnswer::Unreachable, _) if is_elsewhere => NameCheck::Unproven,
        (PeerAnswer::Unreachable, _) => NameCheck::Ours,
        (_, Some(instance)) if *instance == memory.boot.instance => NameCheck::Ours,
        (PeerAnswer::NotRunning { .. } | PeerAnswer::Running(_), Some(_) | None) => {
            NameCheck::Taken
        }
    }
}
