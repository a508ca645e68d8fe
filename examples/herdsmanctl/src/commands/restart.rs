//! `restart`: members restart their PostgreSQL one after the other, the leader last.
//!
//! The invariant: after a restart that failed, or may have, no other member is asked: what one
//! server does not start with, the next would not start with either.

use std::io::Write;
use std::time::Duration;

use herdsman_agent::settings::ControlSettings;
use herdsman_ha_core::{ClusterView, MemberName};
use serde_json::{Map, Value};

use super::movement::Asking;
use super::selection;
use crate::arguments::Restart;
use crate::clock::Instant;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::members;
use crate::prompt;
use crate::rest::{self, Answer, CallError};
use crate::schedule::{self, When};

/// A member answers when its server runs again, and a shutdown may take long.
const LIMIT: Duration = Duration::from_secs(3600);
/// What a member answers that had no reason to restart.
const NOT_MEANT: &str = "restart conditions are not satisfied";

/// What became of the request to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Yes,
    /// Not done, and the server was left alone.
    LeftAlone,
    /// The server may be down.
    Failed,
}

/// Asks what is not said, then asks the members.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Restart,
    out: &mut impl Write,
) -> Result<(), Error> {
    let some = &arguments.some;
    let asking = Asking::unless(some.force);
    let cluster = Cluster::open(settings, Some(&some.cluster))?;
    let view = cluster.view().await?;
    let mut members = selection::choose(&cluster, &view, &some.members, some.role, out)?;
    let when = when(arguments, asking, out).await?;
    if arguments.pending && when == When::Now {
        members.retain(|name| view.members[*name].pending_restart);
        if members.is_empty() {
            writeln!(out, "No member is pending a restart")?;
            return Ok(());
        }
    }
    if arguments.any {
        members = any_one(&members);
    }
    members.sort_by_key(|name| members::is_leader(&view, name));
    confirm(arguments, &members, &when, asking, out).await?;
    let body = body(arguments, &view, when, asking, out).await?;
    out.flush()?;
    ask(&cluster, &view, &members, &body, asking, out).await
}

async fn when(arguments: &Restart, asking: Asking, out: &mut impl Write) -> Result<When, Error> {
    match (&arguments.scheduled, asking) {
        (Some(text), _) => schedule::parse(text),
        (None, Asking::Nothing) => Ok(When::Now),
        (None, Asking::Questions) => {
            let example = schedule::in_an_hour();
            let question = format!("When should the restart take place (e.g. {example}) ");
            schedule::parse(&prompt::ask(out, &question, "now").await?)
        }
    }
}

/// Whichever: the clock throws the dice.
fn any_one<'a>(members: &[&'a MemberName]) -> Vec<&'a MemberName> {
    let count = members.len().max(1);
    let index = usize::try_from(Instant::now().0.unsigned_abs()).unwrap_or(0) % count;
    members.get(index).copied().into_iter().collect()
}

async fn confirm(
    arguments: &Restart,
    members: &[&MemberName],
    when: &When,
    asking: Asking,
    out: &mut impl Write,
) -> Result<(), Error> {
    let question = match when {
        When::Now => return selection::confirm("restart", members, asking, out).await,
        When::At(_) if arguments.pending => {
            "The nodes needing a restart will be identified at the \
             scheduled time, and might be different from the ones showing pending restart right \
             now. Is this fine?"
                .to_owned()
        }
        When::At(at) => {
            let names = selection::listed(members);
            format!("Are you sure you want to schedule restart of members {names} at {at}?")
        }
    };
    if asking == Asking::Nothing || prompt::confirm(out, &question).await? {
        return Ok(());
    }
    Error::refused("Aborted scheduled restart")
}

/// What the members are told.
async fn body(
    arguments: &Restart,
    view: &ClusterView,
    when: When,
    asking: Asking,
    out: &mut impl Write,
) -> Result<Value, Error> {
    let version = match (&arguments.pg_version, asking) {
        (Some(version), _) => version.clone(),
        (None, Asking::Nothing) => String::new(),
        (None, Asking::Questions) => {
            let question = "Restart if the PostgreSQL version is less than provided (e.g. 9.5.2) ";
            prompt::ask(out, question, "").await?
        }
    };
    let mut body = Map::new();
    if arguments.pending {
        body.insert("restart_pending".to_owned(), Value::Bool(true));
    }
    if !version.is_empty() {
        check_version(&version)?;
        body.insert("postgres_version".to_owned(), Value::from(version));
    }
    if let When::At(at) = when {
        if view.rules.as_ref().is_some_and(|rules| rules.pause) {
            return Error::refused("Can't schedule restart in the paused state");
        }
        body.insert("schedule".to_owned(), Value::from(at));
    }
    if let Some(timeout) = &arguments.timeout {
        body.insert("timeout".to_owned(), Value::from(timeout.as_str()));
    }
    Ok(Value::Object(body))
}

/// `X.Y` since version 10, `X.Y.Z` before.
fn check_version(version: &str) -> Result<(), Error> {
    let parts: Vec<&str> = version.split('.').collect();
    if !matches!(parts.len(), 2 | 3) {
        return Error::refused(format!(
            "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: {version}"
        ));
    }
    let numbers = parts.iter().map(|part| part.parse::<u16>());
    let Ok(numbers) = numbers.collect::<Result<Vec<_>, _>>() else {
        return Error::refused(format!("Invalid PostgreSQL version: {version}"));
    };
    if numbers.len() == 2 && numbers[0] < 10 {
        return Error::refused(format!(
            "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: {version}"
        ));
    }
    Ok(())
}

async fn ask(
    cluster: &Cluster,
    view: &ClusterView,
    members: &[&MemberName],
    body: &Value,
    asking: Asking,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut failed = Vec::new();
    for (index, name) in members.iter().enumerate() {
        let answer = ask_one(cluster, view, name, body, asking).await;
        let done = done(&answer);
        writeln!(out, "{}", line(name, &answer))?;
        out.flush()?;
        if done != Done::Yes {
            failed.push(*name);
        }
        let rest = &members[index + 1..];
        if done == Done::Failed && !rest.is_empty() {
            let names = selection::listed(rest);
            writeln!(out, "Not restarted because of that: {names}")?;
            failed.extend(rest);
            break;
        }
    }
    selection::outcome("restart", &failed)
}

async fn ask_one(
    cluster: &Cluster,
    view: &ClusterView,
    name: &MemberName,
    body: &Value,
    asking: Asking,
) -> Result<Answer, CallError> {
    let url = selection::api_url(view, name)?;
    let authentication = cluster.authentication.as_ref();
    let has_schedule = view.members[name]
        .value()
        .get("scheduled_restart")
        .is_some();
    if body.get("schedule").is_some() && has_schedule && asking == Asking::Nothing {
        let answer = rest::delete(url, "/restart", authentication, LIMIT).await?;
        // It may have happened meanwhile.
        if answer.status >= 400 && answer.status != 404 {
            return Ok(answer);
        }
    }
    rest::post(url, "/restart", body, authentication, LIMIT).await
}

fn done(answer: &Result<Answer, CallError>) -> Done {
    match answer {
        Ok(Answer {
            status: 200 | 202, ..
        }) => Done::Yes,
        Ok(Answer { status, body }) => {
            // What a member refuses before it begins says nothing about the others.
            let is_refusal = matches!(status, 401..500) || body.contains(NOT_MEANT);
            match is_refusal || body.contains("already in progress") {
                true => Done::LeftAlone,
                false => Done::Failed,
            }
        }
        Err(CallError::NotSent(_)) => Done::LeftAlone,
        Err(CallError::NoAnswer(_)) => Done::Failed,
    }
}

fn line(name: &MemberName, answer: &Result<Answer, CallError>) -> String {
    match answer.as_ref().map(|answer| answer.status) {
        Ok(200) => format!("Success: restart on member {name}"),
        Ok(202) => format!("Success: restart scheduled on member {name}"),
        Ok(409) => format!("Failed: another restart is already scheduled on member {name}"),
        _ => selection::failed("restart", name, answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_that_servers_have() {
        for version in ["9.6.24", "15.4", "10.0"] {
            assert_eq!(check_version(version).map_err(|error| error.line()), Ok(()));
        }
        for (version, told) in [
            (
                "15",
                "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: 15",
            ),
            (
                "9.6",
                "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: 9.6",
            ),
            ("15.x", "Invalid PostgreSQL version: 15.x"),
        ] {
            let line = check_version(version).unwrap_err().line();
            assert_eq!(line, format!("Error: {told}"));
        }
    }

    #[test]
    fn only_a_server_that_may_be_down_keeps_others_from_restarting() {
        let answered = |status, body: &str| {
            let body = body.to_owned();
            done(&Ok(Answer { status, body }))
        };
        assert_eq!(answered(200, "restarted successfully"), Done::Yes);
        assert_eq!(answered(202, "Restart scheduled"), Done::Yes);
        assert_eq!(answered(503, NOT_MEANT), Done::LeftAlone);
        assert_eq!(
            answered(503, "restart already in progress"),
            Done::LeftAlone
        );
        assert_eq!(answered(409, "Another restart"), Done::LeftAlone);
        assert_eq!(answered(503, "restart failed"), Done::Failed);
        assert_eq!(answered(503, "postgres is still starting"), Done::Failed);
        assert_eq!(answered(400, "restart failed"), Done::Failed);
        let text = || "x".to_owned();
        assert_eq!(done(&Err(CallError::NotSent(text()))), Done::LeftAlone);
        assert_eq!(done(&Err(CallError::NoAnswer(text()))), Done::Failed);
    }
}
