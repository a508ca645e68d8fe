//! `version`: which program this is, and which ones keep a cluster.

use std::io::Write;
use std::time::Duration;

use herdsman_agent::settings::ControlSettings;
use serde_json::Value;

use crate::arguments::Version;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::rest;

/// A member reads its answer from memory.
const LIMIT: Duration = Duration::from_secs(5);

/// Prints our own version. Needs no configuration and asks nobody.
pub(super) fn own(out: &mut impl Write) -> Result<(), Error> {
    writeln!(out, "herdsmanctl version {}", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}

/// Asks the members of the cluster and prints their versions.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Version,
    out: &mut impl Write,
) -> Result<(), Error> {
    writeln!(out)?;
    let cluster = Cluster::open(settings, arguments.cluster.as_deref())?;
    let view = cluster.view().await?;
    let mut silent = Vec::new();
    for (name, member) in &view.members {
        let is_meant = |wanted: &String| wanted == name.as_str();
        let is_asked = arguments.members.is_empty() || arguments.members.iter().any(is_meant);
        let Some(api_url) = member.api_url.as_ref().filter(|_| is_asked) else {
            continue;
        };
        let program = match member.instance {
            // What it tells is the version whose interfaces it has.
            Some(_) => "herdsman, as Patroni",
            None => "Patroni",
        };
        match ask(api_url).await {
            Ok(versions) => writeln!(out, "{name}: {program} {versions}")?,
            Err(why) => {
                silent.push(name.as_str());
                writeln!(out, "{name}: failed to get version: {why}")?;
            }
        }
    }
    if silent.is_empty() {
        return Ok(());
    }
    let silent = silent.join(", ");
    Err(Error::Failed(format!("no version of {silent}")))
}

async fn ask(api_url: &str) -> Result<String, String> {
    let answer = rest::get(api_url, "/patroni", LIMIT).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let status: Value = serde_json::from_str(&answer.body)
        .map_err(|_| format!("it answered with status {} and no JSON", answer.status))?;
    let program = status.get("patroni").and_then(|own| own.get("version"));
    let program = program.and_then(Value::as_str).unwrap_or("unknown");
    let server = status.get("server_version").and_then(Value::as_u64);
    let server = server.map_or_else(String::new, |number| {
        format!(" PostgreSQL {}", server_version(number))
    });
    Ok(format!("{program}{server}"))
}

fn server_version(number: u64) -> String {
    let (major, minor) = (number / 10_000, number % 10_000);
    if major < 10 {
        return format!("{major}.{}.{}", minor / 100, minor % 100);
    }
    format!("{major}.{}", minor % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_servers_are_written_as_their_authors_do() {
        for (number, text) in [(90_624, "9.6.24"), (100_000, "10.0"), (150_018, "15.18")] {
            assert_eq!(server_version(number), text);
        }
    }
}
