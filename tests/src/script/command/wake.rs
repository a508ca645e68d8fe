//! `wake` lets time pass up to the machine's own deadline, `at T+12.5` up to an instant.
//!
//! A driver steps the machine at every deadline on the way, and so does the script; `at T+40 late`
//! is the driver that was stopped meanwhile.

use herdsman_ha_core::{Input, Mono};

use crate::script::facts;
use crate::script::print;
use crate::script::world::{World, read_instant};
use herdsman_sim::words::Words;

/// Deadlines on the way to an instant: more than this many are a machine that never rests.
const LIMIT: usize = 2000;

pub(crate) fn next(
    world: &mut World,
    mut words: Words,
    input: &[String],
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let name = words.plain();
    let name = world.choose(name)?;
    words.end()?;
    let (at, deadline) = world.wake(&name).ok_or("nothing is waited for")?;
    world.advance(at)?;
    lines.push(format!("{} {}", print::instant(at), print::word(&deadline)));
    // What the driver saw before it steps the machine for the deadline.
    facts::feed(world, &name, input, lines)?;
    world.feed(&name, Input::Wake, lines);
    Ok(())
}

pub(crate) fn at(
    world: &mut World,
    mut words: Words,
    input: &[String],
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let instant = read_instant(&words.expect("an instant")?)?;
    let is_late = words.flag("late");
    let name = words.plain();
    let name = world.choose(name)?;
    words.end()?;
    if !is_late {
        pass_time(world, &name, instant, lines)?;
    }
    world.advance(instant)?;
    if input.is_empty() {
        world.feed(&name, Input::Wake, lines);
    }
    facts::feed(world, &name, input, lines)
}

/// Steps the machine at all its deadlines before `instant` and moves the clock there.
pub(crate) fn pass_time(
    world: &mut World,
    name: &str,
    instant: Mono,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    for _ in 0..LIMIT {
        let due = world.wake(name).filter(|(at, _)| *at < instant);
        let Some((at, deadline)) = due else {
            return world.advance(instant);
        };
        world.advance(at)?;
        let mut news = Vec::new();
        world.feed(name, Input::Wake, &mut news);
        if !news.is_empty() {
            lines.push(format!("{} {}", print::instant(at), print::word(&deadline)));
            lines.append(&mut news);
        }
    }
    Err(format!(
        "more than {LIMIT} deadlines before {}",
        print::instant(instant)
    ))
}
