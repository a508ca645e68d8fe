//! `write n=100`, `write until=acked`: rows, written one after another to whom the members' health
//! checks call the primary.

use std::time::Duration;

use crate::script::look;
use crate::script::stage::Stage;
use crate::units;
use crate::words::Words;

/// How often a row is tried that nobody takes.
const AGAIN: Duration = Duration::from_millis(100);
/// How long it is tried when the script does not say.
const LIMIT: Duration = Duration::from_secs(120);

pub(super) fn perform(
    stage: &mut Stage,
    mut words: Words,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let number = words.parsed::<u64>("n")?;
    let until = words.value("until");
    let limit = words.value("limit").map(|text| units::seconds(&text));
    let limit = limit.transpose()?.unwrap_or(LIMIT);
    words.end()?;
    let told = match (number, until.as_deref()) {
        (Some(number), None) => rows(stage, number)?,
        (None, Some("acked")) => until_acknowledged(stage, limit)?,
        _ => return Err("n= or until=acked must say how much".to_owned()),
    };
    lines.extend(stage.news());
    lines.push(told);
    Ok(())
}

/// Writes rows in this instant; who took them.
pub(super) fn rows(stage: &mut Stage, number: u64) -> Result<String, String> {
    let before = stage.world()?.rows.len();
    let world = &mut stage.run()?.world;
    for _ in 0..number {
        if world.write_now().is_none() {
            break;
        }
    }
    stage.settle_instant()?;
    let world = stage.world()?;
    let written = &world.rows[before..];
    let Some(last) = written.last() else {
        return Ok("nobody takes writes".to_owned());
    };
    let acknowledged = written.iter().filter(|row| row.is_acknowledged).count();
    let end = last.place.end;
    if acknowledged == written.len() {
        return Ok(format!(
            "{acknowledged} acked by {}, last lsn {end}",
            last.node
        ));
    }
    let written = written.len();
    Ok(format!(
        "{written} written on {}, {acknowledged} acked, last lsn {end}",
        last.node
    ))
}

fn until_acknowledged(stage: &mut Stage, limit: Duration) -> Result<String, String> {
    let end = stage.world()?.instant().plus(limit);
    loop {
        rows(stage, 1)?;
        let world = stage.world()?;
        let now = world.instant();
        if let Some(row) = world
            .rows
            .last()
            .filter(|row| row.is_acknowledged && row.at == world.now)
        {
            return Ok(format!(
                "acked by {} at {now}, lsn {}",
                row.node, row.place.end
            ));
        }
        if now >= end || stage.run()?.violation().is_some() {
            return Ok(format!("not acked: {}", look::everybody(stage.world()?)));
        }
        let count = stage.world()?.rows.len();
        stage.pass(AGAIN, |world, _| {
            world.rows[count.saturating_sub(1)..]
                .iter()
                .any(|row| row.is_acknowledged)
        })?;
    }
}
