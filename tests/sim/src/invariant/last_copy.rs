//! `last-copy`: nothing is removed or overwritten on purpose that is the last copy of an
//! acknowledged row (oracle O5, invariant I4), and only what has diverged from a running primary
//! is replaced (I7), except where an operator asked for a new copy.
//!
//! All disks count, also those of members that nobody reaches. Rows that a failover was allowed
//! to lose are no treasure: removing them is what rejoining means. A lost disk is nobody's
//! decision: rows that go with it are forgotten, as a remark.
//!
//! A standby that heard of a timeline and got nothing of it names its files by it. A primary whose
//! history has no such timeline cannot take it on; that it is copied anew is a remark.

use super::remarks::Remarks;
use super::rows::{Rows, is_somewhere};
use super::{Verdict, broken};
use crate::fact::Destruction;
use crate::ids::Node;
use crate::pg::Wal;
use crate::world::World;

pub(super) const NAME: &str = "last-copy";

/// Data was removed: the world is the one after it.
pub(super) fn check(
    world: &World,
    node: Node,
    was: Option<Wal>,
    by: Destruction,
    rows: &mut Rows,
    remarks: &mut Remarks,
) -> Verdict {
    let Some(was) = was else {
        return Ok(());
    };
    let held = rows.held_by(world, was);
    let mut gone = held;
    gone.retain(|number| !is_somewhere(world, world.rows[*number].place));
    match by {
        Destruction::DiskLost => {
            if !gone.is_empty() {
                remarks.add("rows-lost-with-a-disk", world.now);
                rows.forget(&gone);
            }
            Ok(())
        }
        Destruction::Replaced
        | Destruction::Rewound
        | Destruction::CopiedOver
        | Destruction::OnDemand => {
            if let Some(number) = gone.first() {
                let row = &world.rows[*number];
                let (at, writer) = (row.place.end, row.node);
                return broken(
                    NAME,
                    format!("{node} removed the last copy of the row at {at} of {writer}"),
                );
            }
            if by == Destruction::OnDemand {
                return Ok(());
            }
            has_diverged(world, node, was, remarks)
        }
    }
}

/// Some running primary lacks what was removed.
fn has_diverged(world: &World, node: Node, was: Wal, remarks: &mut Remarks) -> Verdict {
    let hosts = world.hosts.iter();
    let primaries: Vec<Wal> = hosts
        .filter(|host| host.node != node && host.server.is_primary())
        .filter_map(|host| host.server.wal())
        .collect();
    if primaries.is_empty() {
        return broken(
            NAME,
            format!("{node} removed its data while no server ran as a primary"),
        );
    }
    if primaries.iter().any(|wal| !world.tree.contains(*wal, was)) {
        return Ok(());
    }
    if primaries.iter().any(|wal| !bears(world, *wal, was)) {
        remarks.add("copied-anew-for-the-name-of-its-timeline", world.now);
        return Ok(());
    }
    broken(
        NAME,
        format!("{node} removed its data, which every running primary continues"),
    )
}

/// Whether the history of a primary names the timeline on which a copy ends.
fn bears(world: &World, wal: Wal, copy: Wal) -> bool {
    let named = world.tree.timeline(copy);
    let history = world.tree.history(wal.branch);
    named == world.tree.timeline(wal) || history.iter().any(|(timeline, _)| *timeline == named)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::fact::Fact;
    use crate::run::Run;

    /// A member's data is gone, and this is told.
    fn destroy(run: &mut Run, node: Node, by: Destruction) {
        let server = &mut run.world.hosts[node.index()].server;
        let was = server.wal();
        server.lose_disk();
        run.world.facts.push(Fact::Destroyed { node, was, by });
    }

    /// `a` has a row that nobody else has.
    fn alone() -> Run {
        let mut run = settled();
        deafen(&mut run, B);
        deafen(&mut run, C);
        write(&mut run);
        run
    }

    #[test]
    fn the_last_copy_of_a_row_is_never_replaced() {
        let mut run = alone();
        destroy(&mut run, A, Destruction::Replaced);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn a_lost_disk_is_nobodys_decision_and_its_rows_are_not_missed() {
        let mut run = alone();
        destroy(&mut run, A, Destruction::DiskLost);
        take_over(&mut run, B);
        assert_eq!(violated(&mut run), None);
    }

    #[test]
    fn a_copy_that_has_not_diverged_is_not_replaced() {
        let mut run = settled();
        destroy(&mut run, B, Destruction::Replaced);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn nothing_is_replaced_while_nobody_is_primary() {
        let mut run = settled();
        kill(&mut run, A);
        destroy(&mut run, B, Destruction::Replaced);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn what_has_diverged_from_a_running_primary_may_go() {
        let mut run = alone();
        take_over(&mut run, B);
        assert_eq!(violated(&mut run), None);
        destroy(&mut run, A, Destruction::Replaced);
        assert_eq!(violated(&mut run), None);
    }
}
