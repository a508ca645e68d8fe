//! `switchover`: the leadership moves in order, from a leader that is named to another member.

use std::io::Write;

use herdsman_agent::settings::ControlSettings;
use herdsman_ha_core::ClusterView;

use super::movement::{self, Action, Asking, Move};
use crate::arguments::Switchover;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::prompt;
use crate::schedule::{self, When};

/// Asks what is not said, then asks the members.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Switchover,
    out: &mut impl Write,
) -> Result<(), Error> {
    let cluster = Cluster::open(settings, arguments.cluster.as_deref())?;
    let view = movement::begin(&cluster, out).await?;
    let wanted = wanted(&cluster, &view, arguments, out).await?;
    movement::carry_out(&cluster, &view, &wanted, out).await
}

async fn wanted(
    cluster: &Cluster,
    view: &ClusterView,
    arguments: &Switchover,
    out: &mut impl Write,
) -> Result<Move, Error> {
    let asking = Asking::unless(arguments.force);
    let Some(current) = movement::leader(view) else {
        return Error::refused("This cluster has no leader");
    };
    let leader = match (&arguments.leader, asking) {
        (Some(leader), _) => leader.clone(),
        (None, Asking::Nothing) => current.to_owned(),
        (None, Asking::Questions) => prompt::ask(out, leaders_title(view), current).await?,
    };
    let name = &cluster.name;
    if leader != current {
        return Error::refused(format!(
            "Member {leader} is not the leader of cluster {name}"
        ));
    }
    let options = (arguments.candidate.as_deref(), asking);
    let candidate = movement::candidate(cluster, view, Action::Switchover, options, out).await?;
    let when = match (&arguments.scheduled, asking) {
        (Some(when), _) => when.clone(),
        (None, Asking::Nothing) => "now".to_owned(),
        (None, Asking::Questions) => {
            let example = schedule::in_an_hour();
            let question = format!("When should the switchover take place (e.g. {example} ) ");
            prompt::ask(out, &question, "now").await?
        }
    };
    let at = match schedule::parse(&when)? {
        When::Now => None,
        When::At(_) if view.rules.as_ref().is_some_and(|rules| rules.pause) => {
            return Error::refused("Can't schedule switchover in the paused state");
        }
        When::At(at) => Some(at),
    };
    if asking == Asking::Questions {
        confirm(name, current, at.as_deref(), out).await?;
    }
    Ok(Move {
        action: Action::Switchover,
        leader: Some(leader),
        candidate,
        at,
    })
}

fn leaders_title(view: &ClusterView) -> &'static str {
    let rules = view.rules.as_ref();
    if rules.is_some_and(|rules| rules.standby_cluster.is_some()) {
        return "Standby Leader";
    }
    "Primary"
}

async fn confirm(
    cluster: &str,
    leader: &str,
    at: Option<&str>,
    out: &mut impl Write,
) -> Result<(), Error> {
    let (question, refusal) = match at {
        Some(at) => (
            format!("schedule switchover of cluster {cluster} at {at}"),
            "Aborting scheduled switchover",
        ),
        None => (
            format!("switchover cluster {cluster}"),
            "Aborting switchover",
        ),
    };
    let question =
        format!("Are you sure you want to {question}, demoting current leader {leader}?");
    if prompt::confirm(out, &question).await? {
        return Ok(());
    }
    Error::refused(refusal)
}
