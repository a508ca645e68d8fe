//! `slots-carried`: in a healed world every standby that may lead gets the logical slots of its
//! leader, so that their consumers lose nothing in the next failover.
//!
//! A standby that commits wait for, and that nobody can replace, gets them at its next start; one
//! whose copy is too new for a slot gets it when the slot's consumer has gone on.

use std::time::Duration;

use crate::ids::Node;
use crate::world::World;

/// How long it may take: what was tried once is tried again only after ten minutes.
pub const SLOTS_LIMIT: Duration = Duration::from_secs(720);

/// Whether all have them.
#[must_use]
pub fn carried(world: &World) -> bool {
    lacking(world).is_none()
}

/// A member that lacks one, in words.
#[must_use]
pub fn lacking(world: &World) -> Option<String> {
    let leader = world.leader()?;
    let theirs = world.host(leader).server.files()?;
    let may_lead = |node: Node| !world.options.nofailover.contains(&node.0);
    let listed = world.store.sync_key().map(|(_, standbys)| standbys);
    let is_listed = |name: &str| listed.iter().flatten().any(|one| one == name);
    let mut others = world.hosts.iter().filter(|host| host.node != leader);
    others.find_map(|host| {
        let mine = host.server.files()?;
        let mut slots = theirs.logical.iter();
        let (slot, _) = slots.find(|(slot, confirmed)| {
            !mine.logical.contains_key(*slot) && **confirmed >= mine.kept_from
        })?;
        let is_needed = is_listed(host.name.as_str()) && !has_substitute(world, leader, host.node);
        let is_owed = may_lead(host.node) && !is_needed;
        is_owed.then(|| format!("{} lacks the logical slot {slot} of {leader}", host.node))
    })
}

/// Whether a member lacks a slot of its leader, whether or not it could have it.
pub(super) fn lacks_slots(world: &World, node: Node) -> bool {
    let logical = |node: Node| world.host(node).server.files().map(|files| &files.logical);
    let slots = world.leader().and_then(logical).zip(logical(node));
    slots.is_some_and(|(theirs, mine)| theirs.keys().any(|slot| !mine.contains_key(slot)))
}

/// Whether commits could wait for somebody else.
fn has_substitute(world: &World, leader: Node, node: Node) -> bool {
    let mut hosts = world.hosts.iter().filter(|host| host.node != node);
    hosts.any(|host| {
        let may_lead = !world.options.nofailover.contains(&host.node.0);
        // Whoever should stream from another standby is never waited for.
        let upstream = world.options.replicatefrom.get(&host.node.0);
        let is_meant = upstream.is_none_or(|upstream| *upstream == leader.0);
        may_lead && is_meant && host.server.connected() == Some(leader)
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::options::Options;

    #[test]
    fn every_standby_that_may_lead_has_the_slots() {
        for (nofailover, is_well) in [([].into(), false), ([2].into(), true)] {
            let mut run = settled_with(Options {
                has_logical_slot: true,
                nofailover,
                ..Options::default()
            });
            assert!(run.pass_until(SLOTS_LIMIT, carried));
            let server = &mut run.world.hosts[C.index()].server;
            server.files_mut().expect("data").logical.clear();
            assert_eq!(lacking(&run.world).is_none(), is_well);
        }
    }

    #[test]
    fn whom_commits_wait_for_alone_is_excused() {
        for (nodes, is_well) in [(2, true), (3, false)] {
            let mut run = settled_with(Options {
                has_logical_slot: true,
                is_synchronous: true,
                nodes,
                ..Options::default()
            });
            run.pass(SLOTS_LIMIT);
            let (_, standbys) = run.world.store.sync_key().expect("a list");
            let node = run.world.node_named(&standbys[0]).expect("a member");
            let server = &mut run.world.hosts[node.index()].server;
            server.files_mut().expect("data").logical.clear();
            assert_eq!(carried(&run.world), is_well, "{nodes}");
        }
    }
}
