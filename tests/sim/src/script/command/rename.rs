//! `rename c to=a`: an operator gives a member another name, also one that somebody else has. Its
//! agent goes by it from its next start on.
//!
//! Who is meant by a name that two members have is the first of them, in the world as well.

use herdsman_ha_core::MemberName;

use crate::script::stage::Stage;
use crate::words::Words;

pub(super) fn perform(stage: &mut Stage, mut words: Words) -> Result<(), String> {
    let node = stage.member(&words.expect("a member")?)?;
    let to = words.value("to").ok_or("to= must say whose name")?;
    let to = stage.member(&to)?;
    words.end()?;
    if to > node {
        return Err(format!("{to} comes after {node}, and would not be found"));
    }
    let name = MemberName::from(stage.name(to));
    stage.run()?.world.rename(node, name);
    Ok(())
}
