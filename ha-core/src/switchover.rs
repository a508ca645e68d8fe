//! Planned moves of the leadership: what a leader refuses, and what an operator is told at once.
//!
//! The texts are those that existing tools look for.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use crate::memory::Memory;
use crate::task::{Answer, AnswerKind};
use crate::value::MemberName;
use crate::view::MoveRequest;

/// Why the present leader cannot carry out the wanted move, before anybody is asked.
pub(crate) fn refusal(memory: &Memory) -> Option<String> {
    let view = memory.view.as_ref()?;
    let request = view.failover.value.as_ref()?;
    let me = memory.me();
    if memory.move_abandoned.is_some() && memory.move_abandoned == view.failover.revision {
        return Some("no successor received everything in time".to_owned());
    }
    if let Some(leader) = request.leader.as_ref().filter(|leader| *leader != me) {
        return Some(format!("it names {leader} as the leader, which is {me}"));
    }
    let candidate = request.candidate.as_ref()?;
    if candidate == me {
        return Some(format!("{me} is the leader already"));
    }
    let Some(member) = view.members.get(candidate) else {
        return Some(format!("{candidate} is not a member"));
    };
    member
        .tags
        .is_nofailover()
        .then(|| format!("{candidate} is tagged nofailover"))
}

/// Whether a request may be written to the store.
pub(crate) fn admit(
    memory: &Memory,
    leader: Option<&MemberName>,
    candidate: Option<&MemberName>,
    scheduled_at: Option<&str>,
) -> Result<MoveRequest, Answer> {
    let invalid = |text: &str| {
        Err(Answer {
            kind: AnswerKind::Invalid,
            text: text.to_owned(),
        })
    };
    let refused = |text: &str| {
        Err(Answer {
            kind: AnswerKind::Refused,
            text: text.to_owned(),
        })
    };
    let Some(leader) = leader else {
        return invalid("Switchover could be performed only from a specific leader");
    };
    if scheduled_at.is_some() {
        return invalid("A scheduled switchover is not served yet: leave scheduled_at out");
    }
    if memory.rules.pause {
        return invalid("A switchover in the paused state is not served yet: resume first");
    }
    if candidate == Some(leader) {
        return invalid("Switchover target and source are the same");
    }
    let Some(view) = memory.current_view() else {
        return Err(Answer {
            kind: AnswerKind::Failed,
            text: "the store is unreachable".to_owned(),
        });
    };
    if view.leader.as_ref().map(|held| &held.name) != Some(leader) {
        return refused("leader name does not match");
    }
    match candidate {
        Some(candidate) if !view.members.contains_key(candidate) => {
            return refused("candidate does not exists");
        }
        Some(candidate) if view.members[candidate].tags.is_nofailover() => {
            return refused("switchover is not possible: no good candidates have been found");
        }
        None if !view
            .members
            .iter()
            .any(|(name, member)| name != leader && member.api_url.is_some()) =>
        {
            return refused(
                "switchover is not possible: cluster does not have members except leader",
            );
        }
        Some(_) | None => {}
    }
    Ok(MoveRequest {
        leader: Some(leader.clone()),
        candidate: candidate.cloned(),
        scheduled_at: None,
    })
}
