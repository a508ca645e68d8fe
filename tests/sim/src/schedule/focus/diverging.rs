//! Stories of data that has gone on beyond the point where the next timeline begins.

use std::time::Duration;

use super::{NOW, Tale};
use crate::fault::{Deed, Fault, Mishap, Quirk, Work};
use crate::ids::Node;

impl Tale<'_, '_> {
    /// The leader dies with rows that nobody else has.
    pub(super) fn leader_diverges(&mut self, node: Node, away: Duration) -> Duration {
        for other in (0..self.draw.swarm.options.nodes).map(Node) {
            if other != node {
                let deaf = self.millis(1500, 3000);
                let quirk = Quirk::ReceivesNothing;
                self.add(NOW, Fault::Quirk(other, quirk, Some(deaf)));
            }
        }
        let at = self.millis(1000, 1500);
        self.add(at, Fault::CrashHost(node, Some(away)));
        at
    }

    pub(super) fn new_generation(&mut self) {
        let node = self.likely_leader();
        let away = self.share(120, 250);
        self.leader_diverges(node, away);
        let at = self.share(60, 110);
        let after = self.millis(20, 1500);
        self.upon(at, Work::Identify, Mishap::KeyDeleted, after, NOW);
    }

    pub(super) fn stale_witness(&mut self) {
        let node = self.likely_leader();
        let away = self.share(210, 280);
        self.leader_diverges(node, away);
        let (at, stale) = (self.share(140, 160), self.share(150, 250));
        self.add(at, Fault::StaleReads(node, Some(stale)));
        let (at, by) = (self.share(165, 200), self.draw.other(node));
        self.add(at, Fault::Deed(Deed::Switchover { at: by, to: None }));
    }

    pub(super) fn hearsay(&mut self) {
        let former = self.likely_leader();
        let ahead = self.draw.other(former);
        for other in (0..self.draw.swarm.options.nodes).map(Node) {
            if other != former && other != ahead {
                let deaf = self.millis(1500, 3000);
                let quirk = Quirk::ReceivesNothing;
                self.add(NOW, Fault::Quirk(other, quirk, Some(deaf)));
            }
        }
        // Nobody hears what it has, and it is not told whom to follow.
        let (at, silent) = (self.millis(1000, 1500), self.share(200, 350));
        self.add(at, Fault::FreezeAgent(ahead, Some(silent)));
        let away = self.share(105, 150);
        self.add(at, Fault::CrashHost(former, Some(away)));
        for _ in 0..2 {
            let at = self.share(150, 350);
            self.add(at, Fault::CrashBackend(ahead));
        }
    }
}
