//! Servers for the tests of this folder.

use herdsman_ha_core::{ServerView, StandbyView, SystemId};

use super::{Server, Tree, Wal};
use crate::ids::Node;

pub(super) const A: Node = Node(0);
pub(super) const B: Node = Node(1);
pub(super) const C: Node = Node(2);
pub(super) const SYSTEM: SystemId = SystemId(7_000_000_001);

/// A primary `a` and a standby `b` that streams from it and has everything.
pub(super) struct Pair {
    pub(super) tree: Tree,
    pub(super) a: Server,
    pub(super) b: Server,
}

impl Pair {
    pub(super) fn new() -> Self {
        let mut tree = Tree::default();
        let mut a = Server::new(A);
        a.begin_bootstrap().expect("it is empty");
        a.finish_bootstrap(&mut tree, SYSTEM).expect("it was begun");
        let b = standby_of(&a, B, &mut tree);
        Self { tree, a, b }
    }

    pub(super) fn has(&self, server: &Server, row: Wal) -> bool {
        let wal = server.wal().expect("a cluster");
        self.tree.contains(wal, row)
    }

    /// `b` is promoted with what it has; `a` is killed before.
    pub(super) fn fail_over(&mut self) -> Wal {
        self.a.kill_all();
        self.b.begin_promote().expect("a standby");
        self.b.finish_promote(&mut self.tree).expect("it was begun")
    }
}

/// A running copy of `source` that streams from it.
pub(super) fn standby_of(source: &Server, node: Node, tree: &mut Tree) -> Server {
    let mut server = Server::new(node);
    server.begin_copy().expect("it is empty");
    server.finish_copy(source, tree).expect("a source");
    join(&mut server, source, tree);
    server
}

/// Starts a server that is down as a standby of `upstream`, up to the stream.
pub(super) fn join(server: &mut Server, upstream: &Server, tree: &mut Tree) {
    start_standby(server, upstream.node, tree);
    server.replay_to_end();
    assert_eq!(server.can_stream(upstream, tree), Ok(()));
    server.connect(upstream.node);
    server.receive(upstream, tree);
}

pub(super) fn start_standby(server: &mut Server, upstream: Node, tree: &mut Tree) {
    server
        .begin_start(false, Some(upstream), None)
        .expect("it is down");
    server.finish_start(tree).expect("it was begun");
}

pub(super) fn start_primary(server: &mut Server, tree: &mut Tree) -> Wal {
    server.begin_start(true, None, None).expect("it is down");
    server.finish_start(tree).expect("it was begun")
}

pub(super) fn stop(server: &mut Server, is_fast: bool, tree: &mut Tree) {
    server.begin_stop(is_fast).expect("it runs");
    server.finish_stop(tree).expect("it was begun");
}

/// What a look shows of a standby.
pub(super) fn standby_view(server: &Server, tree: &Tree) -> StandbyView {
    let (_, view) = server.look(tree);
    let ServerView::Standby(standby) = view else {
        panic!("no standby: {view:?}");
    };
    standby
}
