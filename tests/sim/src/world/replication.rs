//! Standbys take what their upstream has, a message's time after it has it.

use std::time::Duration;

use super::World;
use super::draws::What;
use super::event::ServerEvent;
use crate::fact::Fact;
use crate::fault::{End, Quirk};
use crate::ids::Node;
use crate::pg::NoStream;

/// How often a standby without a connection tries again.
const RETRY: Duration = Duration::from_millis(500);

impl World {
    /// The standby looks for WAL after this time, unless it is about to anyway.
    pub(super) fn plan_pull(&mut self, node: Node, after: Duration) {
        let host = self.host_mut(node);
        if host.is_pulling || !host.server.is_standby() {
            return;
        }
        host.is_pulling = true;
        self.plan_server(node, after, ServerEvent::Pull);
    }

    pub(super) fn pull(&mut self, node: Node) {
        self.host_mut(node).is_pulling = false;
        let server = &self.host(node).server;
        if !server.is_standby() {
            return;
        }
        let Some(upstream) = server.upstream().filter(|upstream| *upstream != node) else {
            return;
        };
        let is_connected = server.connected() == Some(upstream);
        if !self.net.connects(End::Node(node), End::Node(upstream)) || !self.host(upstream).is_up {
            if is_connected {
                self.notice_later(node);
            } else {
                self.plan_pull(node, RETRY);
            }
            return;
        }
        let source = &self.host(upstream).server;
        if source.is_frozen {
            // The kernel keeps the connection; nothing comes.
            self.plan_pull(node, RETRY);
            return;
        }
        let can = self.host(node).server.can_stream(source, &self.tree);
        if let Err(reason) = can {
            // The history is told before the stream is asked for, and refused.
            let is_told = matches!(
                reason,
                NoStream::Diverged | NoStream::NoSlot | NoStream::WalGone
            );
            if is_told {
                let (taker, source) = two(&mut self.hosts, node, upstream);
                taker.server.hear_of(&source.server, &self.tree);
            }
            self.host_mut(node).server.disconnect();
            self.plan_pull(node, RETRY);
            return;
        }
        if !is_connected {
            self.host_mut(node).server.connect(upstream);
        }
        self.receive(node, upstream);
    }

    /// Takes everything that the upstream has.
    pub(super) fn receive(&mut self, node: Node, upstream: Node) {
        if self
            .host(node)
            .server
            .quirks
            .contains(&Quirk::ReceivesNothing)
        {
            return;
        }
        let (taker, source) = two(&mut self.hosts, node, upstream);
        let was_corrupt = taker.server.is_corrupt();
        let has_grown = taker.server.receive(&source.server, &self.tree);
        let files = taker.server.files();
        let slot = files.and_then(|files| Some((files.upstream_slot.as_deref()?, files.wal.end)));
        if let Some((slot, end)) = slot {
            source.server.confirm(slot, end);
        }
        if self.host(node).server.is_corrupt() && !was_corrupt {
            self.tell(Fact::Corrupted { node });
        }
        if has_grown {
            self.wake_receivers(node);
            self.acknowledge(upstream);
        }
    }

    /// The upstream has more, or is gone: who streams from it finds out.
    pub(super) fn wake_receivers(&mut self, upstream: Node) {
        for node in self.nodes() {
            if node == upstream || self.host(node).server.connected() != Some(upstream) {
                continue;
            }
            let travel = self.draws.message(What::Stream, node)
                + self.net.delay(End::Node(upstream), End::Node(node));
            self.plan_pull(node, travel);
        }
    }

    /// A connection that nothing comes through is given up after a while.
    fn notice_later(&mut self, node: Node) {
        let host = self.host_mut(node);
        if host.is_noticing {
            return;
        }
        host.is_noticing = true;
        let after = self.draws.millis(What::Notice, node, 2_000, 60_000);
        self.plan_server(node, after, ServerEvent::ConnectionLost);
    }

    pub(super) fn connection_lost(&mut self, node: Node) {
        self.host_mut(node).is_noticing = false;
        let server = &self.host(node).server;
        let Some(upstream) = server.connected() else {
            return;
        };
        let is_back =
            self.net.connects(End::Node(node), End::Node(upstream)) && self.host(upstream).is_up;
        if !is_back {
            self.host_mut(node).server.disconnect();
        }
        self.plan_pull(node, RETRY);
    }
}

/// Two different hosts at once.
fn two(hosts: &mut [super::Host], one: Node, other: Node) -> (&mut super::Host, &mut super::Host) {
    let (low, high) = (
        one.index().min(other.index()),
        one.index().max(other.index()),
    );
    let (left, right) = hosts.split_at_mut(high);
    if one.index() < other.index() {
        (&mut left[low], &mut right[0])
    } else {
        (&mut right[0], &mut left[low])
    }
}
