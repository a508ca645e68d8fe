//! `expect violation one-writable-primary`: the invariant was violated up to here, and the script
//! is there to show it.

use crate::script::stage::Stage;
use crate::words::Words;

pub(super) fn perform(
    stage: &mut Stage,
    mut words: Words,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    match words.expect("violation")?.as_str() {
        "violation" => {}
        other => return Err(format!("{other} cannot be expected")),
    }
    let invariant = words.expect("an invariant")?;
    words.end()?;
    lines.push(stage.expect_violation(&invariant)?);
    Ok(())
}
