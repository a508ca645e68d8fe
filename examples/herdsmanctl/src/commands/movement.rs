//! What `switchover` and `failover` have in common: a member is asked to see to it.
//!
//! The invariant: a second member, or the store itself, is asked only when nobody who was asked
//! before can have received the request.

mod store;

use std::io::Write;
use std::time::Duration;

use herdsman_ha_core::{ClusterView, MemberName};
use serde_json::{Map, Value};

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

/// How the leadership moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// In order, from a leader.
    Switchover,
    /// To a member, whoever leads.
    Failover,
}

impl Action {
    /// As a command.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Switchover => "switchover",
            Self::Failover => "failover",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Switchover => "Switchover",
            Self::Failover => "Failover",
        }
    }

    const fn page(self) -> &'static str {
        match self {
            Self::Switchover => "/switchover",
            Self::Failover => "/failover",
        }
    }

    const fn past(self) -> &'static str {
        match self {
            Self::Switchover => "switched",
            Self::Failover => "failed",
        }
    }
}

/// Who gives the leadership to whom, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) action: Action,
    pub(super) leader: Option<String>,
    pub(super) candidate: Option<String>,
    /// ISO 8601 with an offset; none: now.
    pub(super) at: Option<String>,
}

/// Reads the cluster and shows it.
pub(super) async fn begin(cluster: &Cluster, out: &mut impl Write) -> Result<ClusterView, Error> {
    let view = cluster.view().await?;
    writeln!(out, "Current cluster topology")?;
    show(cluster, &view, out)?;
    Ok(view)
}

fn show(cluster: &Cluster, view: &ClusterView, out: &mut impl Write) -> Result<(), Error> {
    let table = members::table(&cluster.name, view, Extent::Filled);
    write!(out, "{table}")?;
    out.flush()?;
    Ok(())
}

/// Who leads now.
pub(super) fn leader(view: &ClusterView) -> Option<&str> {
    view.leader.as_ref().map(|leader| leader.name.as_str())
}

/// The candidate that the options name, or an answer; nobody may be it too, when nobody is named.
pub(super) async fn candidate(
    cluster: &Cluster,
    view: &ClusterView,
    action: Action,
    options: (Option<&str>, Asking),
    out: &mut impl Write,
) -> Result<Option<String>, Error> {
    let candidates = candidates(view);
    if candidates.is_empty() {
        let word = action.word();
        return Error::refused(format!("No candidates found to {word} to"));
    }
    let candidate = match options {
        (Some(candidate), _) => candidate.to_owned(),
        (None, Asking::Nothing) => String::new(),
        (None, Asking::Questions) => {
            let names: Vec<String> = candidates.iter().map(|name| format!("'{name}'")).collect();
            let question = format!("Candidate [{}]", names.join(", "));
            prompt::ask(out, &question, "").await?
        }
    };
    if candidate.is_empty() {
        return Ok(None);
    }
    check_candidate(&cluster.name, leader(view), &candidates, &candidate)?;
    Ok(Some(candidate))
}

/// Whether a person is there to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    Questions,
    Nothing,
}

impl Asking {
    /// What `--force` says.
    pub(super) const fn unless(is_forced: bool) -> Self {
        match is_forced {
            true => Self::Nothing,
            false => Self::Questions,
        }
    }
}

/// Who may be asked to lead.
fn candidates(view: &ClusterView) -> Vec<&str> {
    let leader = leader(view);
    let others = view
        .members
        .iter()
        .filter(|(name, member)| Some(name.as_str()) != leader && !member.tags.is_nofailover());
    others.map(|(name, _)| MemberName::as_str(name)).collect()
}

fn check_candidate(
    cluster: &str,
    leader: Option<&str>,
    candidates: &[&str],
    candidate: &str,
) -> Result<(), Error> {
    if Some(candidate) == leader {
        return Error::refused(format!(
            "Member {candidate} is already the leader of cluster {cluster}"
        ));
    }
    if !candidates.contains(&candidate) {
        return Error::refused(format!(
            "Member {candidate} does not exist in cluster {cluster} or is tagged as nofailover"
        ));
    }
    Ok(())
}

/// Has the move made, and shows what became of it.
pub(super) async fn carry_out(
    cluster: &Cluster,
    view: &ClusterView,
    wanted: &Move,
    out: &mut impl Write,
) -> Result<(), Error> {
    out.flush()?;
    let text = match ask_members(cluster, view, wanted).await? {
        Some(answer) => {
            let text = answer.body.split_whitespace().collect::<Vec<_>>().join(" ");
            if !matches!(answer.status, 200 | 202) {
                return Err(failure(wanted.action, answer.status, &text));
            }
            text
        }
        None => {
            let (time, word) = (Instant::now().to_the_millisecond(), wanted.action.word());
            let way = "using Patroni api, falling back to DCS";
            writeln!(out, "{time} Could not {word} {way}")?;
            out.flush()?;
            store::ask(cluster, view, wanted).await?
        }
    };
    writeln!(out, "{} {text}", Instant::now().to_the_millisecond())?;
    show(cluster, &cluster.view().await?, out)
}

/// How long a member may take until it answers.
fn limit(view: &ClusterView) -> Duration {
    let loop_wait = view.rules.clone().unwrap_or_default().loop_wait;
    2 * loop_wait.max(SHORTEST_LOOP)
}

/// Asks the leader, or, while nobody answers, the candidate and the others; none: nobody is there.
async fn ask_members(
    cluster: &Cluster,
    view: &ClusterView,
    wanted: &Move,
) -> Result<Option<Answer>, Error> {
    let body = request(wanted, "candidate");
    let limit = limit(view) + PATIENCE;
    let mut called: Vec<(&MemberName, &String)> = view
        .members
        .iter()
        .filter_map(|(name, member)| Some((name, member.api_url.as_ref()?)))
        .collect();
    called.sort_by_key(|(name, _)| {
        let name = Some(name.as_str());
        (name != leader(view), name != wanted.candidate.as_deref())
    });
    for (name, api_url) in called {
        let authentication = cluster.authentication.as_ref();
        match rest::post(api_url, wanted.action.page(), &body, authentication, limit).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(CallError::NotSent(why)) => eprintln!("Warning: member {name}: {why}"),
            Err(CallError::NoAnswer(why)) => {
                let title = wanted.action.title();
                return Err(Error::Failed(format!(
                    "{title} result unknown, member {name}: {why}; \
                     it may still be in progress, look at `herdsmanctl list`"
                )));
            }
        }
    }
    Ok(None)
}

/// The move as members and the store are told it; the two call the candidate differently.
fn request(wanted: &Move, candidate: &str) -> Value {
    let fields = [
        ("leader", &wanted.leader),
        (candidate, &wanted.candidate),
        ("scheduled_at", &wanted.at),
    ];
    let fields = fields.into_iter().filter_map(|(key, value)| {
        let value = value.as_deref()?;
        Some((key.to_owned(), Value::from(value)))
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

fn failure(action: Action, status: u16, text: &str) -> Error {
    let outcome = if text.contains("status unknown") {
        "result unknown"
    } else {
        "failed"
    };
    let advice = match status {
        401 | 403 => "; see authentication below ctl or restapi in the configuration",
        _ => "",
    };
    let title = action.title();
    Error::Failed(format!(
        "{title} {outcome}, details: {status}, {text}{advice}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_whether_the_outcome_is_known() {
        let line = |status, text| failure(Action::Switchover, status, text).line();
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
