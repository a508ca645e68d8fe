//! Which members are to do something: chosen by names and role, shown, and confirmed.
//!
//! The invariant: a name that nobody has is refused before anybody is asked to do anything.

use std::collections::BTreeSet;
use std::io::Write;

use herdsman_ha_core::{ClusterView, MemberName};

use super::movement::Asking;
use crate::arguments::Role;
use crate::choice;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::members::{self, Extent};
use crate::prompt;
use crate::rest::{Answer, CallError};

/// Shows the cluster, and chooses from it: those that are named, or all with the role.
pub(super) fn choose<'a>(
    cluster: &Cluster,
    view: &'a ClusterView,
    names: &[String],
    role: Role,
    out: &mut impl Write,
) -> Result<Vec<&'a MemberName>, Error> {
    let candidates = choice::with_role(view, role);
    let name = &cluster.name;
    if names.is_empty() && candidates.is_empty() {
        return Error::refused(format!("{name} cluster doesn't have any members"));
    }
    write!(out, "{}", members::table(name, view, Extent::Filled))?;
    out.flush()?;
    let known = |wanted: &&String| {
        view.members
            .contains_key(&MemberName::from(wanted.as_str()))
    };
    if let Some(unknown) = names.iter().find(|wanted| !known(wanted)) {
        return Error::refused(format!("{unknown} is not a member of cluster"));
    }
    if names.is_empty() {
        return Ok(candidates);
    }
    let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let chosen = candidates.into_iter();
    let chosen: Vec<_> = chosen.filter(|m| names.contains(m.as_str())).collect();
    if chosen.is_empty() {
        return Error::refused(format!("No {role} among provided members"));
    }
    Ok(chosen)
}

/// The names as a sentence has them.
pub(super) fn listed(members: &[&MemberName]) -> String {
    let names: Vec<&str> = members
        .iter()
        .map(|name| MemberName::as_str(name))
        .collect();
    names.join(", ")
}

/// Asks whether the members shall really do it.
pub(super) async fn confirm(
    action: &str,
    members: &[&MemberName],
    asking: Asking,
    out: &mut impl Write,
) -> Result<(), Error> {
    let names = listed(members);
    let question = format!("Are you sure you want to {action} members {names}?");
    if asking == Asking::Nothing || prompt::confirm(out, &question).await? {
        return Ok(());
    }
    Error::refused(format!("Aborted {action}"))
}

/// The address of a member's REST interface, or why it cannot be called.
pub(super) fn api_url<'a>(view: &'a ClusterView, name: &MemberName) -> Result<&'a str, CallError> {
    let url = view.members[name].api_url.as_deref();
    url.ok_or_else(|| CallError::NotSent("it does not say where its REST API is".to_owned()))
}

/// The line for a member that did not do it.
pub(super) fn failed(
    action: &str,
    name: &MemberName,
    answer: &Result<Answer, CallError>,
) -> String {
    match answer {
        Ok(Answer { status, body }) => {
            let body = body.trim_end();
            format!("Failed: {action} for member {name}, status code={status}, ({body})")
        }
        Err(why) => format!("Failed: {action} for member {name}, {why}"),
    }
}

/// The end of a command that some members did not carry out.
pub(super) fn outcome(action: &str, failed: &[&MemberName]) -> Result<(), Error> {
    if failed.is_empty() {
        return Ok(());
    }
    let names = listed(failed);
    Err(Error::Failed(format!("{action} was not done on {names}")))
}
