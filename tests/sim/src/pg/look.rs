//! What the outside sees of a server: as an agent's look and a replication connection tell it.
//!
//! A look tells no more than PostgreSQL does: where its disk holds more than it says, so does
//! ours.

use std::collections::BTreeMap;

use herdsman_ha_core::{
    ControlView, DataView, LogicalSlot, Lsn, Position, PrimaryView, ServerIdentity, ServerView,
    SlotKind, SlotView, StandbyView, WreckView,
};

use super::server::{Data, Files, Process, Receiver, Server};
use super::tree::Tree;
use crate::ids::Node;

/// The port of every server.
pub const PORT: u16 = 5432;

/// The host of a member.
#[must_use]
pub fn host(node: Node) -> String {
    node.letter().to_string()
}

/// The member with this host.
#[must_use]
pub fn node_of(host: &str) -> Option<Node> {
    let &[letter @ b'a'..=b'z'] = host.as_bytes() else {
        return None;
    };
    Some(Node(letter - b'a'))
}

impl Server {
    /// A look at the data directory and at the server.
    #[must_use]
    pub fn look(&self, tree: &Tree) -> (DataView, ServerView) {
        (self.look_at_data(tree), self.look_at_server(tree))
    }

    fn look_at_data(&self, tree: &Tree) -> DataView {
        match &self.data {
            Data::Empty => DataView::Empty,
            Data::Leftover => DataView::Leftover,
            Data::Wreck(files) => DataView::Wreck(WreckView {
                system_id: files.system,
                why: None,
            }),
            Data::Unusable => DataView::Unusable("the data directory is no database".to_owned()),
            Data::Cluster(files) => DataView::Cluster(ControlView {
                system_id: files.system,
                state: files.control,
                checkpoint: files.checkpoint,
                min_recovery: files.min_recovery(tree),
                is_rewindable: true,
            }),
        }
    }

    fn look_at_server(&self, tree: &Tree) -> ServerView {
        // A postmaster that does not answer is told by the note in its lock file: one that had
        // not come up yet, or was going down, does not look hung.
        match self.process {
            Process::Down { orphans } => return ServerView::Down { orphans },
            Process::Starting { .. } => return ServerView::Starting,
            Process::Stopping { .. } => return ServerView::Stopping,
            Process::Primary | Process::Standby(_) | Process::Promoting(_) => {}
        }
        let (false, Some(files)) = (self.is_frozen, self.files()) else {
            return ServerView::Unresponsive;
        };
        match self.process {
            Process::Standby(receiver) => ServerView::Standby(standby(files, receiver, tree)),
            // The mark beside the order outlives the agent that gave it, and not the postmaster.
            Process::Promoting(receiver) => ServerView::Standby(StandbyView {
                is_being_promoted: true,
                ..standby(files, receiver, tree)
            }),
            Process::Primary
            | Process::Down { .. }
            | Process::Starting { .. }
            | Process::Stopping { .. } => ServerView::Primary(PrimaryView {
                position: Position {
                    timeline: tree.timeline(files.wal),
                    lsn: files.wal.end,
                },
                slots: slots(files),
                // Whom commits wait for, by names, and who streams is known to the world.
                sync: herdsman_ha_core::SyncView::default(),
            }),
        }
    }

    /// Who it is, asked over a replication connection; none: it does not answer.
    #[must_use]
    pub fn identity(&self, tree: &Tree) -> Option<ServerIdentity> {
        if !self.is_reachable() {
            return None;
        }
        let wal = self.offered(tree)?;
        Some(ServerIdentity {
            system_id: self.files()?.system,
            is_primary: self.process == Process::Primary,
            position: Position {
                timeline: tree.timeline(wal),
                lsn: wal.end,
            },
            history: tree.history(wal.branch).to_vec(),
            missing_wal: None,
            contradicts: None,
        })
    }
}

fn slots(files: &Files) -> BTreeMap<String, SlotView> {
    let slots = files.slots.iter();
    let physical = slots.map(|(name, position)| (name.clone(), SlotView::physical(*position)));
    let logical = files.logical.iter().map(|(name, confirmed)| {
        let kind = SlotKind::Logical(logical_slot());
        let slot = SlotView {
            kind,
            ..SlotView::physical(Some(*confirmed))
        };
        (name.clone(), slot)
    });
    physical.chain(logical).collect()
}

/// What every logical slot decodes.
fn logical_slot() -> LogicalSlot {
    LogicalSlot {
        database: "app".to_owned(),
        plugin: "pgoutput".to_owned(),
    }
}

fn standby(files: &Files, receiver: Receiver, tree: &Tree) -> StandbyView {
    StandbyView {
        // The names of its WAL files tell the newest, however far it has replayed.
        timeline: tree.timeline(files.wal),
        received: if receiver.has_received {
            files.wal.end
        } else {
            Lsn(0)
        },
        replayed: files.replayed,
        wal_end_reached: receiver.wal_end_reached,
        is_blocked: false,
        is_being_promoted: false,
        is_streaming: receiver.connected.is_some(),
        upstream: files.upstream.map(|node| (host(node), PORT)),
        slots: slots(files),
        history: tree.history(files.wal.branch),
    }
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::{ControlState, Timeline};

    use super::super::fixture::*;
    use super::*;

    #[test]
    fn a_host_names_its_member() {
        assert_eq!(node_of(&host(C)), Some(C));
        assert_eq!(node_of("etcd"), None);
        assert_eq!(node_of(""), None);
    }

    #[test]
    fn a_primary_tells_its_flushed_end_and_a_standby_what_it_received() {
        let mut pair = Pair::new();
        let row = pair.a.write(&mut pair.tree).expect("a primary");
        let (_, server) = pair.a.look(&pair.tree);
        let end = Position {
            timeline: Timeline(1),
            lsn: row.end,
        };
        assert_eq!(server.position(), Some(end));
        pair.b.receive(&pair.a, &pair.tree);
        let view = standby_view(&pair.b, &pair.tree);
        assert_eq!(view.position(), end);
        assert_eq!(view.upstream, Some(("a".to_owned(), PORT)));
        assert!(view.is_streaming);
    }

    #[test]
    fn a_frozen_server_does_not_answer_and_its_data_is_readable() {
        let mut pair = Pair::new();
        pair.a.is_frozen = true;
        let (data, server) = pair.a.look(&pair.tree);
        assert_eq!(server, ServerView::Unresponsive);
        let DataView::Cluster(control) = data else {
            panic!("no cluster: {data:?}");
        };
        assert_eq!(control.state, ControlState::InProduction);
        assert_eq!(pair.a.identity(&pair.tree), None);
    }

    #[test]
    fn a_server_frozen_on_its_way_down_still_looks_as_if_it_were_going_down() {
        let mut pair = Pair::new();
        pair.a.begin_stop(true).expect("it runs");
        pair.a.is_frozen = true;
        assert_eq!(pair.a.look(&pair.tree).1, ServerView::Stopping);
        pair.a.crash(true);
        let down = ServerView::Down { orphans: true };
        assert_eq!(pair.a.look(&pair.tree).1, down);
    }

    #[test]
    fn an_identity_tells_the_history_of_the_timeline() {
        let mut pair = Pair::new();
        let switch = pair.b.wal().expect("a cluster").end;
        let wal = pair.fail_over();
        let identity = pair.b.identity(&pair.tree).expect("an answer");
        assert!(identity.is_primary);
        assert_eq!(identity.system_id, SYSTEM);
        assert_eq!(identity.position.lsn, wal.end);
        assert_eq!(identity.position.timeline, Timeline(2));
        assert_eq!(identity.history, [(Timeline(1), switch)]);
        assert_eq!(pair.a.identity(&pair.tree), None, "it is down");
    }
}
