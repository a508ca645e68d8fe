//! Stories of agents that come back to a server which went on without them.

use super::{NOW, Tale};
use crate::fault::{Fault, Mishap, Quirk, Work};
use crate::ids::Node;

impl Tale<'_, '_> {
    pub(super) fn blind_return(&mut self) {
        let (blind, away) = (self.share(200, 500), self.millis(300, 4000));
        self.leader(NOW, Mishap::CutStore, NOW, blind);
        let after = self.millis(0, 1000);
        self.leader(NOW, Mishap::CrashAgent, after, away);
        let after = self.millis(0, 4000);
        match self.draw.chance.below(3) {
            0 => self.leader(NOW, Mishap::Orphan, after, NOW),
            1 => self.leader(NOW, Mishap::FreezeServer, after, blind),
            _ => {}
        }
    }

    pub(super) fn late_return(&mut self) {
        let away = self.share(110, 250);
        self.leader(NOW, Mishap::CrashAgent, NOW, away);
        let after = self.millis(0, 4000);
        if self.once_in(2) {
            self.leader(NOW, Mishap::Orphan, after, NOW);
        } else {
            let frozen = away + self.millis(4800, 15_000);
            self.leader(NOW, Mishap::FreezeServer, NOW, frozen);
        }
    }

    pub(super) fn silent_primary(&mut self) {
        let frozen = self.share(110, 300);
        self.leader(NOW, Mishap::FreezeServer, NOW, frozen);
        let after = self.millis(0, 2000);
        let cut = frozen + self.millis(100, 10_000);
        self.leader(NOW, Mishap::CutStore, after, cut);
    }

    /// Whoever takes over is still at it when its lease has ended and its agent is back.
    pub(super) fn left_order(&mut self) {
        let away = self.share(110, 200);
        let slow = self.ttl * 3 / 2 + away + self.millis(5000, 15_000);
        for node in (0..self.draw.swarm.options.nodes).map(Node) {
            let quirk = Quirk::HangsInPromotion;
            self.add(NOW, Fault::Quirk(node, quirk, Some(slow)));
        }
        let after = self.millis(0, 1000);
        self.upon(NOW, Work::Promote, Mishap::CrashAgent, after, away);
        let last = self.share(110, 300);
        self.leader(NOW, Mishap::CrashHost, NOW, last);
    }
}
