//! Stories of standbys that stream from other standbys, and of slots that they lack.

use std::time::Duration;

use super::{NOW, Tale};
use crate::fault::{Deed, End, Fault, Quirk};
use crate::ids::Node;

impl Tale<'_, '_> {
    /// Who should stream from another one, and that one.
    fn taker_and_relay(&mut self) -> (Node, Node) {
        let pairs = &self.draw.swarm.options.replicatefrom;
        let pairs: Vec<(u8, u8)> = pairs.iter().map(|(one, other)| (*one, *other)).collect();
        if pairs.is_empty() {
            return (self.node, self.draw.other(self.node));
        }
        let (taker, relay) = self.draw.chance.one_of(&pairs);
        (Node(taker), Node(relay))
    }

    /// A relay gives nothing: it gets nothing itself, or its taker does not reach it.
    pub(super) fn silent_relay(&mut self) {
        let (taker, relay) = self.taker_and_relay();
        let last = self.millis(200_000, 280_000);
        if self.once_in(2) {
            return self.cut(NOW, taker, End::Node(relay), last);
        }
        for other in (0..self.draw.swarm.options.nodes).map(Node) {
            if other != relay && other != taker {
                self.cut(NOW, relay, End::Node(other), last);
            }
        }
    }

    /// A relay has less than a taker that comes from the leader.
    pub(super) fn lagging_relay(&mut self) {
        let (taker, relay) = self.taker_and_relay();
        let deaf = self.millis(15_000, 60_000);
        let quirk = Fault::Quirk(relay, Quirk::ReceivesNothing, Some(deaf));
        self.add(NOW, quirk);
        let (at, away) = (self.millis(200, 3000), self.millis(500, 5000));
        self.add(at, Fault::CrashHost(taker, Some(away)));
    }

    /// A standby that went on beyond the fork finds its relay on the next timeline.
    pub(super) fn parted_taker(&mut self) {
        let (taker, relay) = self.taker_and_relay();
        let nodes = self.draw.swarm.options.nodes;
        let others: Vec<Node> = (0..nodes)
            .map(Node)
            .filter(|node| *node != taker && *node != relay)
            .collect();
        let former = match others.first() {
            Some(former) => *former,
            None => relay,
        };
        for node in others.into_iter().chain([relay]).filter(|n| *n != former) {
            let deaf = self.millis(1500, 3000);
            let quirk = Quirk::ReceivesNothing;
            self.add(NOW, Fault::Quirk(node, quirk, Some(deaf)));
        }
        let (at, silent) = (self.millis(1000, 1500), self.share(180, 300));
        self.add(at, Fault::FreezeAgent(taker, Some(silent)));
        let away = self.share(200, 400);
        self.add(at, Fault::CrashHost(former, Some(away)));
    }

    /// Standbys lack slots because their data is new, and something makes one of them needed.
    pub(super) fn new_copies(&mut self) {
        let nodes = self.draw.swarm.options.nodes;
        let all = self.once_in(2);
        for node in (0..nodes).map(Node) {
            if all || node == self.node {
                let at = self.millis(0, 3000);
                self.add(at, Fault::Deed(Deed::Reinit { at: node }));
            }
        }
        let at = self.millis(500, 25_000);
        let other = self.draw.other(self.node);
        match self.draw.chance.below(5) {
            0 => {
                let away = self.millis(60_000, 150_000);
                self.add(NOW, Fault::CrashHost(other, Some(away)));
            }
            1 => {
                let away = self.millis(60_000, 150_000);
                self.cut_from_members(NOW, other, away);
            }
            2 => self.add(at, Fault::Deed(Deed::Failover { to: self.node })),
            3 => {
                let (by, to) = (other, Some(self.node));
                self.add(at, Fault::Deed(Deed::Switchover { at: by, to }));
            }
            _ => {}
        }
    }

    /// Data that has parted from the leader's lies still while slots are missing.
    pub(super) fn parted_copy(&mut self) {
        let node = self.likely_leader();
        let away = self.share(120, 250);
        self.leader_diverges(node, away);
        let back = away + self.millis(1000, 2000);
        self.add(
            back,
            Fault::Quirk(node, Quirk::CopyFails, Some(Duration::from_secs(20))),
        );
    }
}
