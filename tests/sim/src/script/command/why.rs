//! `why b`: a member's present decision, and each thing that keeps it from leading.

use herdsman_ha_core::Verdict;

use crate::script::look;
use crate::script::stage::Stage;
use crate::words::Words;

pub(super) fn perform(
    stage: &mut Stage,
    mut words: Words,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let node = stage.member(&words.expect("a member")?)?;
    words.end()?;
    let world = stage.world()?;
    let Some(agent) = &world.host(node).agent else {
        lines.push(format!("{node} has no agent"));
        return Ok(());
    };
    let Some(decision) = agent.subject.machine().status().decision else {
        lines.push(format!("{node} has decided nothing yet"));
        return Ok(());
    };
    let verdict = match decision.verdict {
        Verdict::Act => "act ",
        Verdict::Hold => "hold",
    };
    let since = look::instant(world, node, decision.at);
    let reason = &decision.reason;
    lines.push(format!(
        "{node} {verdict} {} since {since}: {reason}",
        reason.code()
    ));
    lines.extend(reason.vetoes().iter().map(|veto| format!("  {veto}")));
    Ok(())
}
