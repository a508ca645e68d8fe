//! What a driver does with a task: how long it takes, what it changes, and what it tells.
//!
//! It keeps the one promise that safety rests on: what makes the server writable is checked
//! against its grant at the moment when it is done.

use std::time::Duration;

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{
    ControlState, Failure, Grant, Lane, Lsn, Outcome, PeerAnswer, PeerReport, PeerServer, Position,
    Report, Revision, ServerIdentity, SessionName, StartAs, StopMode, Task, Timeline,
};

use super::model::{Model, Pg, SYSTEM, TTL};
use herdsman_sim::chance::Chance;

/// A task that runs.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) task: Task,
    /// A fence has pushed it out of its lane.
    pub(super) is_void: bool,
    pub(super) outcome: Option<Outcome>,
}

impl Job {
    pub(super) fn new(task: Task) -> Self {
        Self {
            task,
            is_void: false,
            outcome: None,
        }
    }
}

/// Whether the store takes part in a task.
pub(super) fn is_of_store(task: &Task) -> bool {
    match task.lane() {
        Lane::Session | Lane::Leadership | Lane::Store => true,
        Lane::Peers | Lane::Identity | Lane::Server | Lane::Checkpoint | Lane::Slots => false,
    }
}

/// When a task takes effect, and when its end is told.
pub(super) fn delays(chance: &mut Chance, task: &Task, model: &Model) -> (Duration, Duration) {
    let is_slow = is_of_store(task) && (model.is_cut || (!model.is_calm && chance.once_in(6)));
    let (from, to) = match task {
        _ if is_slow => (500, 4000),
        Task::Fence => (1, 300),
        Task::Stop { .. } => (50, 4000),
        Task::Start { .. } | Task::Clone { .. } | Task::Replace { .. } => (50, 5000),
        Task::Promote { .. } => (20, 2000),
        Task::OpenSession { .. }
        | Task::Renew { .. }
        | Task::CloseSession { .. }
        | Task::Commit(_)
        | Task::PublishHistory { .. }
        | Task::AskPeers { .. }
        | Task::Identify { .. }
        | Task::Bootstrap
        | Task::Follow { .. }
        | Task::ProveGone
        | Task::Checkpoint
        | Task::SyncSlots { .. } => (1, 400),
    };
    let end = chance.millis(from, to);
    // The answer may take any part of the time.
    let part = u32::try_from(chance.below(10)).unwrap_or(0);
    ((end * part / 10).max(Duration::from_micros(500)), end)
}

/// Performs a task now.
pub(super) fn effect(model: &mut Model, chance: &mut Chance, job: &Job) -> Option<Outcome> {
    let failed = |message: &str| {
        Some(Outcome::Failed(Failure {
            is_transient: true,
            message: message.to_owned(),
        }))
    };
    if job.is_void {
        return failed("the server was killed");
    }
    if is_of_store(&job.task) && model.is_cut {
        return failed("no answer in time");
    }
    let does_not_work = !model.is_calm && chance.once_in(15) && job.task != Task::Fence;
    if does_not_work && !is_of_store(&job.task) {
        return failed("it did not work");
    }
    let outcome = match &job.task {
        Task::OpenSession { ttl } => open_session(model, *ttl),
        Task::Renew {
            session,
            proves_leader,
            ..
        } => renew(model, session, *proves_leader),
        Task::CloseSession { .. } => Outcome::Done(Report::Nothing),
        Task::Commit(commit) => {
            let session = commit.session.as_ref().map(SessionName::as_str);
            if session.is_some_and(|name| !model.sessions.contains_key(name)) {
                Outcome::SessionLost
            } else {
                match model.store.commit(commit) {
                    Ok(revision) => Outcome::Done(Report::Committed(Revision(revision))),
                    Err(_) => Outcome::NotApplied,
                }
            }
        }
        Task::PublishHistory { timeline, .. } => {
            let lines = (1..timeline.0).map(|line| serde_json::json!([line, 0x300_0000, "x"]));
            let text = serde_json::Value::Array(lines.collect()).to_string();
            model.store.put(key::HISTORY, &text, None);
            model.store.settle();
            Outcome::Done(Report::Nothing)
        }
        Task::AskPeers { .. } => Outcome::Done(Report::Peers(vec![answer(model)])),
        Task::Identify { .. } => Outcome::Done(Report::Identity(identity(model))),
        Task::Start { .. }
        | Task::Stop { .. }
        | Task::Promote { .. }
        | Task::Follow { .. }
        | Task::Clone { .. }
        | Task::Replace { .. }
        | Task::Bootstrap
        | Task::ProveGone
        | Task::Fence => return server(model, &job.task).or_else(|| failed("it cannot be done")),
        Task::Checkpoint | Task::SyncSlots { .. } => Outcome::Done(Report::Nothing),
    };
    Some(outcome)
}

fn open_session(model: &mut Model, ttl: Duration) -> Outcome {
    let name = format!("a.{}", model.now.0);
    model.sessions.insert(name.clone(), model.now.plus(TTL));
    Outcome::Done(Report::Session {
        name: SessionName(name),
        ttl,
    })
}

fn renew(model: &mut Model, session: &SessionName, proves_leader: bool) -> Outcome {
    let Some(end) = model.sessions.get_mut(session.as_str()) else {
        return Outcome::SessionLost;
    };
    *end = model.now.plus(TTL);
    let is_held = model.store.holder(key::LEADER) == Some(session.as_str());
    if proves_leader && !is_held {
        Outcome::NotApplied
    } else {
        Outcome::Done(Report::Nothing)
    }
}

/// A task on our server; nothing when it cannot be done.
fn server(model: &mut Model, task: &Task) -> Option<Outcome> {
    let done = Some(Outcome::Done(Report::Nothing));
    match task {
        Task::Fence | Task::ProveGone => {
            if *task == Task::ProveGone && !model.pg.is_down() {
                return None;
            }
            if model.pg != Pg::Empty {
                model.pg = Pg::Down { orphans: false };
            }
            model.is_starting = false;
            Some(Outcome::Done(Report::Gone))
        }
        Task::Stop { mode } => {
            model.control = match (model.pg, mode) {
                (Pg::Primary, StopMode::Fast) => ControlState::ShutDown,
                (Pg::Standby, StopMode::Fast) => ControlState::ShutDownInRecovery,
                (_, StopMode::Fast | StopMode::Immediate) => model.control,
            };
            if !model.pg.is_down() {
                model.pg = Pg::Down { orphans: false };
            }
            done
        }
        Task::Start { role, .. } => {
            if model.pg != (Pg::Down { orphans: false }) {
                return None;
            }
            match role {
                StartAs::Primary(grant) => become_primary(model, *grant),
                StartAs::Standby(upstream) => {
                    let name = upstream.as_ref().map(|upstream| upstream.host.clone());
                    become_standby(model, name);
                    done
                }
            }
        }
        Task::Promote { grant, .. } => {
            if model.pg != Pg::Standby {
                return None;
            }
            let promoted = become_primary(model, *grant)?;
            model.timeline = model.timeline.max(model.cluster_timeline) + 1;
            model.cluster_timeline = model.timeline;
            Some(promoted)
        }
        Task::Follow { upstream } => {
            model.upstream = upstream.as_ref().map(|upstream| upstream.host.clone());
            done
        }
        Task::Clone { .. } | Task::Replace { .. } => {
            if !model.other_leads() {
                return None;
            }
            model.timeline = model.cluster_timeline;
            become_standby(model, Some("b".to_owned()));
            done
        }
        // These lives begin with data, and the rest is not about the server.
        Task::Bootstrap
        | Task::OpenSession { .. }
        | Task::Renew { .. }
        | Task::CloseSession { .. }
        | Task::Commit(_)
        | Task::PublishHistory { .. }
        | Task::AskPeers { .. }
        | Task::Identify { .. }
        | Task::Checkpoint
        | Task::SyncSlots { .. } => None,
    }
}

fn become_primary(model: &mut Model, grant: Grant) -> Option<Outcome> {
    if model.now >= grant.valid_until() {
        return None;
    }
    model.pg = Pg::Primary;
    model.control = ControlState::InProduction;
    Some(Outcome::Done(Report::Nothing))
}

fn become_standby(model: &mut Model, upstream: Option<String>) {
    model.pg = Pg::Standby;
    model.control = ControlState::InArchiveRecovery;
    model.upstream = upstream;
}

fn answer(model: &Model) -> PeerReport {
    let is_primary = model.other_leads();
    let lag = if model.other_lags { 0x100_0000 } else { 0 };
    let position = Position {
        timeline: Timeline(if is_primary {
            model.cluster_timeline
        } else {
            model.timeline
        }),
        lsn: Lsn(model.end.0 + 0x78 - lag),
    };
    let answer = if model.other_is_silent {
        PeerAnswer::Unreachable
    } else {
        PeerAnswer::Running(PeerServer {
            instance: None,
            is_primary,
            position,
            wal_end_reached: Some(true),
            may_lead: true,
            failover_priority: 1,
        })
    };
    PeerReport {
        name: "b".into(),
        answer,
    }
}

fn identity(model: &Model) -> ServerIdentity {
    let ended = 1..model.cluster_timeline;
    ServerIdentity {
        system_id: SYSTEM,
        is_primary: model.other_leads(),
        position: Position {
            timeline: Timeline(model.cluster_timeline),
            lsn: model.end,
        },
        // Whatever we have beyond the first bytes was never shipped.
        history: ended
            .map(|line| (Timeline(line), Lsn(0x200_0000)))
            .collect(),
    }
}
