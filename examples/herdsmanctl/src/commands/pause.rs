//! `pause` and `resume`: one key of the dynamic configuration, changed in the store itself, so
//! that it works while no member answers.
//!
//! The invariant: the change is made to the configuration that was read, never over a newer one.

use std::io::Write;
use std::time::Duration;

use herdsman_agent::settings::ControlSettings;
use herdsman_ha_core::schema::key;
use herdsman_ha_core::{ClusterView, MemberName, Revision, truth};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

use crate::arguments::Pause;
use crate::cluster::{Cluster, Written};
use crate::error::Error;

/// What the members shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Leave PostgreSQL alone.
    Paused,
    /// Look after PostgreSQL.
    Managed,
}

/// How often somebody else may be faster.
const ATTEMPTS: usize = 10;
/// How often the members are looked at.
const LOOK: Duration = Duration::from_millis(300);
/// How much longer than one round of their loop members may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Changes the configuration, and waits for the members when that is asked for.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Pause,
    wanted: Wanted,
    out: &mut impl Write,
) -> Result<(), Error> {
    let cluster = Cluster::open(settings, arguments.cluster.as_deref())?;
    let loop_wait = write(&cluster, wanted).await?;
    if arguments.wait {
        let word = match wanted {
            Wanted::Paused => "pause",
            Wanted::Managed => "resume",
        };
        writeln!(
            out,
            "'{word}' request sent, waiting until it is recognized by all nodes"
        )?;
        out.flush()?;
        wait(&cluster, wanted, loop_wait + PATIENCE).await?;
    }
    let state = match wanted {
        Wanted::Paused => "paused",
        Wanted::Managed => "resumed",
    };
    writeln!(out, "Success: cluster management is {state}")?;
    Ok(())
}

/// Returns how long one round of the members' loop takes.
async fn write(cluster: &Cluster, wanted: Wanted) -> Result<Duration, Error> {
    for _ in 0..ATTEMPTS {
        let view = cluster.view().await?;
        let (revision, config) = config(&cluster.name, &view)?;
        let is_paused = config.get("pause").and_then(truth).unwrap_or(false);
        let changed = match (wanted, is_paused) {
            (Wanted::Paused, true) => return Error::refused("Cluster is already paused"),
            (Wanted::Managed, false) => return Error::refused("Cluster is not paused"),
            (Wanted::Paused, false) => with_pause(config),
            (Wanted::Managed, true) => without_pause(config),
        };
        let written = cluster.put_unless_changed(key::CONFIG, Some(revision), &changed);
        if written.await? == Written::Yes {
            return Ok(view.rules.unwrap_or_default().loop_wait);
        }
    }
    Err(Error::Failed(format!(
        "the configuration of cluster {} was changed by others {ATTEMPTS} times in a row; \
         nothing was written, try again",
        cluster.name
    )))
}

/// The configuration and when it was written.
pub(super) fn config<'a>(
    name: &str,
    view: &'a ClusterView,
) -> Result<(Revision, &'a Map<String, Value>), Error> {
    let config = view.config.value.as_deref().and_then(Value::as_object);
    match (view.config.revision, config) {
        (Some(revision), Some(config)) => Ok((revision, config)),
        (None, _) | (_, None) => {
            let text = format!("The config key does not exist in the cluster {name}");
            Err(Error::Refused(text))
        }
    }
}

fn with_pause(config: &Map<String, Value>) -> Value {
    let mut config = config.clone();
    config.insert("pause".to_owned(), Value::Bool(true));
    Value::Object(config)
}

fn without_pause(config: &Map<String, Value>) -> Value {
    let mut config = config.clone();
    config.remove("pause");
    Value::Object(config)
}

/// Waits until every member that is registered says that it noticed.
async fn wait(cluster: &Cluster, wanted: Wanted, limit: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + limit;
    loop {
        let view = cluster.view().await?;
        let waiting = unaware(&view, wanted);
        if waiting.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Error::Failed(format!(
                "{} members didn't recognized pause state after {} seconds",
                waiting.join(", "),
                limit.as_secs()
            )));
        }
        sleep(LOOK).await;
    }
}

fn unaware(view: &ClusterView, wanted: Wanted) -> Vec<&str> {
    let others = view.members.iter().filter(|(_, member)| {
        let value = member.value();
        let says = value.get("pause").and_then(truth).unwrap_or(false);
        says != (wanted == Wanted::Paused)
    });
    others.map(|(name, _)| MemberName::as_str(name)).collect()
}
