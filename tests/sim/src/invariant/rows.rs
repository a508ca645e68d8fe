//! The rows whose loss would be the cluster's: acknowledged under a lease, and not lost by a
//! failover that was allowed to lose them.
//!
//! A row that a promotion was allowed to lose is forgotten there: whoever still has it has
//! diverged, and its copy is no treasure any more.

use super::remarks::Remarks;
use super::truth::{Standing, Truth};
use crate::pg::Wal;
use crate::world::World;

/// Numbers of rows in `World::rows`, in the order of their acknowledgement.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows(Vec<usize>);

impl Rows {
    /// A client was told that its row is safe.
    pub(super) fn acknowledged(
        &mut self,
        number: usize,
        world: &World,
        truth: &mut Truth,
        remarks: &mut Remarks,
    ) {
        let row = &world.rows[number];
        if row.is_excused {
            remarks.add("row-of-an-excused-server", world.now);
            return;
        }
        match truth.standing(row.node, world) {
            Standing::Holds | Standing::Promised => self.0.push(number),
            // A server that lost its lease to a tool or keeps on through a pause: that it must
            // not go on is what other invariants say.
            Standing::Never | Standing::Unheard { .. } | Standing::Over => {
                remarks.add("row-without-a-lease", world.now);
            }
        }
    }

    /// The rows that a server with this WAL lacks.
    pub(super) fn missing(&self, world: &World, wal: Wal) -> Vec<usize> {
        let rows = self.0.iter().copied();
        rows.filter(|number| !world.tree.contains(wal, world.rows[*number].place))
            .collect()
    }

    /// All rows of which a server with this WAL has a copy.
    pub(super) fn held_by(&self, world: &World, wal: Wal) -> Vec<usize> {
        let rows = self.0.iter().copied();
        rows.filter(|number| world.tree.contains(wal, world.rows[*number].place))
            .collect()
    }

    /// These are lost, and that was allowed. Both lists are in the order of acknowledgement.
    pub(super) fn forget(&mut self, lost: &[usize]) {
        self.0.retain(|number| !lost.contains(number));
    }
}

/// Whether any disk holds this place.
pub(super) fn is_somewhere(world: &World, place: Wal) -> bool {
    world.hosts.iter().any(|host| {
        let wal = host.server.wal();
        wal.is_some_and(|wal| world.tree.contains(wal, place))
    })
}
