//! The first copy of the data, for a member that has none.

use alloc::vec::Vec;

use super::member_as_upstream;
use crate::memory::Memory;
use crate::remote;
use crate::task::{Task, Upstream};
use crate::value::MemberName;

pub(super) fn from_member(memory: &Memory) -> Option<Task> {
    let from = Some(clone_source(memory)?);
    Some(Task::Clone { from })
}

/// The first copy of what a standby cluster follows.
pub(super) fn from_source(memory: &Memory) -> Option<Task> {
    let from = Some(remote::first_copy(memory)?);
    Some(Task::Clone { from })
}

pub(super) fn from_backup() -> Task {
    Task::Clone { from: None }
}

/// Whom to copy: a running member that offers itself for it, otherwise the leader.
pub(super) fn clone_source(memory: &Memory) -> Option<Upstream> {
    let view = memory.view.as_ref()?;
    let leader = view.leader.as_ref()?;
    let offers: Vec<&MemberName> = view
        .members
        .iter()
        .filter(|(name, member)| {
            member.tags.is_clonefrom()
                && member.state == "running"
                && *name != memory.me()
                && **name != leader.name
        })
        .map(|(name, _)| name)
        .collect();
    let offer = usize::try_from(memory.boot.seed)
        .ok()
        .and_then(|seed| offers.get(seed.checked_rem(offers.len())?).copied());
    let source = member_as_upstream(memory, offer.unwrap_or(&leader.name))?;
    // The copy itself needs no slot of ours on its source.
    Some(Upstream {
        slot: None,
        ..source
    })
}
