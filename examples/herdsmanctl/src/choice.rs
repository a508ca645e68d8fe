//! Which members of a cluster are meant: by role, by name, or both.

use herdsman_ha_core::{ClusterView, MemberName};

use crate::arguments::Role;
use crate::error::Error;
use crate::members;

/// Who a single member may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum One<'a> {
    Named(&'a str),
    With(Role),
}

/// What the options for one member say; without any it is the leader.
pub(crate) fn one(role: Option<Role>, member: Option<&str>) -> Result<One<'_>, Error> {
    match (role, member) {
        (Some(_), Some(_)) => Error::refused("--role and --member are mutually exclusive options"),
        (None, Some(name)) => Ok(One::Named(name)),
        (role, None) => Ok(One::With(role.unwrap_or(Role::Leader))),
    }
}

/// The first of those that may be it.
pub(crate) fn first<'a>(view: &'a ClusterView, wanted: One<'_>) -> Option<&'a MemberName> {
    match wanted {
        One::Named(name) => view.members.keys().find(|member| member.as_str() == name),
        One::With(role) => with_role(view, role).into_iter().next(),
    }
}

/// The members with a role, in the order of their names.
pub(crate) fn with_role(view: &ClusterView, role: Role) -> Vec<&MemberName> {
    let members = view.members.keys();
    members
        .filter(|member| has_role(view, member, role))
        .collect()
}

fn has_role(view: &ClusterView, member: &MemberName, role: Role) -> bool {
    let leads = members::is_leader(view, member);
    let own = view.members[member].role.as_str();
    match role {
        Role::Any => true,
        Role::Leader => leads,
        Role::Primary => leads && own != "standby_leader",
        Role::StandbyLeader => leads && !matches!(own, "primary" | "master"),
        Role::Replica | Role::Standby => !leads,
    }
}
