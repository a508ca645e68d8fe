//! `disk c unusable`, `disk c empty`: the disk of a member is another one, which holds something
//! that is no database, or nothing.

use crate::pg::Data;
use crate::script::stage::Stage;
use crate::words::Words;

pub(super) fn perform(
    stage: &mut Stage,
    mut words: Words,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let node = stage.member(&words.expect("a member")?)?;
    let data = match words.expect("what it holds")?.as_str() {
        "unusable" => Data::Unusable,
        "empty" => Data::Empty,
        other => return Err(format!("{other} is no disk")),
    };
    words.end()?;
    stage.run()?.world.change_disk(node, data);
    stage.settle_instant()?;
    lines.extend(stage.news());
    Ok(())
}
