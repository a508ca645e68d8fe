//! All servers of a small world, the WAL that they wrote, and what their own processes would do
//! next.

use herdsman_ha_core::{DataView, Lsn, SenderView, ServerView, SyncState};

use super::form::Form;
use crate::ids::Node;
use crate::pg::{Process, Server, Tree, Wal};

/// The servers at one moment.
#[derive(Clone, Debug)]
pub(super) struct Disks {
    pub(super) servers: Vec<Server>,
    pub(super) tree: Tree,
    pub(super) exact: u128,
    /// Whose stream of WAL has something to do.
    stirs: u8,
}

impl Disks {
    pub(super) fn new(members: u8) -> Self {
        let mut disks = Self {
            servers: (0..members).map(|index| Server::new(Node(index))).collect(),
            tree: Tree::default(),
            exact: 0,
            stirs: 0,
        };
        disks.settle();
        disks
    }

    /// To be called after every change.
    pub(super) fn settle(&mut self) {
        self.exact = Form::of(&(&self.servers, &self.tree)).exact();
        self.stirs = (0..self.servers.len())
            .filter(|index| self.would_stream(*index))
            .fold(0, |all, index| all | (1 << index));
    }

    pub(super) fn server(&self, node: Node) -> &Server {
        &self.servers[node.index()]
    }

    pub(super) fn server_mut(&mut self, node: Node) -> (&mut Server, &mut Tree) {
        (&mut self.servers[node.index()], &mut self.tree)
    }

    /// Whether the processes of a server are on their way to another state.
    pub(super) fn is_moving(&self, node: Node) -> bool {
        let server = self.server(node);
        let is_moving = match server.process {
            Process::Starting { .. } | Process::Stopping { .. } | Process::Promoting(_) => true,
            Process::Standby(receiver) => !receiver.wal_end_reached,
            Process::Down { .. } | Process::Primary => false,
        };
        is_moving && !server.is_frozen
    }

    /// Whether a server can neither write nor come to it by itself.
    pub(super) fn is_harmless(&self, node: Node) -> bool {
        let server = self.server(node);
        server.is_standby() || (server.is_down() && !server.is_orphaned())
    }

    /// Whether a standby would connect, receive something, or notice that nobody is there.
    pub(super) fn stirs(&self, node: Node) -> bool {
        self.stirs & (1 << node.index()) != 0
    }

    fn would_stream(&self, index: usize) -> bool {
        let server = &self.servers[index];
        if !server.is_standby() || server.is_frozen {
            return false;
        }
        let mut copy = server.clone();
        let mut rest = self.servers.iter();
        let upstream = server
            .upstream()
            .and_then(|upstream| rest.find(|other| other.node == upstream));
        take(&mut copy, upstream, &self.tree);
        copy != *server
    }

    /// A look at the data and the server of a member, with who streams from it.
    pub(super) fn look(&self, node: Node) -> (DataView, ServerView) {
        let (data, mut server) = self.server(node).look(&self.tree);
        if let ServerView::Primary(primary) = &mut server {
            let standbys = self.servers.iter();
            let standbys = standbys.filter(|standby| standby.connected() == Some(node));
            let senders = standbys.map(|standby| SenderView {
                name: standby.node.to_string(),
                is_streaming: true,
                state: SyncState::Async,
                confirmed: None,
            });
            primary.sync.senders = senders.collect();
        }
        (data, server)
    }

    /// A standby takes what there is.
    pub(super) fn stream(&mut self, node: Node) {
        let upstream = self.server(node).upstream();
        let Some(upstream) = upstream.filter(|upstream| *upstream != node) else {
            self.servers[node.index()].disconnect();
            return;
        };
        let source = self.server(upstream).clone();
        let server = &mut self.servers[node.index()];
        take(server, Some(&source), &self.tree);
        if server.connected() == Some(upstream)
            && let Some((slot, end)) = told(server)
        {
            self.servers[upstream.index()].confirm(&slot, end);
        }
    }

    /// The processes of a server come to the state that they are on their way to. True: it left
    /// recovery, or came up, as a primary.
    pub(super) fn go_on(&mut self, node: Node) -> bool {
        let process = self.server(node).process;
        match process {
            Process::Stopping { .. } => self.stop(node),
            Process::Starting { .. } => {
                let (server, tree) = self.server_mut(node);
                let _ = server.finish_start(tree);
            }
            Process::Promoting(_) => {
                let (server, tree) = self.server_mut(node);
                let _ = server.finish_promote(tree);
            }
            Process::Standby(_) => self.servers[node.index()].replay_to_end(),
            Process::Down { .. } | Process::Primary => {}
        }
        process != Process::Primary && self.server(node).is_primary()
    }

    /// Whoever streams from a server that stops in order gets everything first.
    fn stop(&mut self, node: Node) {
        let (server, tree) = self.server_mut(node);
        let ships = server.pending_shutdown_record(tree).is_some();
        let receivers: Vec<Node> = self
            .servers
            .iter()
            .filter(|server| ships && server.connected() == Some(node))
            .map(|server| server.node)
            .collect();
        for receiver in receivers {
            let source = self.server(node).clone();
            let tree = &self.tree;
            self.servers[receiver.index()].receive(&source, tree);
        }
        let (server, tree) = self.server_mut(node);
        if server.finish_stop(tree).is_err() {
            server.kill_all();
        }
    }

    /// Whether a server's disk holds everything up to there.
    pub(super) fn holds(&self, node: Node, point: Wal) -> bool {
        let wal = self.server(node).wal();
        wal.is_some_and(|wal| self.tree.contains(wal, point))
    }
}

fn take(server: &mut Server, upstream: Option<&Server>, tree: &Tree) {
    let able = upstream.filter(|upstream| server.can_stream(upstream, tree).is_ok());
    match able {
        Some(upstream) => {
            server.connect(upstream.node);
            server.receive(upstream, tree);
        }
        // The kernel keeps the connection to one that merely stands still.
        None if upstream.is_some_and(|upstream| upstream.is_frozen) => {}
        None => server.disconnect(),
    }
}

/// What a standby tells the slot that it uses.
fn told(server: &Server) -> Option<(String, Lsn)> {
    let files = server.files()?;
    Some((files.upstream_slot.clone()?, files.wal.end))
}
