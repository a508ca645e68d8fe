//! Planned moves of the leadership: what an operator is told at once, and what a leader refuses.
//!
//! The texts are those that existing tools look for.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use crate::candidate::is_scheduled;
use crate::command::{Answer, AnswerKind};
use crate::config::SynchronousMode;
use crate::memory::{Evidence, Memory};
use crate::moment::BadMoment;
use crate::time::{Mono, Wall};
use crate::value::MemberName;
use crate::view::{ClusterView, MemberView, MoveRequest, PeerAnswer, ServerView};

/// What kind of move was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From a leader, in order.
    Switchover,
    /// To a member, whoever leads or nobody.
    Failover,
}

impl Kind {
    /// As a word within a sentence.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Switchover => "switchover",
            Self::Failover => "failover",
        }
    }

    /// As a word at the beginning of a sentence.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Switchover => "Switchover",
            Self::Failover => "Failover",
        }
    }
}

/// A move as it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) kind: Kind,
    pub(crate) leader: Option<MemberName>,
    pub(crate) candidate: Option<MemberName>,
    pub(crate) scheduled_at: Option<String>,
}

/// Why the present leader cannot carry out the wanted move, before anybody is asked.
pub(crate) fn refusal(memory: &Memory) -> Option<String> {
    let view = memory.view.as_ref()?;
    let request = view.failover.value.as_ref()?;
    let me = memory.me();
    if memory.move_abandoned.is_some() && memory.move_abandoned == view.failover.revision {
        return Some("no successor received everything in time".to_owned());
    }
    if let Some(when) = &request.scheduled_at {
        match Wall::parse(when) {
            Ok(at) if is_stale(memory, at) => {
                let late = memory.now.wall.since(at).as_secs();
                return Some(format!("its time, {when}, passed {late} s ago"));
            }
            Ok(_) => {}
            Err(_) => return Some(format!("its time, {when}, cannot be read")),
        }
    }
    if let Some(leader) = request.leader.as_ref().filter(|leader| *leader != me) {
        return Some(format!("it names {leader} as the leader, which is {me}"));
    }
    let Some(candidate) = &request.candidate else {
        let is_paused = memory.rules.pause;
        return is_paused.then(|| "the cluster is paused and it names no candidate".to_owned());
    };
    if candidate == me {
        return Some(format!("{me} is the leader already"));
    }
    let Some(member) = view.members.get(candidate) else {
        return Some(format!("{candidate} is not a member"));
    };
    let sync = &view.sync.value;
    let is_by_hand = request.leader.is_none();
    if sync.is_in_force() && !is_by_hand && !sync.standbys.contains(candidate) {
        return Some(format!("{candidate} is no synchronous standby"));
    }
    member
        .tags
        .is_nofailover()
        .then(|| format!("{candidate} is tagged nofailover"))
}

fn is_stale(memory: &Memory, at: Wall) -> bool {
    memory.now.wall.since(at) > memory.rules.loop_wait * 3 / 2
}

/// The scheduled move that concerns us as the leader, with its time as far as it can be read.
fn scheduled(memory: &Memory) -> Option<Option<Wall>> {
    let view = memory.view.as_ref()?;
    let leader = view.leader.as_ref()?;
    let is_mine = Some(leader.generation) == memory.lease.leadership();
    let request = view.failover.value.as_ref().filter(|_| is_mine)?;
    let when = request.scheduled_at.as_ref()?;
    Some(Wall::parse(when).ok())
}

/// Whether a scheduled move is to be looked at now: its time has come, or cannot be read.
pub(crate) fn is_due(memory: &Memory) -> bool {
    match scheduled(memory) {
        None => false,
        _ if memory.rules.pause => false,
        Some(at) => at.is_none_or(|at| memory.now.wall >= at),
    }
}

/// When the scheduled move is due.
pub(crate) fn deadline(memory: &Memory) -> Option<Mono> {
    let at = scheduled(memory)??;
    Some(memory.mono().plus(at.since(memory.now.wall)))
}

fn told<T>(kind: AnswerKind, text: &str) -> Result<T, Answer> {
    Err(Answer {
        kind,
        text: text.to_owned(),
    })
}

/// Whether a request may be carried on, before the others are asked: what is written to the store,
/// and what kind of move it is after all.
pub(crate) fn admit(memory: &Memory, wanted: Wanted) -> Result<(Kind, MoveRequest), Answer> {
    let is_paused = memory.rules.pause;
    check_shape(memory, &wanted)?;
    let Wanted {
        kind,
        leader,
        candidate,
        scheduled_at,
    } = wanted;
    if is_paused && candidate.is_none() {
        return told(
            AnswerKind::Invalid,
            "Switchover is possible only to a specific candidate in a paused state",
        );
    }
    // Who names a leader wants an orderly move, whatever it is called.
    let kind = if leader.is_some() {
        Kind::Switchover
    } else {
        kind
    };
    if leader.is_some() && leader == candidate {
        return told(
            AnswerKind::Invalid,
            "Switchover target and source are the same",
        );
    }
    let Some(view) = memory.current_view() else {
        return told(AnswerKind::Failed, "the store is unreachable");
    };
    let request = MoveRequest {
        leader,
        candidate,
        scheduled_at,
    };
    if !is_scheduled(&request) {
        check_possible(memory, view, kind, &request)?;
    }
    Ok((kind, request))
}

fn check_shape(memory: &Memory, wanted: &Wanted) -> Result<(), Answer> {
    let invalid = |text: &str| told(AnswerKind::Invalid, text);
    let is_failover = wanted.kind == Kind::Failover;
    if is_failover && wanted.candidate.is_none() {
        return invalid("Failover could be performed only to a specific candidate");
    }
    if !is_failover && wanted.leader.is_none() {
        return invalid("Switchover could be performed only from a specific leader");
    }
    let Some(when) = &wanted.scheduled_at else {
        return Ok(());
    };
    if is_failover {
        return invalid("Failover can't be scheduled");
    }
    if memory.rules.pause {
        return invalid("Can't schedule switchover in the paused state");
    }
    match Wall::parse(when) {
        Ok(at) if at < memory.now.wall => told(
            AnswerKind::Unusable,
            "Cannot schedule switchover in the past",
        ),
        Ok(_) => Ok(()),
        Err(BadMoment::NoZone) => {
            invalid("Timezone information is mandatory for the scheduled switchover")
        }
        Err(BadMoment::Unreadable) => told(
            AnswerKind::Unusable,
            "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601",
        ),
    }
}

/// What the store alone tells about an immediate move.
fn check_possible(
    memory: &Memory,
    view: &ClusterView,
    kind: Kind,
    request: &MoveRequest,
) -> Result<(), Answer> {
    let refused = |text: &str| told(AnswerKind::Refused, text);
    let holder = view.leader.as_ref().map(|held| &held.name);
    if request.leader.is_some() && holder != request.leader.as_ref() {
        return refused("leader name does not match");
    }
    let is_synchronous = memory.rules.synchronous_mode == SynchronousMode::On;
    let standbys = &view.sync.value.standbys;
    match &request.candidate {
        Some(candidate) => {
            if kind == Kind::Switchover && is_synchronous && !standbys.contains(candidate) {
                return refused("candidate name does not match with sync_standby");
            }
            if !view.members.contains_key(candidate) {
                return refused("candidate does not exists");
            }
            if holder == Some(candidate) {
                return refused(&format!(
                    "{} is not possible: no good candidates have been found: {candidate} leads already",
                    kind.word()
                ));
            }
        }
        None if is_synchronous && standbys.is_empty() => {
            return refused("switchover is not possible: can not find sync_standby");
        }
        None if candidates(memory, view, request).next().is_none() => {
            return refused(
                "switchover is not possible: cluster does not have members except leader",
            );
        }
        None => {}
    }
    Ok(())
}

/// The members that may be meant.
fn candidates<'a>(
    memory: &'a Memory,
    view: &'a ClusterView,
    request: &'a MoveRequest,
) -> impl Iterator<Item = (&'a MemberName, &'a Arc<MemberView>)> {
    let is_synchronous = memory.rules.synchronous_mode == SynchronousMode::On;
    let standbys = &view.sync.value.standbys;
    view.members.iter().filter(move |(name, member)| {
        let is_meant = match &request.candidate {
            Some(candidate) => *name == candidate,
            None => !is_synchronous || standbys.contains(*name),
        };
        Some(*name) != request.leader.as_ref() && is_meant && member.api_url.is_some()
    })
}

/// Whether one of the members that may be meant answers and may lead, by answers to a question
/// that was asked for this request.
pub(crate) fn has_good_candidate(
    memory: &Memory,
    request: &MoveRequest,
    evidence: Option<&Evidence>,
) -> bool {
    let Some(view) = &memory.view else {
        return false;
    };
    candidates(memory, view, request).any(|(name, member)| {
        if member.tags.is_nofailover() {
            return false;
        }
        if name == memory.me() {
            let is_running = matches!(memory.server(), Some(ServerView::Standby(_)));
            return is_running && !memory.settings.watchdog_required;
        }
        let reports = evidence.map_or(&[][..], |evidence| &evidence.reports);
        reports.iter().any(|report| {
            let is_fit = matches!(&report.answer, PeerAnswer::Running(server) if server.may_lead);
            report.name == *name && is_fit
        })
    })
}
