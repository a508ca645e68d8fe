//! `show none|decisions|tasks|all`: how much is printed. A script that shows more than decisions
//! must say why.

use crate::script::news::Show;
use crate::script::stage::Stage;
use crate::words::Words;

pub(super) fn perform(stage: &mut Stage, mut words: Words) -> Result<(), String> {
    stage.show = match words.expect("how much")?.as_str() {
        "none" => Show::None,
        "decisions" => Show::Decisions,
        "tasks" => Show::Tasks,
        "all" => Show::All,
        other => return Err(format!("{other} cannot be shown")),
    };
    words.end()
}
