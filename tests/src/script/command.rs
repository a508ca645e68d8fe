//! Which command does what; one file per command.

pub(crate) mod finish;
mod healthy;
mod member;
mod show;
mod status;
mod step;
mod wake;

use super::world::World;
use herdsman_sim::format::Stanza;
use herdsman_sim::words::Words;

/// Performs the command of a stanza; what it prints goes to `lines`.
pub(crate) fn perform(
    world: &mut World,
    stanza: &Stanza,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let mut words = Words::of(&stanza.command);
    let verb = words.expect("a command")?;
    match verb.as_str() {
        // Example: member a bootstrap ttl=5
        "member" => member::perform(world, words, &stanza.input),
        // Example: healthy a leader=b members=a,b,c tli=2 at=0/5000000
        "healthy" => healthy::perform(world, words, &stanza.input, lines),
        // Example: step a at=T+3 with facts below
        "step" => step::perform(world, words, &stanza.input, lines),
        // Example: finish renew ok
        "finish" => finish::perform(world, words, &stanza.input, lines),
        // Example: wake
        "wake" => wake::next(world, words, &stanza.input, lines),
        // Example: at T+12.5
        "at" => wake::at(world, words, &stanza.input, lines),
        // Example: status a
        "status" => status::perform(world, words, &stanza.input, lines),
        // Example: afresh
        "afresh" => afresh(world, words, &stanza.input),
        // Example: show full
        "show" => show::perform(world, words, &stanza.input),
        other => Err(format!("{other} is no command")),
    }
}

/// `afresh`: another story in the same file, at `T+0` with nothing in the store.
fn afresh(world: &mut World, words: Words, input: &[String]) -> Result<(), String> {
    no_facts(input)?;
    words.end()?;
    world.begin_anew();
    Ok(())
}

/// For commands that take no facts.
fn no_facts(input: &[String]) -> Result<(), String> {
    match input.first() {
        None => Ok(()),
        Some(fact) => Err(format!("no fact is expected here: {fact}")),
    }
}
