//! Which standbys commits should wait for: the best of those that could confirm them now.

use alloc::vec::Vec;
use core::cmp::Reverse;

use super::is_named;
use crate::cascade;
use crate::memory::Memory;
use crate::tags::Tags;
use crate::value::{Lsn, MemberName};
use crate::view::{ClusterView, MemberView, PrimaryView, SyncState};

/// A standby that could confirm commits.
struct Eligible<'a> {
    name: &'a MemberName,
    priority: i64,
    state: SyncState,
    confirmed: Lsn,
    is_nofailover: bool,
}

/// At most as many as the rules ask for. Who confirms commits now goes on doing so while nobody of a
/// higher priority is there.
pub(super) fn picks(memory: &Memory, view: &ClusterView, primary: &PrimaryView) -> Vec<MemberName> {
    let mut found: Vec<Eligible<'_>> = view
        .members
        .iter()
        .filter(|(name, _)| *name != memory.me())
        .filter_map(|(name, member)| eligible(memory, view, primary, name, member))
        .collect();
    found.sort_by_key(|one| Reverse((one.priority, one.state, one.confirmed)));
    // A member that must not lead helps nobody by having everything: it comes last.
    found.sort_by_key(|one| one.is_nofailover);
    let best = match found.len() {
        0 | 1 => primary.position.lsn,
        _ => found
            .iter()
            .map(|one| one.confirmed)
            .max()
            .unwrap_or_default(),
    };
    let limit = memory.rules.maximum_lag_on_syncnode;
    found
        .into_iter()
        .filter(|one| limit.is_none_or(|limit| best.bytes_after(one.confirmed) <= limit))
        .take(memory.rules.synchronous_node_count)
        .map(|one| one.name.clone())
        .collect()
}

/// Whether commits of a leader may come to wait for a member with these tags, once it streams from
/// there.
pub(crate) fn is_willing(
    view: &ClusterView,
    leader: &MemberName,
    name: &MemberName,
    tags: &Tags,
) -> bool {
    // Whoever streams from another standby confirms nothing here for long.
    let named = cascade::named(view, name, tags);
    let has_other_upstream = named.is_some_and(|upstream| upstream != leader);
    tags.sync_priority() > 0 && !tags.is_nostream() && !has_other_upstream
}

fn eligible<'a>(
    memory: &Memory,
    view: &ClusterView,
    primary: &PrimaryView,
    name: &'a MemberName,
    member: &MemberView,
) -> Option<Eligible<'a>> {
    let senders = primary.sync.senders.iter();
    let sender = senders
        .filter(|sender| sender.is_streaming && is_named(&sender.name, name))
        .filter_map(|sender| Some((sender.state, sender.confirmed?)))
        .max()?;
    let is_willing = is_willing(view, memory.me(), name, &member.tags);
    (member.state == "running" && is_willing).then(|| Eligible {
        name,
        priority: member.tags.sync_priority(),
        state: sender.0,
        confirmed: sender.1,
        is_nofailover: member.tags.is_nofailover(),
    })
}
