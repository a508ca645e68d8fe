//! `dsn`: where a member's PostgreSQL is reached. Neither a user nor a password is known here.

use std::io::Write;

use herdsman_agent::settings::ControlSettings;

use crate::arguments::Dsn;
use crate::choice;
use crate::cluster::Cluster;
use crate::error::Error;

/// Prints host and port.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Dsn,
    out: &mut impl Write,
) -> Result<(), Error> {
    let wanted = choice::one(arguments.role, arguments.member.as_deref())?;
    let cluster = Cluster::open(settings, arguments.cluster.as_deref())?;
    let view = cluster.view().await?;
    let member = choice::first(&view, wanted);
    let endpoint = member.and_then(|member| view.members[member].endpoint.as_ref());
    let Some((host, port)) = endpoint else {
        return Error::refused("Can not find a suitable member");
    };
    writeln!(out, "host={host} port={port}")?;
    Ok(())
}
