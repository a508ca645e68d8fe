//! `status a`: decision, lease, tasks in flight and failed attempts, as the API would tell them.

use super::no_facts;
use crate::script::print;
use crate::script::world::World;
use herdsman_sim::words::Words;

pub(crate) fn perform(
    world: &mut World,
    mut words: Words,
    input: &[String],
    lines: &mut Vec<String>,
) -> Result<(), String> {
    no_facts(input)?;
    let name = words.plain();
    let name = world.choose(name)?;
    words.end()?;
    let status = world.member(&name).subject.machine().status();
    lines.push(format!("{} {}", status.state, status.role));
    if let Some(decision) = &status.decision {
        let since = print::instant(decision.at);
        lines.push(format!("{} since {since}", print::decided(decision)));
    }
    if let Some(lease) = status.lease {
        let fence_at = print::instant(lease.fence_at);
        lines.push(format!("lease gen={} fence={fence_at}", lease.generation));
    }
    for running in &status.tasks {
        let since = print::instant(running.since);
        lines.push(format!("task {} since {since}", running.task));
    }
    for (task, failed) in &status.attempts {
        let next_at = print::instant(failed.next_at);
        lines.push(format!(
            "failed {task} {}x, not before {next_at}: {}",
            failed.count, failed.last_error
        ));
    }
    Ok(())
}
