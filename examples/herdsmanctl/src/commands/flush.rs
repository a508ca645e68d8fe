//! `flush`: what was planned for later does not happen.

use std::io::Write;
use std::time::Duration;

use herdsman_agent::settings::ControlSettings;
use herdsman_ha_core::schema::key;
use herdsman_ha_core::{ClusterView, MemberName};
use serde_json::json;

use super::movement::Asking;
use super::selection;
use crate::arguments::{Flush, Target};
use crate::clock::Instant;
use crate::cluster::{Cluster, Written};
use crate::error::Error;
use crate::members;
use crate::rest::{self, Answer, CallError};

/// A member answers from memory, or after one write to the store.
const LIMIT: Duration = Duration::from_secs(15);

/// Asks the members that have a plan, or any that can drop the cluster's.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Flush,
    target: Target,
    out: &mut impl Write,
) -> Result<(), Error> {
    let cluster = Cluster::open(settings, Some(arguments.cluster()))?;
    let view = cluster.view().await?;
    match target {
        Target::Restart => restarts(&cluster, &view, arguments, out).await,
        Target::Switchover => switchover(&cluster, &view, out).await,
    }
}

async fn restarts(
    cluster: &Cluster,
    view: &ClusterView,
    arguments: &Flush,
    out: &mut impl Write,
) -> Result<(), Error> {
    let names = arguments.members();
    let members = selection::choose(cluster, view, names, arguments.role, out)?;
    selection::confirm("flush", &members, Asking::unless(arguments.force), out).await?;
    let mut failed = Vec::new();
    for name in members {
        if view.members[name]
            .value()
            .get("scheduled_restart")
            .is_none()
        {
            writeln!(out, "No scheduled restart for member {name}")?;
            continue;
        }
        let action = "flush scheduled restart";
        let answer = forget(cluster, view, name, "/restart").await;
        if answer.as_ref().is_ok_and(|answer| answer.status < 400) {
            writeln!(out, "Success: {action} for member {name}")?;
        } else {
            writeln!(out, "{}", selection::failed(action, name, &answer))?;
            failed.push(name);
        }
    }
    selection::outcome("flush", &failed)
}

async fn switchover(
    cluster: &Cluster,
    view: &ClusterView,
    out: &mut impl Write,
) -> Result<(), Error> {
    let planned = view.failover.value.as_ref();
    if planned.is_none_or(|planned| planned.scheduled_at.is_none()) {
        writeln!(out, "No pending scheduled switchover")?;
        return Ok(());
    }
    let mut members: Vec<&MemberName> = view.members.keys().collect();
    members.sort_by_key(|name| !members::is_leader(view, name));
    let mut has_answer = false;
    for name in members {
        match forget(cluster, view, name, "/switchover").await {
            Ok(answer) => {
                let body = answer.body.trim_end();
                match answer.status {
                    200 => {
                        writeln!(out, "Success: {body}")?;
                        return Ok(());
                    }
                    404 => return Err(Error::Failed(body.to_owned())),
                    status => {
                        writeln!(out, "Failed: member={name}, status_code={status}, ({body})")?
                    }
                }
                has_answer = true;
            }
            Err(why) => eprintln!("Warning: member {name}: {why}"),
        }
    }
    if has_answer {
        return Err(Error::Failed("no member deleted the switchover".to_owned()));
    }
    let (time, name) = (Instant::now().to_the_second(), &cluster.name);
    writeln!(
        out,
        "{time} Could not find any accessible member of cluster {name}"
    )?;
    let seen = view.failover.revision;
    let nothing = json!({});
    let written = cluster.put_unless_changed(key::FAILOVER, seen, &nothing);
    if written.await? == Written::SomebodyElse {
        let text = "the planned switchover changed meanwhile; look at it and try again";
        return Err(Error::Failed(text.to_owned()));
    }
    writeln!(out, "Success: scheduled switchover deleted")?;
    Ok(())
}

async fn forget(
    cluster: &Cluster,
    view: &ClusterView,
    name: &MemberName,
    page: &str,
) -> Result<Answer, CallError> {
    let url = selection::api_url(view, name)?;
    rest::delete(url, page, cluster.authentication.as_ref(), LIMIT).await
}
