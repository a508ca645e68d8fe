//! `step a [at=T+3]` with facts: one machine step per fact, at one instant. Without facts only
//! time has passed.

use herdsman_ha_core::Input;

use super::wake;
use crate::script::facts;
use crate::script::world::{World, read_instant};
use herdsman_sim::words::Words;

pub(crate) fn perform(
    world: &mut World,
    mut words: Words,
    input: &[String],
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let name = words.plain();
    let name = world.choose(name)?;
    let at = words.value("at");
    words.end()?;
    if let Some(at) = at {
        wake::pass_time(world, &name, read_instant(&at)?, lines)?;
    }
    if input.is_empty() {
        world.feed(&name, Input::Wake, lines);
    }
    facts::feed(world, &name, input, lines)
}
