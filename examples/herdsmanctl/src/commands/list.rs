//! `list`: the members of clusters, once or again and again.

use std::io::Write;

use herdsman_agent::settings::ControlSettings;
use herdsman_ha_core::ClusterView;

use crate::arguments::{Format, List};
use crate::clock::Instant;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::members::{self, Extent};
use crate::sheet::Gaps;
use crate::watch;

/// Prints the members.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &List,
    out: &mut impl Write,
) -> Result<(), Error> {
    let clusters = clusters(settings, &arguments.clusters)?;
    if clusters.is_empty() {
        return Ok(());
    }
    watch::repeat(arguments.watch, out, async |out| {
        show(&clusters, arguments, out).await
    })
    .await
}

/// The clusters of those names, or else the one of the configuration; without that there is
/// nothing to show, which is told.
pub(super) fn clusters(
    settings: &ControlSettings,
    names: &[String],
) -> Result<Vec<Cluster>, Error> {
    if names.is_empty() {
        if settings.scope.is_none() {
            eprintln!("Warning: Listing members: No cluster names were provided");
            return Ok(Vec::new());
        }
        return Ok(vec![Cluster::open(settings, None)?]);
    }
    let clusters = names.iter().map(|name| Cluster::open(settings, Some(name)));
    clusters.collect()
}

async fn show(clusters: &[Cluster], arguments: &List, out: &mut impl Write) -> Result<(), Error> {
    if arguments.timestamp {
        writeln!(out, "{}", Instant::now().to_the_second())?;
    }
    let extent = if arguments.extended {
        Extent::All
    } else {
        Extent::Filled
    };
    for cluster in clusters {
        let (name, view) = (&cluster.name, cluster.view().await?);
        let text = text(name, &view, extent, arguments.format);
        write!(out, "{text}")?;
    }
    out.flush()?;
    Ok(())
}

/// The members in a format.
pub(super) fn text(name: &str, view: &ClusterView, extent: Extent, format: Format) -> String {
    let sheet = members::sheet(name, view, extent);
    match format {
        Format::Pretty => members::table(name, view, extent),
        Format::Tsv => sheet.separated("\t"),
        Format::Json => sheet.json(Gaps::LeftOut),
        Format::Yaml => format!("{}\n", sheet.yaml(Gaps::LeftOut)),
    }
}
