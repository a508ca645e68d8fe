//! `demote-cluster` and `promote-cluster`: one section of the dynamic configuration, changed through
//! the leader's REST interface, and what becomes of it, second by second.
//!
//! Success is told only when the store shows the leader in its new role.

use std::io::Write;
use std::time::Duration;

use herdsman_agent::settings::ControlSettings;
use herdsman_ha_core::{ClusterView, MemberName};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::selection;
use crate::arguments::{DemoteCluster, PromoteCluster};
use crate::clock::Instant;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::members::{self, Extent};
use crate::prompt;
use crate::rest;

/// A member answers after one write to the store.
const LIMIT: Duration = Duration::from_secs(15);
/// How often the cluster is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What a cluster shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// One that follows another.
    Standby,
    /// One of its own.
    Primary,
}

impl Wanted {
    fn verb(self) -> &'static str {
        match self {
            Self::Standby => "demote",
            Self::Primary => "promote",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Standby => "demotion",
            Self::Primary => "promotion",
        }
    }

    /// The role of its leader.
    fn role(self) -> &'static str {
        match self {
            Self::Standby => "standby_leader",
            Self::Primary => "primary",
        }
    }
}

/// Makes the cluster follow another one.
pub(super) async fn demote(
    settings: &ControlSettings,
    arguments: &DemoteCluster,
    out: &mut impl Write,
) -> Result<(), Error> {
    let section = section(arguments);
    let names_a_source = ["host", "port", "restore_command"]
        .iter()
        .any(|key| section.contains_key(*key));
    if !names_a_source {
        return Error::refused("At least --host, --port or --restore-command should be specified");
    }
    let cluster = Cluster::open(settings, arguments.cluster.as_deref())?;
    let section = Value::Object(section);
    convert(&cluster, Wanted::Standby, &section, arguments.force, out).await
}

/// Makes the cluster one of its own.
pub(super) async fn promote(
    settings: &ControlSettings,
    arguments: &PromoteCluster,
    out: &mut impl Write,
) -> Result<(), Error> {
    let cluster = Cluster::open(settings, arguments.cluster.as_deref())?;
    convert(
        &cluster,
        Wanted::Primary,
        &Value::Null,
        arguments.force,
        out,
    )
    .await
}

fn section(arguments: &DemoteCluster) -> Map<String, Value> {
    let texts = [
        ("host", &arguments.host),
        ("restore_command", &arguments.restore_command),
        ("primary_slot_name", &arguments.primary_slot_name),
    ];
    let given = texts.into_iter().filter_map(|(key, text)| {
        let text = text.as_ref().filter(|text| !text.is_empty())?;
        Some((key.to_owned(), json!(text)))
    });
    let port = arguments.port.map(|port| ("port".to_owned(), json!(port)));
    given.chain(port).collect()
}

async fn convert(
    cluster: &Cluster,
    wanted: Wanted,
    section: &Value,
    is_forced: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let (name, verb) = (&cluster.name, wanted.verb());
    let view = cluster.view().await?;
    let leader = view.leader.as_ref().map(|leader| leader.name.clone());
    let known = leader.filter(|leader| view.members.contains_key(leader));
    let Some(leader) = known else {
        let noun = wanted.noun();
        return Error::refused(format!("Cluster has no leader, {noun} is not possible"));
    };
    if role(&view, &leader) == Some(wanted.role()) {
        return Error::refused("Cluster is already in the required state");
    }
    let question = format!("Are you sure you want to {verb} {name} cluster?");
    if !is_forced && !prompt::confirm(out, &question).await? {
        return Error::refused(format!("Aborted cluster {}", wanted.noun()));
    }
    let failed = |why: String| Error::Failed(format!("Failed to {verb} {name} cluster: {why}"));
    let body = json!({ "standby_cluster": section });
    let url = selection::api_url(&view, &leader).map_err(|error| failed(error.to_string()))?;
    let authentication = cluster.authentication.as_ref();
    let answer = rest::patch(url, "/config", &body, authentication, LIMIT)
        .await
        .map_err(|error| failed(error.to_string()))?;
    if answer.status != 200 {
        let (status, body) = (answer.status, answer.body.trim_end());
        return Err(failed(format!(
            "/config PATCH status code={status}, {body}"
        )));
    }
    let view = watch(cluster, wanted, &leader, out).await?;
    write!(out, "{}", members::table(name, &view, Extent::Filled))?;
    Ok(())
}

/// Waits without an end: how long a stop, a rewind or a promotion takes is seen and judged by
/// whoever reads the lines.
async fn watch(
    cluster: &Cluster,
    wanted: Wanted,
    old_leader: &MemberName,
    out: &mut impl Write,
) -> Result<ClusterView, Error> {
    loop {
        sleep(LOOK).await;
        let view = cluster.view().await?;
        let time = Instant::now().to_the_millisecond();
        if is_done(&view, wanted, old_leader) {
            writeln!(out, "{time} cluster is successfully {}d", wanted.verb())?;
            return Ok(view);
        }
        writeln!(out, "{time} {}", progress(&view, wanted, old_leader))?;
        out.flush()?;
    }
}

fn is_done(view: &ClusterView, wanted: Wanted, old_leader: &MemberName) -> bool {
    let leader = view.leader.as_ref().map(|leader| &leader.name);
    let is_led = leader.is_some_and(|leader| {
        role(view, leader) == Some(wanted.role()) && state(view, leader) == Some("running")
    });
    // A former primary that does not come back has not been demoted.
    is_led && (wanted == Wanted::Primary || state(view, old_leader) == Some("running"))
}

fn progress(view: &ClusterView, wanted: Wanted, old_leader: &MemberName) -> String {
    let leader = view.leader.as_ref().map(|leader| &leader.name);
    let is_unlocked = if leader.is_none() { "True" } else { "False" };
    let leader_role = leader
        .and_then(|leader| role(view, leader))
        .unwrap_or("None");
    let leader_state = shown(leader.and_then(|leader| state(view, leader)));
    let mut text = format!(
        "cluster is unlocked: {is_unlocked}, leader role: {leader_role}, \
         leader state: {leader_state}"
    );
    let is_other = leader.is_some_and(|leader| leader != old_leader);
    let old_state = state(view, old_leader).filter(|_| is_other && wanted == Wanted::Standby);
    if old_state.is_some() {
        text.push_str(&format!(", previous leader state: {}", shown(old_state)));
    }
    text
}

fn shown(state: Option<&str>) -> String {
    state.map_or_else(|| "None".to_owned(), |state| format!("'{state}'"))
}

fn role<'a>(view: &'a ClusterView, member: &MemberName) -> Option<&'a str> {
    let role = view.members.get(member)?.role.as_str();
    // An old name of the same.
    Some(if role == "master" { "primary" } else { role })
}

fn state<'a>(view: &'a ClusterView, member: &MemberName) -> Option<&'a str> {
    Some(view.members.get(member)?.state.as_str())
}
