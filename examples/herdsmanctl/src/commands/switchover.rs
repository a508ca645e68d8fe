//! `switchover`: the leadership moves in order, from a leader that is named to another member.
//!
//! The invariant: a second member is asked only when the first cannot have received the request.

use std::io::Write;
use std::time::Duration;

use herdsman_agent::settings::ControlSettings;
use herdsman_ha_core::{ClusterView, MemberName};
use serde_json::{Map, Value};

use crate::arguments::Switchover;
use crate::clock::Instant;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::members::{self, Extent};
use crate::prompt;
use crate::rest::{self, Answer, CallError};

/// A member gives up after twice its loop, or twice this.
const SHORTEST_LOOP: Duration = Duration::from_secs(10);
/// How much later than that its answer may come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who gives the leadership to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Move {
    leader: String,
    candidate: Option<String>,
}

/// Asks what is not said, then asks the members.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Switchover,
    out: &mut impl Write,
) -> Result<(), Error> {
    let cluster = Cluster::open(settings, arguments.cluster.as_deref())?;
    let view = cluster.view().await?;
    writeln!(out, "Current cluster topology")?;
    write!(
        out,
        "{}",
        members::table(&cluster.name, &view, Extent::Filled)
    )?;
    let wanted = wanted(&cluster.name, &view, arguments, out).await?;
    out.flush()?;
    let answer = ask_members(&cluster, &view, &wanted).await?;
    let text = answer.body.split_whitespace().collect::<Vec<_>>().join(" ");
    if !matches!(answer.status, 200 | 202) {
        return Err(failure(answer.status, &text));
    }
    writeln!(out, "{} {text}", Instant::now().to_the_millisecond())?;
    let view = cluster.view().await?;
    write!(
        out,
        "{}",
        members::table(&cluster.name, &view, Extent::Filled)
    )?;
    Ok(())
}

async fn wanted(
    cluster: &str,
    view: &ClusterView,
    arguments: &Switchover,
    out: &mut impl Write,
) -> Result<Move, Error> {
    let Some(current) = view.leader.as_ref().map(|leader| leader.name.as_str()) else {
        return refused("This cluster has no leader");
    };
    let leader = match &arguments.leader {
        Some(leader) => leader.clone(),
        None if arguments.force => current.to_owned(),
        None => {
            let follows = view
                .rules
                .as_ref()
                .is_some_and(|rules| rules.standby_cluster);
            let word = if follows { "Standby Leader" } else { "Primary" };
            prompt::ask(out, word, current).await?
        }
    };
    if leader != current {
        return refused(format!(
            "Member {leader} is not the leader of cluster {cluster}"
        ));
    }
    let candidates = candidates(view, current);
    if candidates.is_empty() {
        return refused("No candidates found to switchover to");
    }
    let candidate = match &arguments.candidate {
        Some(candidate) => Some(candidate.clone()),
        None if arguments.force => None,
        None => {
            let names: Vec<String> = candidates.iter().map(|name| format!("'{name}'")).collect();
            let question = format!("Candidate [{}]", names.join(", "));
            Some(prompt::ask(out, &question, "").await?).filter(|answer| !answer.is_empty())
        }
    };
    if let Some(candidate) = &candidate {
        check_candidate(cluster, current, &candidates, candidate)?;
    }
    let when = match &arguments.scheduled {
        Some(when) => when.clone(),
        None if arguments.force => "now".to_owned(),
        None => prompt::ask(out, "When should the switchover take place", "now").await?,
    };
    if when != "now" {
        return refused("a scheduled switchover is not served yet: say `now`, at the time");
    }
    if !arguments.force {
        let question = format!(
            "Are you sure you want to switchover cluster {cluster}, \
             demoting current leader {current}?"
        );
        if !prompt::confirm(out, &question).await? {
            return refused("Aborting switchover");
        }
    }
    Ok(Move { leader, candidate })
}

fn refused<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::Refused(text.into()))
}

/// Who may be asked to lead.
fn candidates<'a>(view: &'a ClusterView, leader: &str) -> Vec<&'a str> {
    let others = view
        .members
        .iter()
        .filter(|(name, member)| name.as_str() != leader && !member.tags.is_nofailover());
    others.map(|(name, _)| MemberName::as_str(name)).collect()
}

fn check_candidate(
    cluster: &str,
    leader: &str,
    candidates: &[&str],
    candidate: &str,
) -> Result<(), Error> {
    if candidate == leader {
        return refused(format!(
            "Member {candidate} is already the leader of cluster {cluster}"
        ));
    }
    if !candidates.contains(&candidate) {
        return refused(format!(
            "Member {candidate} does not exist in cluster {cluster} or is tagged as nofailover"
        ));
    }
    Ok(())
}

/// Asks the leader, or, while nobody answers, the others.
async fn ask_members(
    cluster: &Cluster,
    view: &ClusterView,
    wanted: &Move,
) -> Result<Answer, Error> {
    let mut body = Map::new();
    body.insert("leader".to_owned(), Value::from(wanted.leader.as_str()));
    if let Some(candidate) = &wanted.candidate {
        body.insert("candidate".to_owned(), Value::from(candidate.as_str()));
    }
    let body = Value::Object(body);
    let loop_wait = view.rules.clone().unwrap_or_default().loop_wait;
    let limit = 2 * loop_wait.max(SHORTEST_LOOP) + PATIENCE;
    let mut called: Vec<(&MemberName, &String)> = view
        .members
        .iter()
        .filter_map(|(name, member)| Some((name, member.api_url.as_ref()?)))
        .collect();
    called.sort_by_key(|(name, _)| name.as_str() != wanted.leader);
    for (name, api_url) in called {
        let authentication = cluster.authentication.as_ref();
        match rest::post(api_url, "/switchover", &body, authentication, limit).await {
            Ok(answer) => return Ok(answer),
            Err(CallError::NotSent(why)) => eprintln!("Warning: member {name}: {why}"),
            Err(CallError::NoAnswer(why)) => {
                return Err(Error::Failed(format!(
                    "Switchover result unknown, member {name}: {why}; \
                     it may still be in progress, look at `herdsmanctl list`"
                )));
            }
        }
    }
    Err(Error::Failed(format!(
        "Can not find accessible cluster member of cluster {}; nothing was changed",
        cluster.name
    )))
}

fn failure(status: u16, text: &str) -> Error {
    let outcome = if text.contains("status unknown") {
        "result unknown"
    } else {
        "failed"
    };
    let advice = match status {
        401 | 403 => "; see authentication below ctl or restapi in the configuration",
        _ => "",
    };
    Error::Failed(format!(
        "Switchover {outcome}, details: {status}, {text}{advice}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_whether_the_outcome_is_known() {
        let line = |status, text| failure(status, text).line();
        assert_eq!(
            line(412, "leader name does not match"),
            "Error: Switchover failed, details: 412, leader name does not match"
        );
        assert_eq!(
            line(503, "Switchover status unknown after 20 seconds"),
            "Error: Switchover result unknown, details: 503, \
             Switchover status unknown after 20 seconds"
        );
        assert!(line(401, "no auth").contains("authentication below ctl"));
    }
}
