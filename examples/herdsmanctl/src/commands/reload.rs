//! `reload`: the members read their configuration files again.

use std::io::Write;
use std::time::Duration;

use herdsman_agent::settings::ControlSettings;
use serde_json::json;

use super::movement::Asking;
use super::selection;
use crate::arguments::Reload;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::rest;

/// A member only takes a note of it.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks the members one after the other.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Reload,
    out: &mut impl Write,
) -> Result<(), Error> {
    let some = &arguments.some;
    let cluster = Cluster::open(settings, Some(&some.cluster))?;
    let view = cluster.view().await?;
    let members = selection::choose(&cluster, &view, &some.members, some.role, out)?;
    selection::confirm("reload", &members, Asking::unless(some.force), out).await?;
    let loop_wait = view.rules.clone().unwrap_or_default().loop_wait.as_secs();
    let mut failed = Vec::new();
    for name in members {
        let answer = match selection::api_url(&view, name) {
            Ok(url) => {
                let authentication = cluster.authentication.as_ref();
                rest::post(url, "/reload", &json!({}), authentication, LIMIT).await
            }
            Err(error) => Err(error),
        };
        match answer.as_ref().map(|answer| answer.status) {
            Ok(200) => writeln!(out, "No changes to apply on member {name}")?,
            Ok(202) => writeln!(
                out,
                "Reload request received for member {name} and will be processed \
                 within {loop_wait} seconds"
            )?,
            _ => {
                writeln!(out, "{}", selection::failed("reload", name, &answer))?;
                failed.push(name);
            }
        }
    }
    selection::outcome("reload", &failed)
}
