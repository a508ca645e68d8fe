//! `list`: the members of clusters, once or again and again.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use herdsman_agent::settings::ControlSettings;

use crate::arguments::{Format, List};
use crate::clock::Instant;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::members::{self, Extent};

/// What `-W` means.
const DEFAULT_PAUSE: Duration = Duration::from_secs(2);
/// Empties a terminal and goes to its first line.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Prints the members.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &List,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut names: Vec<Option<&str>> = arguments.clusters.iter().map(|c| Some(&**c)).collect();
    if names.is_empty() {
        if settings.scope.is_none() {
            eprintln!("Warning: Listing members: No cluster names were provided");
            return Ok(());
        }
        names.push(None);
    }
    let clusters = names.into_iter().map(|name| Cluster::open(settings, name));
    let clusters: Vec<Cluster> = clusters.collect::<Result<_, _>>()?;
    let default = arguments.watch_default.then_some(DEFAULT_PAUSE);
    let Some(pause) = arguments.watch.or(default) else {
        return show(&clusters, arguments, out).await;
    };
    loop {
        if io::stdout().is_terminal() {
            write!(out, "{CLEAR}")?;
        }
        match show(&clusters, arguments, out).await {
            // Whoever watches a cluster in trouble wants to see how it goes on.
            Err(error @ Error::Store { .. }) => eprintln!("{}", error.line()),
            other => other?,
        }
        tokio::time::sleep(pause).await;
    }
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
        let text = match arguments.format {
            Format::Pretty => members::table(name, &view, extent),
            Format::Tsv => members::sheet(name, &view, extent).tsv(),
            Format::Json => members::sheet(name, &view, extent).json(),
            Format::Yaml => format!("{}\n", members::sheet(name, &view, extent).yaml()),
        };
        write!(out, "{text}")?;
    }
    out.flush()?;
    Ok(())
}
