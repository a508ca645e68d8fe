//! `show-config`: the dynamic configuration as it stands in the store.

use std::io::Write;

use herdsman_agent::settings::ControlSettings;
use serde_json::Value;

use crate::arguments::OneCluster;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::sheet::block;

/// Prints the configuration; nothing when there is none.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &OneCluster,
    out: &mut impl Write,
) -> Result<(), Error> {
    let cluster = Cluster::open(settings, arguments.cluster.as_deref())?;
    let view = cluster.view().await?;
    if let Some(config @ Value::Object(_)) = view.config.value.as_deref() {
        writeln!(out, "{}\n", block(config))?;
    }
    Ok(())
}
