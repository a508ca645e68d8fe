//! A new copy of the data on demand.
//!
//! Nothing is removed before the leader has proven itself to be a running primary, after it was
//! asked for; whoever asked is told only then that it has begun.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use crate::command::{Answer, AnswerKind};
use crate::memory::Memory;
use crate::rejoin::LeaderElsewhere;
use crate::remote;
use crate::restart::running_action;
use crate::situation::{self as word, Lock, Reinit as Word};
use crate::task::Task;
use crate::time::Mono;
use crate::value::RequestId;
use crate::view::Initialize;

/// How soon it is asked once more.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How long the leader may take to prove itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// A copy that somebody asked for and that has not begun.
#[derive(Clone, Debug)]
pub(crate) struct Reinit {
    request: RequestId,
    /// Whether the leader is to be copied, and nobody else.
    pub(crate) is_from_leader: bool,
    since: Mono,
}

fn failed(text: impl Into<String>) -> Answer {
    Answer {
        kind: AnswerKind::Failed,
        text: text.into(),
    }
}

/// Why there can be no new copy, whatever runs at the moment.
pub(crate) fn refusal(memory: &Memory) -> Option<Answer> {
    let Some(view) = memory.current_view() else {
        return Some(failed("the store is unreachable, can not reinitialize"));
    };
    if view.leader.is_none() {
        return Some(failed("Cluster has no leader, can not reinitialize"));
    }
    let is_ours = word::lock(memory) != Lock::Other;
    is_ours.then(|| failed("I am the leader, can not reinitialize"))
}

/// The task that is in the way, in the words for operators.
pub(crate) fn busy(memory: &Memory) -> Option<Answer> {
    running_action(memory).map(|action| failed(format!("{action} already in progress")))
}

/// Takes the wish on.
pub(crate) fn begin(memory: &mut Memory, request: RequestId, is_from_leader: bool) {
    memory.work.succeeded("reinitialize");
    memory.reinit = Some(Reinit {
        request,
        is_from_leader,
        since: memory.mono(),
    });
}

/// The wish as the tables see it.
pub(crate) fn wanted(memory: &Memory) -> Word {
    match &memory.reinit {
        None => Word::None,
        Some(_) if witness(memory).is_some() => Word::Proven,
        Some(_) => Word::Unproven,
    }
}

/// The proof that another member holds the good copy, given after the wish.
pub(crate) fn witness(memory: &Memory) -> Option<LeaderElsewhere> {
    let wish = memory.reinit.as_ref()?;
    let view = memory.current_view()?;
    let leader = view.leader.as_ref()?;
    let check = memory
        .identity
        .as_ref()
        .filter(|check| check.generation == leader.generation && check.asked_at >= wish.since)?;
    // Our own data may tell nothing any more: that may be why a new copy is wanted.
    let Initialize::Known(cluster) = view.initialize.value else {
        return None;
    };
    if let Some(source) = remote::opposite(memory) {
        return (check.server == source.name)
            .then(|| LeaderElsewhere::prove_source(&source.name, leader, &check.identity, cluster))
            .flatten();
    }
    if check.server != leader.name {
        return None;
    }
    LeaderElsewhere::prove(memory.me(), leader, &check.identity, cluster)
}

/// The copy has begun: whoever asked is told.
pub(crate) fn begun(memory: &mut Memory, task: &Task) -> Option<(RequestId, Answer)> {
    if !matches!(task, Task::Reinitialize { .. }) {
        return None;
    }
    let wish = memory.reinit.take()?;
    let answer = Answer {
        kind: AnswerKind::Done,
        text: "reinitialize started".to_owned(),
    };
    Some((wish.request, answer))
}

/// Ends a wish that cannot be fulfilled.
pub(crate) fn follow(memory: &mut Memory) -> Option<(RequestId, Answer)> {
    let wish = memory.reinit.as_ref()?;
    let is_late = memory.mono() >= deadline(wish);
    let ended = refusal(memory).or_else(|| {
        let error = memory.work.attempts("identify");
        let why = error.map_or_else(
            || "the leader did not prove to be a running primary".to_owned(),
            |attempts| attempts.last_error.clone(),
        );
        is_late.then(|| failed(format!("reinitialize failed, nothing was removed: {why}")))
    });
    let ended = ended.or_else(|| {
        let is_leaving = memory.leaving_since.is_some();
        is_leaving.then(|| failed("reinitialize failed: the agent is asked to stop"))
    })?;
    let request = memory.reinit.take()?.request;
    Some((request, ended))
}

/// Ends a wish that is replaced by another one.
pub(crate) fn displace(memory: &mut Memory) -> Option<(RequestId, Answer)> {
    let request = memory.reinit.take()?.request;
    Some((request, failed("reinitialize was asked for once more")))
}

/// When the leader is asked once more, after it did not prove itself.
pub(crate) fn ask_again_at(memory: &Memory) -> Option<Mono> {
    let wish = memory.reinit.as_ref()?;
    let check = memory.identity.as_ref()?;
    (check.asked_at >= wish.since).then(|| check.asked_at.plus(ASK_AGAIN))
}

/// When the leader has taken too long.
pub(crate) fn deadline(wish: &Reinit) -> Mono {
    wish.since.plus(PATIENCE)
}
