//! `reinit`: standbys throw their data away and copy it anew. A leader never does.

use std::io::Write;
use std::time::Duration;

use herdsman_agent::settings::ControlSettings;
use herdsman_ha_core::{ClusterView, MemberName};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::movement::Asking;
use super::selection;
use crate::arguments::{Reinit, Role};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::prompt;
use crate::rest::{self, Answer, CallError};

/// A member answers when it has begun.
const LIMIT: Duration = Duration::from_secs(30);
/// How often the members are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How long a member may be silent while it copies.
const SILENCE: Duration = Duration::from_secs(60);
/// What a member's answer ends with that is busy.
const BUSY: &str = " already in progress";

/// Asks the members one after the other, and waits for them when that is asked for.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Reinit,
    out: &mut impl Write,
) -> Result<(), Error> {
    let cluster = Cluster::open(settings, Some(&arguments.cluster))?;
    let view = cluster.view().await?;
    let asking = Asking::unless(arguments.force);
    let members = members(&cluster, &view, arguments, asking, out).await?;
    selection::confirm("reinitialize", &members, asking, out).await?;
    let (mut begun, mut failed) = (Vec::new(), Vec::new());
    for name in members {
        let answer = begin(&cluster, &view, name, arguments, out).await?;
        match &answer {
            Ok(answer) if answer.status < 400 => {
                writeln!(out, "Success: reinitialize for member {name}")?;
                begun.push(name);
            }
            _ => failed.push(name),
        }
        out.flush()?;
    }
    if arguments.wait {
        failed.extend(wait(&view, begun, out).await?);
    }
    selection::outcome("reinitialize", &failed)
}

/// Without names somebody has to say which: all at once is never meant.
async fn members<'a>(
    cluster: &Cluster,
    view: &'a ClusterView,
    arguments: &Reinit,
    asking: Asking,
    out: &mut impl Write,
) -> Result<Vec<&'a MemberName>, Error> {
    let members = selection::choose(cluster, view, &arguments.members, Role::Replica, out)?;
    if !arguments.members.is_empty() {
        return Ok(members);
    }
    if asking == Asking::Nothing {
        return Error::refused("name the members to reinitialize");
    }
    let names = selection::listed(&members);
    let question = format!("Which member do you want to reinitialize [{names}]?");
    let answer = prompt::ask(out, &question, "").await?;
    let chosen: Vec<_> = members
        .into_iter()
        .filter(|m| m.as_str() == answer)
        .collect();
    if chosen.is_empty() {
        return Error::refused(format!("{answer} is not a member of cluster"));
    }
    Ok(chosen)
}

async fn begin(
    cluster: &Cluster,
    view: &ClusterView,
    name: &MemberName,
    arguments: &Reinit,
    out: &mut impl Write,
) -> Result<Result<Answer, CallError>, Error> {
    let url = match selection::api_url(view, name) {
        Ok(url) => url,
        Err(error) => return Ok(Err(error)),
    };
    let mut is_forced = arguments.force;
    loop {
        let body = json!({"force": is_forced, "from_leader": arguments.from_leader});
        let authentication = cluster.authentication.as_ref();
        let answer = rest::post(url, "/reinitialize", &body, authentication, LIMIT).await;
        let is_begun = answer.as_ref().is_ok_and(|answer| answer.status < 400);
        if !is_begun {
            writeln!(out, "{}", selection::failed("reinitialize", name, &answer))?;
        }
        let is_busy = answer
            .as_ref()
            .is_ok_and(|answer| answer.body.trim_end().ends_with(BUSY));
        let question = "Do you want to cancel it and reinitialize anyway?";
        let may_ask = !is_begun && is_busy && !is_forced;
        if !may_ask || !prompt::confirm(out, question).await? {
            return Ok(answer);
        }
        is_forced = true;
    }
}

/// Waits until the members run again; returns those that fell silent.
async fn wait<'a>(
    view: &ClusterView,
    mut waiting: Vec<&'a MemberName>,
    out: &mut impl Write,
) -> Result<Vec<&'a MemberName>, Error> {
    let mut silent = Vec::new();
    let mut heard: Vec<Instant> = vec![Instant::now(); waiting.len()];
    let mut is_news = true;
    while !waiting.is_empty() {
        if is_news {
            let names = selection::listed(&waiting);
            writeln!(out, "Waiting for reinitialize to complete on: {names}")?;
            out.flush()?;
        }
        sleep(LOOK).await;
        let before = waiting.len();
        for index in (0..before).rev() {
            let name = waiting[index];
            let state = state(view, name).await;
            let is_done = state.as_deref() == Some("running");
            if state.is_some() {
                heard[index] = Instant::now();
            }
            if is_done {
                writeln!(out, "Reinitialize is completed on: {name}")?;
            } else if heard[index].elapsed() >= SILENCE {
                let seconds = SILENCE.as_secs();
                writeln!(out, "Failed: member {name} is silent for {seconds} seconds")?;
                silent.push(name);
            } else {
                continue;
            }
            waiting.remove(index);
            heard.remove(index);
        }
        is_news = waiting.len() != before;
    }
    Ok(silent)
}

async fn state(view: &ClusterView, name: &MemberName) -> Option<String> {
    let url = selection::api_url(view, name).ok()?;
    let answer = rest::get(url, "/patroni", LIMIT).await.ok()?;
    let status: Value = serde_json::from_str(&answer.body).ok()?;
    Some(status.get("state")?.as_str()?.to_owned())
}
