//! `show brief|full` and `show upkeep|no-upkeep`: how much is printed.
//!
//! Brief is the default; a script that shows more must say why.

use super::no_facts;
use crate::script::world::{Show, Upkeep, World};
use herdsman_sim::words::Words;

pub(crate) fn perform(world: &mut World, mut words: Words, input: &[String]) -> Result<(), String> {
    no_facts(input)?;
    while let Some(word) = words.plain() {
        match word.as_str() {
            "brief" => world.show = Show::Brief,
            "full" => world.show = Show::Full,
            "upkeep" => world.upkeep = Upkeep::ByHand,
            "no-upkeep" => world.upkeep = Upkeep::Unseen,
            other => return Err(format!("{other} cannot be shown")),
        }
    }
    words.end()
}
