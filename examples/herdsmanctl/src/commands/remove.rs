//! `remove`: everything that the store knows of a cluster is deleted. Data directories are not
//! touched, but members that still run lose their leader.
//!
//! The invariant: three answers stand before it, and no option replaces them.

use std::io::Write;

use herdsman_agent::settings::ControlSettings;

use super::list;
use super::movement;
use crate::arguments::Remove;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::members::Extent;
use crate::prompt;

const SENTENCE: &str = "Yes I am aware";

/// Shows the cluster, asks, and deletes its keys.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Remove,
    out: &mut impl Write,
) -> Result<(), Error> {
    let cluster = Cluster::open(settings, Some(&arguments.cluster))?;
    let view = cluster.view().await?;
    let name = &cluster.name;
    let shown = list::text(name, &view, Extent::Filled, arguments.format);
    write!(out, "{shown}")?;
    let question = "Please confirm the cluster name to remove";
    if prompt::demand(out, question).await? != *name {
        return Error::refused("Cluster names specified do not match");
    }
    let question = format!(
        "You are about to remove all information in DCS for {name}, please type: \"{SENTENCE}\""
    );
    if prompt::demand(out, &question).await? != SENTENCE {
        return Error::refused(format!("You did not exactly type \"{SENTENCE}\""));
    }
    if let Some(leader) = movement::leader(&view) {
        let question =
            "This cluster currently is healthy. Please specify the leader name to continue";
        if prompt::demand(out, question).await? != leader {
            return Error::refused("You did not specify the current leader of the cluster");
        }
    }
    cluster.remove().await
}
