//! `clients on`: the client that writes to whom the balancer believes to be the primary.

use crate::script::stage::Stage;
use crate::words::Words;

pub(super) fn perform(stage: &mut Stage, mut words: Words) -> Result<(), String> {
    let is_on = match words.expect("on or off")?.as_str() {
        "on" => true,
        "off" => false,
        other => return Err(format!("{other} is neither on nor off")),
    };
    words.end()?;
    let world = &mut stage.run()?.world;
    if is_on {
        world.let_clients_write();
    } else {
        world.is_writing = false;
    }
    Ok(())
}
