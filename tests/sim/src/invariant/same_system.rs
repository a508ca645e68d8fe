//! `same-system`: a cluster has one system identifier for ever. `initialize` never goes from one
//! identifier to another or to none; nobody leads, becomes primary or makes a copy with data of
//! another system than `initialize` names (oracle O6, invariant I5).
//!
//! Exempt is what follows a tool's deed: a store that was wiped or put back may name another
//! cluster than the one that runs, until a member has told it again and what was under way has
//! ended; each is a remark. A cluster that was made under a claim
//! which ended meanwhile is never recorded: that is a remark too.

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{Purpose, SystemId};

use super::remarks::Remarks;
use super::truth::Truth;
use super::{Verdict, broken};
use crate::ids::Node;
use crate::pg::Wal;
use crate::store::{Change, Writer};
use crate::world::World;

pub(super) const NAME: &str = "same-system";

/// The identifier that the store tells, once it is known.
pub(super) fn known(world: &World) -> Option<SystemId> {
    world.store.value(key::INITIALIZE)?.parse().ok()
}

/// A key has changed.
pub(super) fn changed(
    change: &Change,
    world: &World,
    truth: &Truth,
    remarks: &mut Remarks,
) -> Verdict {
    let Writer::Commit { purpose, .. } = &change.by else {
        return Ok(());
    };
    let after = change.after.as_ref();
    match &*change.key {
        key::INITIALIZE => {
            let before = change.before.as_ref();
            let before = before.and_then(|entry| entry.value.parse::<SystemId>().ok());
            let after = after.and_then(|entry| entry.value.parse().ok());
            match before {
                Some(before) if after != Some(before) => broken(
                    NAME,
                    format!("initialize went from {before} to {after:?} by a commit"),
                ),
                Some(_) | None => Ok(()),
            }
        }
        key::LEADER => {
            let taken = after.filter(|_| *purpose != Some(Purpose::RecordCluster));
            let Some(node) = taken.and_then(|entry| world.node_named(&entry.value)) else {
                return Ok(());
            };
            let files = world.host(node).server.files();
            let mine = files.map(|files| files.system);
            agree(world, node, mine, "took the leadership", truth, remarks)
        }
        _ => Ok(()),
    }
}

/// A server has become a primary and writes here.
pub(super) fn primary(
    world: &World,
    node: Node,
    wal: Wal,
    truth: &Truth,
    remarks: &mut Remarks,
) -> Verdict {
    let mine = Some(world.tree.branch(wal.branch).system);
    agree(world, node, mine, "became primary", truth, remarks)
}

/// A copy was completed.
pub(super) fn copied(world: &World, node: Node, truth: &Truth, remarks: &mut Remarks) -> Verdict {
    let files = world.host(node).server.files();
    let mine = files.map(|files| files.system);
    agree(world, node, mine, "made a copy", truth, remarks)
}

/// A new cluster was made: not by a member that had been told of one before it began. One that is
/// told meanwhile makes it in vain.
pub(super) fn bootstrapped(world: &World, node: Node, remarks: &mut Remarks) -> Verdict {
    if known(world).is_some() {
        remarks.add("cluster-made-in-vain", world.now);
    }
    let agent = world.host(node).agent.as_ref();
    if agent.is_some_and(|agent| agent.had_seen_a_cluster()) {
        return broken(
            NAME,
            format!("{node} made a cluster although the store had told it of one before"),
        );
    }
    Ok(())
}

fn agree(
    world: &World,
    node: Node,
    mine: Option<SystemId>,
    deed: &str,
    truth: &Truth,
    remarks: &mut Remarks,
) -> Verdict {
    let (Some(mine), Some(known)) = (mine, known(world)) else {
        return Ok(());
    };
    if mine == known {
        return Ok(());
    }
    if truth.is_identity_in_doubt(world.now) {
        remarks.add("other-system-after-a-tool-touched-the-store", world.now);
        return Ok(());
    }
    broken(
        NAME,
        format!("{node} {deed} with data of system {mine}, and the cluster is {known}"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::fact::Fact;
    use crate::fault::{Deed, Fault};
    use crate::run::Run;

    /// `b` has data of another cluster.
    fn estranged() -> Run {
        let mut run = settled();
        let other = SystemId(7_999_999_999);
        let wal = run.world.tree.new_cluster(other, B);
        let server = &mut run.world.hosts[B.index()].server;
        let files = server.files_mut().expect("it has data");
        (files.system, files.wal) = (other, wal);
        run
    }

    #[test]
    fn nobody_leads_with_data_of_another_cluster() {
        let mut run = estranged();
        kill(&mut run, A);
        acquire(&mut run, B);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn nobody_copies_another_cluster() {
        let mut run = estranged();
        run.world.facts.push(Fact::Copied { node: B, from: A });
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn after_a_tool_wiped_the_store_it_may_come_to_that() {
        let mut run = estranged();
        run.world.inflict(&Fault::Deed(Deed::WipeStore));
        let (now, other) = (run.world.now, "7999999998");
        run.world
            .store
            .put_unguarded(key::INITIALIZE, other, None, now);
        tell_changes(&mut run);
        run.world.facts.push(Fact::Copied { node: B, from: A });
        assert_eq!(violated(&mut run), None);
    }

    #[test]
    fn no_commit_changes_the_identifier() {
        let mut run = settled();
        let seen = run
            .world
            .store
            .entry(key::INITIALIZE)
            .expect("it is made")
            .modified;
        let seen = herdsman_ha_core::KeyState::At(herdsman_ha_core::Revision(seen));
        commit(
            &mut run,
            Purpose::AdoptCluster,
            None,
            &[(key::INITIALIZE, seen)],
            vec![herdsman_ha_core::StoreWrite::Put {
                key: key::INITIALIZE.to_owned(),
                value: "7999999999".to_owned(),
            }],
        );
        assert_violates(&mut run, NAME);
    }
}
