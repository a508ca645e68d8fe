//! `finish renew ok`: a running task ends. Facts below are told before its end, as a driver looks
//! at the server before it tells that a task is over; `peer` lines are the answers of `ask-peers`, and
//! `promise` lines those of `ask-promises`.
//!
//! What succeeds changes the store of the script; what the store would refuse cannot succeed.

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{
    Failure, Input, Lsn, OpId, Outcome, Position, Report, Revision, ServerIdentity, SessionName,
    SlotKind, SlotView, Task, Timeline,
};

use crate::script::facts;
use crate::script::world::{World, read_history, session};
use herdsman_sim::words::Words;

pub(crate) fn perform(
    world: &mut World,
    mut words: Words,
    input: &[String],
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let task_name = words.expect("a task")?;
    let name = world.choose(words.value("of"))?;
    let found = world.member(&name).subject.find(&task_name);
    let (op, task) = found.ok_or_else(|| format!("{task_name} does not run"))?;
    let task = task.clone();
    let is_question = matches!(task, Task::AskPeers { .. });
    let is_promise = matches!(task, Task::AskPromises { .. });
    let (mut reports, mut promises) = (Vec::new(), Vec::new());
    if is_question {
        reports = facts::reports(world, input)?;
    } else if is_promise {
        promises = facts::promises(world, input)?;
    } else {
        facts::feed(world, &name, input, lines)?;
    }
    let outcome = match words.value("failed") {
        Some(message) => Outcome::Failed(Failure {
            is_transient: !words.flag("permanent"),
            message,
        }),
        None => match words.expect("an outcome")?.as_str() {
            "ok" if is_question => Outcome::Done(Report::Peers(reports)),
            "ok" if is_promise => Outcome::Done(Report::Promises(promises)),
            "ok" => report(world, &name, op, &mut words)?,
            "refused" => Outcome::NotApplied,
            "lost" => lose_session(world, &name),
            "cancelled" => Outcome::Cancelled,
            "unknown" => {
                // The store may have made the change and the answer was lost.
                if words.flag("applied") {
                    succeed(world, &name, op)?;
                }
                Outcome::Unknown
            }
            other => return Err(format!("a task does not end {other}")),
        },
    };
    words.end()?;
    world.feed(&name, Input::Done { op, outcome }, lines);
    Ok(())
}

/// The success of a task with what the words tell about it.
fn report(world: &mut World, name: &str, op: OpId, words: &mut Words) -> Result<Outcome, String> {
    let is_identity = matches!(
        world.member(name).subject.running()[&op],
        Task::Identify { .. }
    );
    let granted = words.parsed("ttl")?.map(std::time::Duration::from_secs);
    if is_identity {
        return identity(words).map(|identity| Outcome::Done(Report::Identity(identity)));
    }
    let outcome = succeed(world, name, op)?;
    Ok(match (outcome, granted) {
        (Outcome::Done(Report::Session { name, .. }), Some(ttl)) => {
            Outcome::Done(Report::Session { name, ttl })
        }
        (outcome, _) => outcome,
    })
}

/// The success of a task with all its effects on the store and on the server's slots.
pub(crate) fn succeed(world: &mut World, name: &str, op: OpId) -> Result<Outcome, String> {
    let task = world.member(name).subject.running()[&op].clone();
    let report = match task {
        Task::OpenSession { ttl } => {
            let full = world.name(name);
            let member = world.member_mut(name);
            member.sessions += 1;
            let name = SessionName::from(session(&full, member.sessions));
            Report::Session { name, ttl }
        }
        Task::Renew {
            session,
            proves_leader,
            ..
        } => {
            let is_held = world.store.holder(key::LEADER) == Some(session.as_str());
            if proves_leader && !is_held {
                return Err("the store would refuse: the leader key is not held".to_owned());
            }
            Report::Nothing
        }
        Task::CloseSession { session } => {
            world.store.expire(session.as_str());
            Report::Nothing
        }
        Task::Commit(commit) => Report::Committed(Revision(world.store.commit(&commit)?)),
        Task::SyncSlots(work) => {
            let slots = &mut world.member_mut(name).server.slots;
            slots.retain(|slot, _| !work.dropped.contains(slot));
            for slot in work.wanted {
                slots.entry(slot).or_insert(None);
            }
            for (slot, logical) in work.logical {
                let kind = SlotKind::Logical(logical);
                let made = SlotView {
                    kind,
                    ..SlotView::physical(Some(Lsn(0)))
                };
                slots.entry(slot).or_insert(Some(made));
            }
            for (slot, followed) in work.followed {
                if let Some(Some(made)) = slots.get_mut(&slot) {
                    made.position = Some(followed.confirmed);
                }
            }
            for (slot, lsn) in work.advanced {
                slots.insert(slot, Some(SlotView::physical(Some(lsn))));
            }
            Report::Nothing
        }
        Task::CopySlots { slots, .. } => {
            let found = &mut world.member_mut(name).server.slots;
            for (slot, logical) in slots {
                let copied = SlotView {
                    kind: SlotKind::Logical(logical),
                    ..SlotView::physical(Some(Lsn(0)))
                };
                found.entry(slot).or_insert(Some(copied));
            }
            Report::Nothing
        }
        Task::Promote { slots, sync, .. } => {
            let server = &mut world.member_mut(name).server;
            for slot in slots {
                server.slots.entry(slot).or_insert(None);
            }
            server.wait_for(&sync);
            Report::Nothing
        }
        Task::PublishHistory { timeline, .. } => publish_history(world, timeline),
        Task::WaitFor { names } => {
            let server = &mut world.member_mut(name).server;
            server.wait_for(&names);
            Report::InForce(server.end())
        }
        Task::ProveGone | Task::Fence => Report::Gone,
        Task::AskPeers { .. } => return Err("peer lines must say what they answer".to_owned()),
        Task::AskPromises { .. } => Report::Promises(Vec::new()),
        Task::Identify { .. } => return Err("words must say who the server is".to_owned()),
        Task::Bootstrap
        | Task::PrePromote { .. }
        | Task::Clone { .. }
        | Task::Replace { .. }
        | Task::Reinitialize { .. }
        | Task::Rewind { .. }
        | Task::Start { .. }
        | Task::Stop { .. }
        | Task::Follow { .. }
        | Task::Checkpoint => Report::Nothing,
    };
    Ok(Outcome::Done(report))
}

/// A line for each timeline before this one; where they ended is not what these scripts are about.
fn publish_history(world: &mut World, timeline: Timeline) -> Report {
    let lines = (1..timeline.0).map(|ended| {
        let end = 0x100_0000 * u64::from(ended);
        serde_json::json!([ended, end, "no recovery target specified"])
    });
    let text = serde_json::Value::Array(lines.collect()).to_string();
    world.store.put(key::HISTORY, &text, None);
    world.store.settle();
    Report::Nothing
}

fn lose_session(world: &mut World, name: &str) -> Outcome {
    let full = world.name(name);
    let number = world.member(name).sessions;
    world.store.expire(&session(&full, number));
    world.store.settle();
    Outcome::SessionLost
}

/// `primary tli=4 at=0/5000200 history=3:0/5000000`: what a server says about itself.
fn identity(words: &mut Words) -> Result<ServerIdentity, String> {
    let is_primary = match words.expect("primary or standby")?.as_str() {
        "primary" => true,
        "standby" => false,
        other => return Err(format!("a server is not {other}")),
    };
    let history = read_history(&words.value("history").unwrap_or_default())?;
    Ok(ServerIdentity {
        system_id: words
            .parsed("system")?
            .unwrap_or(crate::script::world::SYSTEM),
        is_primary,
        position: Position {
            timeline: Timeline(words.parsed("tli")?.unwrap_or(1)),
            lsn: words
                .parsed("at")?
                .ok_or("at= must say where its WAL ends")?,
        },
        history,
        missing_wal: words.value("missing"),
        contradicts: words.parsed("contradicts")?,
    })
}
