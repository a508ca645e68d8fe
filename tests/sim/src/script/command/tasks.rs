//! `tasks manual a`: what a member's machine wants done with its server waits for `finish`.
//! `tasks driver a`: it is done as usual again.
//!
//! `finish a promote done` lets the waiting task be carried out, `failed=…` and `unknown` end it
//! without any effect.

use herdsman_ha_core::{Failure, Outcome};

use crate::script::stage::Stage;
use crate::words::Words;

pub(super) fn perform(stage: &mut Stage, mut words: Words) -> Result<(), String> {
    let is_by_hand = match words.expect("manual or driver")?.as_str() {
        "manual" => true,
        "driver" => false,
        other => return Err(format!("tasks are not {other}")),
    };
    let node = stage.member(&words.expect("a member")?)?;
    words.end()?;
    stage.run()?.world.answer_by_hand(node, is_by_hand);
    Ok(())
}

pub(super) fn finish(
    stage: &mut Stage,
    mut words: Words,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let node = stage.member(&words.expect("a member")?)?;
    let name = words.expect("a task")?;
    let failed = words.value("failed");
    let is_lasting = words.flag("lasting");
    let end = words.plain();
    words.end()?;
    let agent = stage.world()?.host(node).agent.as_ref();
    let found = agent.and_then(|agent| agent.subject.find(&name));
    let op = found.map(|(op, _)| op);
    let op = op.ok_or_else(|| format!("no {name} of {node} waits"))?;
    let world = &mut stage.run()?.world;
    match (failed, end.as_deref()) {
        (Some(message), None) => {
            let is_transient = !is_lasting;
            let failure = Failure {
                is_transient,
                message,
            };
            world.end_by_hand(node, op, Outcome::Failed(failure));
        }
        (None, Some("unknown")) => world.end_by_hand(node, op, Outcome::Unknown),
        (None, Some("done")) => world.carry_out_by_hand(node, op),
        _ => return Err("done, unknown or failed= must say how it ended".to_owned()),
    }
    stage.settle_instant()?;
    lines.extend(stage.news());
    Ok(())
}
