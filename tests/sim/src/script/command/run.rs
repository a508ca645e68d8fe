//! `run for=30`, `run until=stable limit=120`: time passes, and what changes meanwhile is printed.

use std::time::Duration;

use crate::script::news::dated;
use crate::script::stage::Stage;
use crate::script::until::{Until, wait};
use crate::units;
use crate::words::Words;

/// How long is waited for something when the script does not say.
const LIMIT: Duration = Duration::from_secs(120);

pub(super) fn perform(
    stage: &mut Stage,
    mut words: Words,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let length = words.value("for").map(|text| units::seconds(&text));
    let until = words.value("until");
    let limit = words.value("limit").map(|text| units::seconds(&text));
    let limit = limit.transpose()?;
    words.end()?;
    match (length.transpose()?, until) {
        (Some(length), None) if limit.is_none() => {
            stage.pass(length, |_, _| false)?;
            lines.extend(stage.news());
            Ok(())
        }
        (None, Some(text)) => until_it_is_so(stage, &text, limit, lines),
        _ => Err("for= or until= must say how long".to_owned()),
    }
}

fn until_it_is_so(
    stage: &mut Stage,
    text: &str,
    limit: Option<Duration>,
    lines: &mut Vec<String>,
) -> Result<(), String> {
    let until = Until::read(stage, text)?;
    let now = stage.world()?.instant();
    let limit = match until {
        Until::Instant(at) => at.since(now),
        Until::Stable
        | Until::Leader(_)
        | Until::Primary(_)
        | Until::Down(_)
        | Until::Task(..)
        | Until::Decision(..) => limit.unwrap_or(LIMIT),
    };
    let missing = wait(stage, &until, limit)?.err();
    lines.extend(stage.news());
    let is_violated = stage.run()?.violation().is_some();
    let now = stage.world()?.instant();
    if until == Until::Stable {
        stage.unstable.clone_from(&missing);
    }
    match (&until, missing) {
        (_, Some(_)) if is_violated => {}
        (_, Some(missing)) => lines.push(dated(now, &format!("not {text}: {missing}"))),
        (Until::Stable, None) => lines.push(dated(now, "stable")),
        (_, None) if lines.is_empty() => lines.push(dated(now, "nothing new")),
        (_, None) => {}
    }
    Ok(())
}
