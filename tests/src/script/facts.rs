//! Indented lines: what a member is told, one line per fact, in the order written.
//!
//! `dcs` shows the store, `store` changes it unseen, `read` reads it for a `dcs late`, `local` is a look at the server, `peer` lines
//! together answer a running `ask-peers`, `operator` and `leave` are requests.

mod dcs;
mod local;
mod operator;
mod peer;

use herdsman_ha_core::{Command, Input, Outcome, PeerReport, PromiseReport, Report, RequestId};

use super::world::World;
use herdsman_sim::words::Words;

/// Feeds all facts of a stanza to a member.
pub(crate) fn feed(
    world: &mut World,
    member: &str,
    facts: &[String],
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let mut reports = Vec::new();
    for fact in facts {
        let mut words = Words::of(fact);
        let kind = words.expect("a fact")?;
        if kind == "peer" {
            reports.push(peer::read(world, words)?);
            continue;
        }
        answer_question(world, member, std::mem::take(&mut reports), lines)?;
        if let Some(input) = read(world, member, &kind, words)? {
            world.feed(member, input, lines);
        }
    }
    answer_question(world, member, reports, lines)
}

/// The answers of peers, for a task that is answered by hand.
pub(crate) fn reports(world: &World, facts: &[String]) -> Result<Vec<PeerReport>, String> {
    let peers = facts.iter().map(|fact| {
        let mut words = Words::of(fact);
        match words.expect("a fact")?.as_str() {
            "peer" => peer::read(world, words),
            other => Err(format!("{other} is no answer of a peer")),
        }
    });
    peers.collect()
}

/// What members say when they are asked to hold back.
pub(crate) fn promises(world: &World, facts: &[String]) -> Result<Vec<PromiseReport>, String> {
    let told = facts.iter().map(|fact| {
        let mut words = Words::of(fact);
        match words.expect("a fact")?.as_str() {
            "promise" => peer::promise(world, words),
            other => Err(format!("{other} is no answer to a question for a promise")),
        }
    });
    told.collect()
}

fn read(
    world: &mut World,
    member: &str,
    kind: &str,
    mut words: Words,
) -> Result<Option<Input>, String> {
    match kind {
        "dcs" => dcs::read(world, words).map(|view| Some(Input::Cluster(view))),
        "store" => dcs::change(world, words).map(|()| None),
        "read" => {
            words.end()?;
            world.store.hold_back();
            Ok(None)
        }
        "member" => dcs::describe_member(world, words).map(|()| None),
        "local" => local::read(world, member, words).map(|view| Some(Input::Local(view))),
        "operator" => operator::read(world, words).map(Some),
        "leave" => {
            words.end()?;
            Ok(Some(request(Command::Leave)))
        }
        "time" => {
            // Only time has passed.
            words.flag("passes");
            words.end()?;
            Ok(Some(Input::Wake))
        }
        other => Err(format!("{other} is no fact")),
    }
}

fn answer_question(
    world: &mut World,
    member: &str,
    reports: Vec<PeerReport>,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    if reports.is_empty() {
        return Ok(());
    }
    let asked = world.member(member).subject.find("ask-peers");
    let (op, _) = asked.ok_or("a peer answers, but nobody has asked")?;
    let outcome = Outcome::Done(Report::Peers(reports));
    world.feed(member, Input::Done { op, outcome }, lines);
    Ok(())
}

fn request(command: Command) -> Input {
    Input::Operator {
        request: RequestId(1),
        command,
    }
}
