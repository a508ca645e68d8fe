//! Stories of data that has gone on beyond the point where the next timeline begins.

use std::time::Duration;

use super::{NOW, Tale};
use crate::fault::{Deed, End, Fault, Mishap, Quirk, Work};
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

    /// The chosen one and who led before lead in turn, each cut off from the store as soon as it is
    /// promoted.
    pub(super) fn chosen_line(&mut self) {
        let former = self.likely_leader();
        let chosen = self.draw.other(former);
        for other in (0..self.draw.swarm.options.nodes).map(Node) {
            if other != former {
                let deaf = Some(self.ttl * 2);
                self.add(NOW, Fault::Quirk(other, Quirk::ReceivesNothing, deaf));
            }
        }
        let mut at = self.share(90, 140);
        let turns = 1 + self.draw.chance.below(3);
        for turn in 0..turns {
            let (dead, next) = match turn % 2 {
                0 => (former, chosen),
                _ => (chosen, former),
            };
            let is_last = turn + 1 == turns;
            let away = self.share(250, 330);
            self.add(at, Fault::CrashHost(dead, Some(away)));
            if is_last && self.once_in(2) {
                // Never a majority of them.
                for fault in self.draw.lose_disk(dead) {
                    self.add(at, fault);
                }
            }
            let cut = self.share(100, 150);
            self.upon(at, Work::Promote, Mishap::CutStore, NOW, cut);
            let asked = at + self.share(50, 120);
            self.add(asked, Fault::Deed(Deed::Failover { to: next }));
            at = at + away + self.share(10, 60);
        }
        // Whoever was chosen first is alone.
        let away = self.share(300, 500);
        self.add(at, Fault::CrashHost(former, Some(away)));
    }

    /// A former leader that does not hear who leads now is the only one that could be asked.
    pub(super) fn foreign_successor(&mut self) {
        let former = self.likely_leader();
        let next = self.draw.other(former);
        for other in (0..self.draw.swarm.options.nodes).map(Node) {
            if other != former {
                let deaf = self.millis(4000, 8000);
                let quirk = Quirk::ReceivesNothing;
                self.add(NOW, Fault::Quirk(other, quirk, Some(deaf)));
            }
        }
        let (at, away) = (self.millis(3500, 4000), self.share(120, 200));
        self.add(at, Fault::CrashHost(former, Some(away)));
        let late = self.ttl * 6;
        let old = at + self.share(99, 106);
        self.add(old, Fault::StaleReads(former, Some(late)));
        for other in (0..self.draw.swarm.options.nodes).map(Node) {
            if other != former {
                self.cut(at, other, End::Clients, late);
            }
            if other != former && other != next {
                self.add(at, Fault::CrashHost(other, Some(late)));
            }
        }
        let asked = at + away + self.millis(500, 10_000);
        let to = self.once_in(2).then_some(former);
        self.add(asked, Fault::Deed(Deed::Switchover { at: next, to }));
    }
}
