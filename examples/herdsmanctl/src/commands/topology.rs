//! `topology`: the members as the tree in which they replicate.
//!
//! The invariant: every member is shown, also when tags lead in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use herdsman_agent::settings::ControlSettings;
use herdsman_ha_core::{ClusterView, MemberName};

use super::list;
use crate::arguments::Topology;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::members::{self, Extent, Shown};
use crate::watch;

/// Prints the trees.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Topology,
    out: &mut impl Write,
) -> Result<(), Error> {
    let clusters = list::clusters(settings, &arguments.clusters)?;
    if clusters.is_empty() {
        return Ok(());
    }
    watch::repeat(arguments.watch, out, async |out| show(&clusters, out).await).await
}

async fn show(clusters: &[Cluster], out: &mut impl Write) -> Result<(), Error> {
    for cluster in clusters {
        let view = cluster.view().await?;
        write!(out, "{}", table(&cluster.name, &view))?;
    }
    out.flush()?;
    Ok(())
}

fn table(name: &str, view: &ClusterView) -> String {
    let sheet = members::sheet_of(name, view, Extent::Filled, &tree(view));
    let title = members::title(name, view);
    let table = sheet.with_maps_on_one_line().pretty(&title);
    format!("{table}{}", members::footer(view))
}

/// The leader, and below each member those that it feeds.
fn tree(view: &ClusterView) -> Vec<Shown<'_>> {
    let leader = view.members.keys().find(|m| members::is_leader(view, m));
    let mut below: BTreeMap<Option<&MemberName>, Vec<&MemberName>> = BTreeMap::new();
    for member in view.members.keys().filter(|member| Some(*member) != leader) {
        let source = source(view, member).or(leader);
        below.entry(source).or_default().push(member);
    }
    let mut shown = Vec::new();
    push(leader, 0, &below, &mut shown);
    let seen: BTreeSet<&MemberName> = shown.iter().map(|shown| shown.member).collect();
    let circle = view.members.keys().filter(|member| !seen.contains(member));
    let circle: Vec<_> = circle.map(|member| labelled(member, 1)).collect();
    shown.extend(circle);
    shown
}

/// The standby that feeds a member, where its tags name one.
fn source<'a>(view: &'a ClusterView, member: &MemberName) -> Option<&'a MemberName> {
    let value = view.members[member].value();
    let name = value.get("tags")?.get("replicatefrom")?.as_str()?;
    let (source, _) = view.members.get_key_value(&MemberName::from(name))?;
    (source != member && !members::is_leader(view, source)).then_some(source)
}

fn push<'a>(
    member: Option<&'a MemberName>,
    level: usize,
    below: &BTreeMap<Option<&'a MemberName>, Vec<&'a MemberName>>,
    shown: &mut Vec<Shown<'a>>,
) {
    shown.extend(member.map(|member| labelled(member, level)));
    for fed in below.get(&member).into_iter().flatten() {
        push(Some(fed), level + 1, below, shown);
    }
}

fn labelled(member: &MemberName, level: usize) -> Shown<'_> {
    let label = match level {
        0 => member.as_str().to_owned(),
        _ => format!("{}+ {member}", "  ".repeat(level - 1)),
    };
    Shown { member, label }
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::Revision;
    use herdsman_ha_core::schema::{RawEntry, read_cluster};

    use super::*;

    /// The labels of members that say whom they replicate from.
    fn labels(leader: &str, members: &[(&str, &str)]) -> Vec<String> {
        let mut keys = vec![("leader".to_owned(), leader.to_owned())];
        for (name, source) in members {
            let value = format!(r#"{{"tags":{{"replicatefrom":"{source}"}}}}"#);
            keys.push((format!("members/{name}"), value));
        }
        let entries = keys.iter().map(|(key, value)| RawEntry {
            key,
            value: value.as_bytes(),
            created: Revision(1),
            modified: Revision(1),
            session: None,
        });
        let view = read_cluster(Revision(1), entries);
        tree(&view).into_iter().map(|shown| shown.label).collect()
    }

    #[test]
    fn members_stand_below_those_that_feed_them() {
        let members = [
            ("a", ""),
            ("b", "d"),
            ("c", "b"),
            ("d", ""),
            ("e", "nobody"),
        ];
        let tree = ["a", "+ d", "  + b", "    + c", "+ e"];
        assert_eq!(labels("a", &members), tree);
    }

    #[test]
    fn who_names_itself_or_the_leader_stands_below_the_leader() {
        let members = [("a", "a"), ("b", ""), ("c", "b")];
        assert_eq!(labels("b", &members), ["b", "+ a", "+ c"]);
    }

    #[test]
    fn members_of_a_circle_and_of_a_cluster_without_a_leader_are_shown() {
        let members = [("a", ""), ("b", "c"), ("c", "b")];
        assert_eq!(labels("a", &members), ["a", "+ b", "+ c"]);
        assert_eq!(labels("x", &members), ["+ a", "+ b", "+ c"]);
    }
}
