//! Outputs of a machine as lines of a script.
//!
//! A line holds what a reviewer must see to judge the step, and nothing that changes without a
//! change of behaviour: no task numbers, no times to live of others.

use std::time::Duration;

use herdsman_ha_core::{
    Commit, Decision, Grant, KeyState, MemberName, Mono, OpId, Output, SlotWork, StartAs,
    StoreWrite, SyncNames, Task, Upstream, Verdict,
};
use serde_json::Value;

use super::world::{Show, World, since_zero};

pub(crate) fn output(world: &World, member: &str, output: &Output) -> String {
    match output {
        Output::Decided(decision) => decided(decision),
        Output::Start { task, .. } => format!("start {}", describe(task, world.show)),
        Output::Cancel { op } => format!("cancel {}", task_name(world, member, *op)),
        Output::Reply { answer, .. } => format!("reply {}: {}", word(&answer.kind), answer.text),
        Output::Quit(quit) if quit.is_orderly => format!("quit: {}", quit.sentence),
        Output::Quit(quit) => format!("quit in protest: {}", quit.sentence),
    }
}

pub(crate) fn decided(decision: &Decision) -> String {
    let verdict = match decision.verdict {
        Verdict::Act => "act ",
        Verdict::Hold => "hold",
    };
    let reason = &decision.reason;
    format!("{verdict} {}: {reason}", reason.code())
}

fn task_name(world: &World, member: &str, op: OpId) -> String {
    let running = world.member(member).subject.running();
    running
        .get(&op)
        .map_or_else(|| format!("op {op}"), |task| task.name().to_owned())
}

/// A serialised unit variant: the word that logs and JSON use.
pub(crate) fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

/// `T+` and seconds with the digits that are there, milliseconds at the finest.
pub(crate) fn instant(instant: Mono) -> String {
    format!("T+{}", seconds(since_zero(instant)))
}

fn seconds(duration: Duration) -> String {
    let text = format!("{}.{:03}", duration.as_secs(), duration.subsec_millis());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A task's name and the data that matter.
fn describe(task: &Task, show: Show) -> String {
    let name = task.name();
    let data = match task {
        Task::OpenSession { ttl } => format!("ttl={}s", seconds(*ttl)),
        Task::Renew {
            proves_leader,
            limit,
            ..
        } => {
            let proof = if *proves_leader { " proves-leader" } else { "" };
            format!("limit={}s{proof}", seconds(*limit))
        }
        Task::CloseSession { session } => session.to_string(),
        Task::Commit(commit) => match show {
            Show::Full => changes(commit),
            Show::Brief => String::new(),
        },
        Task::PublishHistory { timeline, .. } => format!("tli={timeline}"),
        Task::AskPeers {
            peers, expected, ..
        } => {
            let names = peers.iter().map(|(name, _)| {
                let doubt = if expected.contains(name) { "" } else { "?" };
                format!("{name}{doubt}")
            });
            names.collect::<Vec<_>>().join(",")
        }
        Task::AskPromises { peers, request, .. } => {
            let names: Vec<&str> = peers.iter().map(|(name, _)| name.as_str()).collect();
            let generation = request.generation.unwrap_or_default();
            format!("{} gen={generation}", or_none(&names.join(",")))
        }
        Task::Identify { upstream, .. } => upstream.name.to_string(),
        Task::Clone { from } => {
            let from = from.as_ref().map(|from| from.name.as_str());
            format!("from={}", from.unwrap_or("backup"))
        }
        Task::PrePromote { generation } => format!("gen={generation}"),
        Task::Replace { witness, from } | Task::Rewind { witness, from } => {
            format!(
                "from={} witness={} gen={}",
                from.name,
                witness.leader(),
                witness.generation()
            )
        }
        Task::Reinitialize {
            witness,
            leader,
            from,
            is_direct,
        } => {
            format!(
                "from={} leader={} witness={} gen={}{}",
                from.name,
                leader.name,
                witness.leader(),
                witness.generation(),
                if *is_direct { " direct" } else { "" }
            )
        }
        Task::Start { role, limit } => start(role, *limit),
        Task::Stop { mode } => word(mode),
        Task::Promote {
            grant,
            timeline,
            slots,
            sync,
        } => {
            let slots: Vec<&str> = slots.iter().map(String::as_str).collect();
            let grant = granted(*grant);
            let sync = match sync {
                // What there is without synchronous mode.
                SyncNames::Configured => String::new(),
                names @ (SyncNames::All(_) | SyncNames::Unmatched) => {
                    format!(" waits-for={}", waits_for(names))
                }
            };
            let slots = slots.join(",");
            format!("tli={timeline} {grant} slots={}{sync}", or_none(&slots))
        }
        Task::Follow { upstream } => upstream_name(upstream.as_ref()),
        Task::WaitFor { names } => waits_for(names),
        Task::SyncSlots(work) => slot_work(work),
        Task::CopySlots { from, slots } => {
            let slots: Vec<&str> = slots.keys().map(String::as_str).collect();
            format!("from={} slots={}", from.name, slots.join(","))
        }
        Task::Bootstrap | Task::ProveGone | Task::Fence | Task::Checkpoint => String::new(),
    };
    format!("{name} {data}").trim_end().to_owned()
}

fn slot_work(work: &SlotWork) -> String {
    let wanted: Vec<&str> = work.wanted.iter().map(String::as_str).collect();
    let dropped: Vec<&str> = work.dropped.iter().map(String::as_str).collect();
    let mut text = format!(
        "wanted={} dropped={}",
        or_none(&wanted.join(",")),
        or_none(&dropped.join(","))
    );
    let logical = work.logical.iter();
    let logical: Vec<String> = logical
        .map(|(name, slot)| format!("{name}:{}:{}", slot.database, slot.plugin))
        .collect();
    if !logical.is_empty() {
        text.push_str(&format!(" logical={}", logical.join(",")));
    }
    let advanced = work.advanced.iter();
    let advanced: Vec<String> = advanced
        .map(|(name, lsn)| format!("{name}:{lsn}"))
        .collect();
    if !advanced.is_empty() {
        text.push_str(&format!(" advanced={}", advanced.join(",")));
    }
    let followed = work.followed.iter();
    let followed: Vec<String> = followed
        .map(|(name, slot)| format!("{name}:{}:{}", slot.database, slot.confirmed))
        .collect();
    if !followed.is_empty() {
        text.push_str(&format!(" followed={}", followed.join(",")));
    }
    text
}

fn waits_for(names: &SyncNames) -> String {
    match names {
        SyncNames::Configured => "configured".to_owned(),
        SyncNames::Unmatched => "unmatched".to_owned(),
        SyncNames::All(names) => {
            let names: Vec<&str> = names.iter().map(MemberName::as_str).collect();
            or_none(&names.join(",")).to_owned()
        }
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn start(role: &StartAs, limit: Duration) -> String {
    let limit = seconds(limit);
    match role {
        StartAs::Primary(grant) => format!("{} limit={limit}s", granted(*grant)),
        StartAs::Standby(upstream) => upstream_name(upstream.as_ref()),
    }
}

fn upstream_name(upstream: Option<&Upstream>) -> String {
    upstream.map_or_else(
        || "upstream=none".to_owned(),
        |upstream| {
            let slot = upstream.slot.as_deref().unwrap_or("none");
            format!("upstream={} slot={slot}", upstream.name)
        },
    )
}

fn granted(grant: Grant) -> String {
    format!(
        "gen={} until={}",
        grant.generation(),
        instant(grant.valid_until())
    )
}

/// Guards and writes of a commit in one line.
fn changes(commit: &Commit) -> String {
    let guards = commit.guards.iter().map(|guard| match guard.is {
        KeyState::Absent => format!("{} absent", guard.key),
        KeyState::At(revision) => format!("{} at {revision}", guard.key),
        KeyState::HeldBySession => format!("{} ours", guard.key),
    });
    let writes = commit.writes.iter().map(|write| match write {
        StoreWrite::PutBound { key, value } => format!("put {key}={value} bound"),
        StoreWrite::Put { key, value } => format!("put {key}={value}"),
        StoreWrite::Delete { key } => format!("delete {key}"),
    });
    let guards = guards.collect::<Vec<_>>().join(", ");
    let writes = writes.collect::<Vec<_>>().join(", ");
    if guards.is_empty() {
        writes
    } else {
        format!("if {guards}: {writes}")
    }
}
