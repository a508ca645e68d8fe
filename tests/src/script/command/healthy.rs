//! `healthy a leader=b members=a,b,c`: a cluster that runs since a while, seen by one member.
//!
//! It is reached by the machine itself, through all the steps that lead there, so that no memory
//! is made up.

use herdsman_ha_core::{Input, Outcome, Report};

use super::{finish, member};
use crate::script::facts;
use crate::script::print;
use crate::script::world::World;
use herdsman_sim::words::{Words, list};

/// Rounds of finishing everything and looking again before it counts as not settling.
const ROUNDS: usize = 30;

pub(crate) fn perform(
    world: &mut World,
    mut words: Words,
    input: &[String],
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let name = words.expect("a member")?;
    member::start(world, &name, &mut words)?;
    let leader = words.value("leader").ok_or("leader= must say who leads")?;
    let names = words
        .value("members")
        .ok_or("members= must say who is there")?;
    let timeline: u32 = words.parsed("tli")?.unwrap_or(1);
    let at = words.value("at").unwrap_or_else(|| "0/5000000".to_owned());
    let ttl: u64 = words.parsed("ttl")?.unwrap_or(30);
    let loop_wait: u64 = words.parsed("loop")?.unwrap_or(10);
    let config = config(words.value("config"), ttl, loop_wait)?;
    words.end()?;

    let is_leader = leader == name;
    let history = history(timeline);
    let led_from = timeline.saturating_sub(1).max(1);
    let holder = if is_leader { "none" } else { leader.as_str() };
    let mut told = vec![
        format!("store {}", input_words(input, "store ")?),
        format!(
            "dcs members={names} initialize=7000000001 leader={holder} leadership={leader}@{led_from}->{timeline} \
             status={at} history={history} config={config}"
        ),
    ];
    let of_server = input_words(input, "local ")?;
    told.push(if is_leader {
        // Whoever is told of below takes their place.
        let senders = match &*of_server {
            text if text.contains("senders=") => String::new(),
            _ => format!("senders={}", others_stream(&names, &name)),
        };
        format!("local primary tli={timeline} at={at} {senders}")
    } else {
        format!("local standby tli={timeline} at={at} streaming upstream={leader}")
    });
    if let Some(local) = told.last_mut() {
        *local = format!("{local} {of_server}");
    }
    if !is_leader {
        told.insert(0, format!("member {leader} role=primary tli={timeline}"));
    }
    let mut unprinted = Vec::new();
    facts::feed(world, &name, &told, &mut unprinted)?;
    let local = told.last().cloned().unwrap_or_default();
    settle(world, &name, &list(&names), &local, &mut unprinted)?;
    let status = world.member(&name).subject.machine().status();
    lines.extend(status.decision.as_ref().map(print::decided));
    Ok(())
}

/// All the others as standbys that nobody waits for.
fn others_stream(names: &str, name: &str) -> String {
    let others = list(names).into_iter().filter(|other| other != name);
    let senders: Vec<String> = others.map(|other| format!("{other}:async")).collect();
    if senders.is_empty() {
        "none".to_owned()
    } else {
        senders.join(",")
    }
}

/// Extra words for the store or the server, written below the command as facts.
fn input_words(input: &[String], kind: &str) -> Result<String, String> {
    let is_known = |line: &&String| line.starts_with("store ") || line.starts_with("local ");
    if let Some(line) = input.iter().find(|line| !is_known(line)) {
        return Err(format!(
            "only facts of store and server are expected here: {line}"
        ));
    }
    let words = input
        .iter()
        .filter_map(|line| line.strip_prefix(kind).map(Ok::<_, String>));
    Ok(words.collect::<Result<Vec<_>, _>>()?.join(" "))
}

fn config(text: Option<String>, ttl: u64, loop_wait: u64) -> Result<String, String> {
    let text = text.unwrap_or_else(|| "{}".to_owned());
    let mut config: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("{text}: {error}"))?;
    config["ttl"] = serde_json::json!(ttl);
    config["loop_wait"] = serde_json::json!(loop_wait);
    Ok(config.to_string())
}

fn history(timeline: u32) -> String {
    let lines = (1..timeline).map(|ended| format!("{ended}:0/{ended}000000"));
    let lines = lines.collect::<Vec<_>>().join(",");
    if lines.is_empty() {
        "none".to_owned()
    } else {
        lines
    }
}

/// Finishes all tasks with success and shows the store and the server until nothing is left.
fn settle(
    world: &mut World,
    name: &str,
    names: &[String],
    local: &str,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let facts = ["dcs".to_owned(), local.to_owned()];
    for _ in 0..ROUNDS {
        let next = world.member(name).subject.running().keys().next().copied();
        let Some(op) = next else {
            return Ok(());
        };
        let is_question = world.member(name).subject.running()[&op].name() == "ask-peers";
        let outcome = if is_question {
            let others = names.iter().filter(|other| *other != name);
            let silent: Vec<String> = others
                .map(|other| format!("peer {other} standby tli=1 at=0/0"))
                .collect();
            Outcome::Done(Report::Peers(facts::reports(world, &silent)?))
        } else {
            finish::succeed(world, name, op)?
        };
        world.feed(name, Input::Done { op, outcome }, lines);
        facts::feed(world, name, &facts, lines)?;
    }
    Err("the member does not settle".to_owned())
}
