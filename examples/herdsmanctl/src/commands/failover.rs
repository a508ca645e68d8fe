//! `failover`: the leadership goes to a member that is named, also when nobody has it.

use std::io::Write;

use herdsman_agent::settings::ControlSettings;
use herdsman_ha_core::{ClusterView, SynchronousMode};

use super::movement::{self, Action, Asking, Move};
use crate::arguments::Failover;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::prompt;

/// Asks what is not said, then asks the members.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Failover,
    out: &mut impl Write,
) -> Result<(), Error> {
    let cluster = Cluster::open(settings, arguments.cluster.as_deref())?;
    let view = movement::begin(&cluster, out).await?;
    let asking = Asking::unless(arguments.force);
    let options = (arguments.candidate.as_deref(), asking);
    let candidate = movement::candidate(&cluster, &view, Action::Failover, options, out).await?;
    let Some(candidate) = candidate else {
        return Error::refused("Failover could be performed only to a specific candidate");
    };
    if asking == Asking::Questions {
        confirm(&cluster.name, &view, &candidate, out).await?;
    }
    let wanted = Move {
        action: Action::Failover,
        leader: None,
        candidate: Some(candidate),
        at: None,
    };
    movement::carry_out(&cluster, &view, &wanted, out).await
}

async fn confirm(
    cluster: &str,
    view: &ClusterView,
    candidate: &str,
    out: &mut impl Write,
) -> Result<(), Error> {
    if may_miss_commits(view, candidate) {
        let question =
            format!("Are you sure you want to failover to the asynchronous node {candidate}?");
        if !prompt::confirm(out, &question).await? {
            return Error::refused("Aborting failover");
        }
    }
    let demoted = movement::leader(view)
        .map(|leader| format!(", demoting current leader {leader}"))
        .unwrap_or_default();
    let question = format!("Are you sure you want to failover cluster {cluster}{demoted}?");
    if prompt::confirm(out, &question).await? {
        return Ok(());
    }
    Error::refused("Aborting failover")
}

/// Whether commits may have been acknowledged without the candidate.
fn may_miss_commits(view: &ClusterView, candidate: &str) -> bool {
    let rules = view.rules.as_ref();
    let is_synchronous = rules.is_some_and(|rules| rules.synchronous_mode != SynchronousMode::Off);
    let sync = &view.sync.value;
    let mut named = sync.standbys.iter().chain(&sync.leader);
    let is_named = named.any(|name| name.as_str().eq_ignore_ascii_case(candidate));
    is_synchronous && sync.is_in_force() && !is_named
}
