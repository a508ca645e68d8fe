//! Restarts that somebody asked for: at once or at a time, with conditions.
//!
//! A restart is a wish that lives until the server is up again: stopping and starting are two
//! tasks, and the lease is watched between them as always. A leader keeps its leadership meanwhile;
//! when its server does not come back, the rules for a crash apply.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::command::{Answer, AnswerKind};
use crate::memory::Memory;
use crate::situation::{self as word, Lock, Mode, Origin, Restart as Word};
use crate::sync;
use crate::task::{Lane, Outcome};
use crate::time::{Mono, Wall};
use crate::value::RequestId;
use crate::view::{About, ServerView};

/// How long a wanted restart waits until its server can be stopped, once it may be.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an operator demands of a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartOrder {
    /// When; none: now.
    pub schedule: Option<Wall>,
    /// Only when the member has this role.
    pub role: Option<RestartRole>,
    /// Only when the server is older than this version, as one number.
    pub below_version: Option<u32>,
    /// Only when a setting waits for it.
    pub if_pending: bool,
    /// How long the start may take before a leader's crash rules apply; none: as after a crash.
    pub timeout: Option<Duration>,
    /// The conditions as they were written, for those who read the member's key.
    pub published: Map<String, Value>,
}

/// The role that a restart is limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartRole {
    /// A primary.
    Primary,
    /// A standby.
    Replica,
    /// The leader of a standby cluster.
    StandbyLeader,
}

/// A restart that is being carried out.
#[derive(Clone, Debug)]
pub(crate) struct Restart {
    request: Option<RequestId>,
    timeout: Duration,
    phase: Phase,
    /// Whether its checkpoint is done, or was tried in vain.
    pub(crate) is_checkpointed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The server is still to be stopped.
    Wanted { since: Mono },
    /// The server has been seen down.
    Down { since: Mono },
}

/// A restart for later.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scheduled {
    pub(crate) order: RestartOrder,
    pub(crate) at: Wall,
    /// When the server started that is to be restarted: another start makes it void.
    pub(crate) server_started_at: Option<Wall>,
}

impl Scheduled {
    /// As it stands in the member's key.
    pub(crate) fn published(&self) -> Value {
        let mut fields = self.order.published.clone();
        fields.insert("schedule".to_owned(), Value::String(self.at.iso()));
        if let Some(started_at) = self.server_started_at {
            let text = started_at.iso();
            fields.insert("postmaster_start_time".to_owned(), Value::String(text));
        }
        Value::Object(fields)
    }
}

fn answer(kind: AnswerKind, text: impl Into<String>) -> Answer {
    Answer {
        kind,
        text: text.into(),
    }
}

fn about(memory: &Memory) -> Option<&About> {
    memory.local.as_ref()?.about.as_ref()
}

/// What keeps the server from being taken away now, by the name that operators are told.
pub(crate) fn running_action(memory: &Memory) -> Option<&'static str> {
    if memory.restart.is_some() {
        return Some("restart");
    }
    if memory.reinit.is_some() {
        return Some("reinitialize");
    }
    let running = memory.work.on(Lane::Server);
    running.map(|running| running.task.name())
}

/// Takes an order on, for now or for later; gives the answer when there is one already.
pub(crate) fn admit(
    memory: &mut Memory,
    request: RequestId,
    order: RestartOrder,
) -> Option<Answer> {
    let Some(at) = order.schedule else {
        return begin_now(memory, request, &order);
    };
    if memory.rules.pause {
        let text = "Can't schedule restart in the paused state";
        return Some(answer(AnswerKind::Broken, text));
    }
    if memory.scheduled_restart.is_some() {
        let text = "Another restart is already scheduled";
        return Some(answer(AnswerKind::Conflict, text));
    }
    memory.scheduled_restart = Some(Scheduled {
        at,
        server_started_at: about(memory).map(|about| about.started_at),
        order,
    });
    memory.published.known = None;
    Some(answer(AnswerKind::Accepted, "Restart scheduled"))
}

fn begin_now(memory: &mut Memory, request: RequestId, order: &RestartOrder) -> Option<Answer> {
    let failed = |text: String| Some(answer(AnswerKind::Failed, text));
    if let Some(action) = running_action(memory) {
        return failed(format!("{action} already in progress"));
    }
    if !is_met(memory, order) {
        return failed("restart conditions are not satisfied".to_owned());
    }
    if let Some(why) = obstacle(memory) {
        return failed(format!("restart failed: {why}"));
    }
    begin(memory, Some(request), order.timeout);
    None
}

fn begin(memory: &mut Memory, request: Option<RequestId>, timeout: Option<Duration>) {
    let now = memory.mono();
    let is_down = matches!(memory.server(), Some(ServerView::Down { .. }));
    memory.restart = Some(Restart {
        request,
        timeout: timeout.unwrap_or_else(|| memory.rules.start_limit()),
        phase: if is_down {
            Phase::Down { since: now }
        } else {
            Phase::Wanted { since: now }
        },
        is_checkpointed: false,
    });
    memory.is_ours_to_start = is_down;
    memory.work.succeeded("stop");
}

/// Whether the conditions of an order are met by what runs now.
fn is_met(memory: &Memory, order: &RestartOrder) -> bool {
    let about = about(memory);
    let is_role_met = order.role.is_none_or(|role| match role {
        RestartRole::Primary => matches!(memory.server(), Some(ServerView::Primary(_))),
        RestartRole::Replica => {
            let is_standby = matches!(memory.server(), Some(ServerView::Standby(_)));
            is_standby && !is_standby_leader(memory)
        }
        RestartRole::StandbyLeader => is_standby_leader(memory),
    });
    let is_version_met = order
        .below_version
        .is_none_or(|limit| about.is_some_and(|about| about.version < limit));
    let is_pending_met = !order.if_pending || about.is_some_and(About::is_restart_pending);
    is_role_met && is_version_met && is_pending_met
}

fn is_standby_leader(memory: &Memory) -> bool {
    crate::remote::is_followed(memory) && word::lock(memory) == Lock::Mine
}

/// Why the server cannot be restarted at all at the moment.
fn obstacle(memory: &Memory) -> Option<&'static str> {
    if word::mode(memory) == Mode::Leaving {
        return Some("the agent is asked to stop");
    }
    match memory.server() {
        None => Some("PostgreSQL has not been looked at yet"),
        Some(ServerView::Primary(_)) if word::lock(memory) != Lock::Mine => {
            Some("our primary holds no lease, and could not be started again as one")
        }
        Some(ServerView::Starting) => Some("PostgreSQL is starting"),
        Some(ServerView::Stopping) => Some("PostgreSQL is stopping"),
        Some(ServerView::Down { .. }) if !memory.rules.pause => {
            Some("PostgreSQL is down and is being brought up already")
        }
        Some(
            ServerView::Primary(_)
            | ServerView::Standby(_)
            | ServerView::Unresponsive
            | ServerView::Down { .. },
        ) => None,
    }
}

/// Forgets a scheduled restart.
pub(crate) fn cancel(memory: &mut Memory) -> Answer {
    if memory.scheduled_restart.take().is_none() {
        return answer(AnswerKind::Absent, "no restarts are scheduled");
    }
    memory.published.known = None;
    answer(AnswerKind::Done, "scheduled restart deleted")
}

/// The wanted restart as the tables see it.
pub(crate) fn wanted(memory: &Memory) -> Word {
    if let Some(restart) = &memory.restart {
        return match restart.phase {
            Phase::Wanted { .. } if sync::stays_until(memory).is_some() => Word::Listed,
            Phase::Wanted { .. } if restart.is_checkpointed => Word::Wanted,
            Phase::Wanted { .. } => Word::NeedsCheckpoint,
            Phase::Down { .. } if word::origin(memory) == Origin::Standby => Word::DownAsStandby,
            Phase::Down { .. } => Word::Down,
        };
    }
    if matches!(memory.server(), Some(ServerView::Standby(standby)) if standby.is_blocked) {
        return Word::Blocked;
    }
    let is_time = memory
        .scheduled_restart
        .as_ref()
        .is_some_and(|scheduled| memory.now.wall >= scheduled.at);
    let is_acted_on = word::mode(memory) == Mode::Normal && memory.reinit.is_none();
    match (is_time && is_acted_on, missed(memory)) {
        (false, _) => Word::None,
        (true, None) => Word::Due,
        (true, Some(_)) => Word::Missed,
    }
}

/// Why the scheduled restart is not carried out although its time has come.
pub(crate) fn missed(memory: &Memory) -> Option<String> {
    let scheduled = memory.scheduled_restart.as_ref()?;
    let late = memory.now.wall.since(scheduled.at);
    if late > memory.rules.loop_wait * 3 / 2 {
        return Some(format!("its time passed {} s ago", late.as_secs()));
    }
    let started_at = about(memory).map(|about| about.started_at);
    if scheduled.server_started_at.is_some()
        && started_at.is_some()
        && started_at != scheduled.server_started_at
    {
        return Some("PostgreSQL was started anew meanwhile".to_owned());
    }
    if !is_met(memory, &scheduled.order) {
        return Some("restart conditions are not satisfied".to_owned());
    }
    obstacle(memory).map(str::to_owned)
}

/// The time of the scheduled restart has come.
pub(crate) fn begin_scheduled(memory: &mut Memory) {
    let Some(scheduled) = memory.scheduled_restart.take() else {
        return;
    };
    memory.published.known = None;
    begin(memory, None, scheduled.order.timeout);
}

/// The time of the scheduled restart has come, and nothing is done.
pub(crate) fn drop_scheduled(memory: &mut Memory) {
    memory.scheduled_restart = None;
    memory.published.known = None;
}

/// How long a start may take that belongs to a restart.
pub(crate) fn start_limit(memory: &Memory) -> Option<Duration> {
    memory.restart.as_ref().map(|restart| restart.timeout)
}

/// When something about restarts is to be done although nothing happens.
pub(crate) fn deadline(memory: &Memory) -> Option<Mono> {
    let restart = memory.restart.as_ref().map(|restart| match restart.phase {
        Phase::Wanted { since } => since.plus(patience(memory)),
        Phase::Down { since } => since.plus(restart.timeout),
    });
    let scheduled = memory.scheduled_restart.as_ref();
    let scheduled = scheduled.map(|scheduled| {
        let left = scheduled.at.since(memory.now.wall);
        memory.mono().plus(left)
    });
    restart.into_iter().chain(scheduled).min()
}

/// How long a wanted restart waits until its server is down: a standby that commits wait for keeps
/// running for a while first.
fn patience(memory: &Memory) -> Duration {
    PATIENCE + sync::stay(memory)
}

/// Since when the server is to be stopped for a restart.
pub(crate) fn wanted_since(memory: &Memory) -> Option<Mono> {
    match memory.restart.as_ref()?.phase {
        Phase::Wanted { since } => Some(since),
        Phase::Down { .. } => None,
    }
}

/// Follows the wanted restart: what phase it is in, and whether it has ended.
pub(crate) fn follow(memory: &mut Memory) -> Option<(RequestId, Answer)> {
    let now = memory.mono();
    let restart = memory.restart.as_ref()?;
    let is_up = matches!(
        memory.server(),
        Some(ServerView::Primary(_) | ServerView::Standby(_))
    );
    let is_down = matches!(memory.server(), Some(ServerView::Down { .. }));
    let is_busy = !memory.work.is_idle(Lane::Server) || !memory.work.is_idle(Lane::Checkpoint);
    let failed = |text: String| Some(answer(AnswerKind::Failed, text));
    let ended = match restart.phase {
        _ if memory.leaving_since.is_some() => {
            failed("restart failed: the agent is asked to stop".to_owned())
        }
        Phase::Wanted { .. } if is_down => {
            if let Some(restart) = &mut memory.restart {
                restart.phase = Phase::Down { since: now };
            }
            None
        }
        Phase::Wanted { since } if now >= since.plus(patience(memory)) && !is_busy => {
            failed("restart failed: PostgreSQL could not be stopped in time".to_owned())
        }
        Phase::Wanted { .. } => None,
        Phase::Down { .. } if is_up => Some(answer(AnswerKind::Done, "restarted successfully")),
        Phase::Down { since } if memory.start_failed_at >= Some(since) => failed(if is_down {
            format!("restart failed: {}", last_error(memory))
        } else {
            "postgres is still starting".to_owned()
        }),
        Phase::Down { since } if now >= since.plus(restart.timeout) => {
            failed(if is_down && !is_busy {
                format!("restart failed: {}", last_error(memory))
            } else {
                "postgres is still starting".to_owned()
            })
        }
        Phase::Down { .. } => None,
    };
    let ended = ended?;
    let request = memory.restart.take().and_then(|restart| restart.request);
    request.map(|request| (request, ended))
}

fn last_error(memory: &Memory) -> String {
    let error = ["start-primary", "start-standby"]
        .into_iter()
        .find_map(|task| Some(memory.work.attempts(task)?.last_error.clone()));
    error.unwrap_or_else(|| "PostgreSQL did not come up".to_owned())
}

/// Ends a restart that has to make way.
pub(crate) fn displace(memory: &mut Memory) -> Option<(RequestId, Answer)> {
    let request = memory.restart.take()?.request?;
    let text = "restart failed: a new copy of the data was asked for";
    Some((request, answer(AnswerKind::Failed, text)))
}

/// The checkpoint before a stop has ended, however it did.
pub(crate) fn checkpointed(memory: &mut Memory) {
    if let Some(restart) = &mut memory.restart {
        restart.is_checkpointed = true;
    }
}

/// A start of a leader's server has ended.
pub(crate) fn note_start(memory: &mut Memory, outcome: &Outcome) {
    let now = memory.mono();
    memory.start_failed_at = matches!(outcome, Outcome::Failed(_)).then_some(now);
}
