//! Stories of leaders without the store: who may go on, and who must not begin.

use super::{NOW, Tale, millis};
use crate::fault::{Call, Deed, End, Fault, Mishap, Quirk, Work};
use crate::ids::Node;

impl Tale<'_, '_> {
    /// The store is away for everybody, and something happens to those who hold back.
    pub(super) fn store_away(&mut self) {
        let last = self.share(80, 400);
        self.add(NOW, Fault::StoreDown(Some(last)));
        self.trouble_among_promisers();
    }

    /// The leader alone loses the store, and the others see its key go.
    pub(super) fn cut_off(&mut self) {
        let last = self.share(150, 500);
        self.leader(NOW, Mishap::CutStore, NOW, last);
        self.trouble_among_promisers();
        if self.once_in(3) {
            let (after, last) = (self.share(60, 300), self.share(50, 300));
            self.leader(NOW, Mishap::CutMembers, after, last);
        }
    }

    fn trouble_among_promisers(&mut self) {
        let at = self.share(40, 250);
        let last = self.share(5, 200);
        match self.draw.chance.below(6) {
            0 => self.add(at, Fault::CrashAgent(self.node, Some(last / 10))),
            1 => self.add(at, Fault::CrashHost(self.node, Some(last))),
            2 => self.add(at, Fault::FreezeAgent(self.node, Some(last))),
            3 => self.cut_from_members(at, self.node, last),
            _ => {}
        }
    }

    /// A member was away for so long that nobody counts on it, and returns while the leader is cut
    /// off.
    pub(super) fn stranger(&mut self) {
        let away = self.share(180, 260);
        self.add(NOW, Fault::CrashHost(self.node, Some(away)));
        let at = away + self.millis(0, 3000);
        if self.once_in(2) {
            for _ in 0..4 {
                self.add(at, Fault::LoseReply(Call::Commit));
            }
        }
        let last = self.share(150, 500);
        self.leader(at.saturating_sub(self.ttl / 2), Mishap::CutStore, NOW, last);
    }

    /// The list that counts on a member that has returned is written, and the leader does not hear so
    /// before it is cut off from the store and from that member.
    pub(super) fn unheard_list(&mut self) {
        let away = self.share(180, 260);
        let at = away + self.millis(0, 1000);
        self.add(NOW, Fault::CrashHost(self.node, Some(away)));
        for _ in 0..6 {
            self.add(at, Fault::LoseReply(Call::Commit));
        }
        let (after, last) = (self.millis(0, 3000), self.share(200, 500));
        self.leader(at, Mishap::CutStore, after, last);
        self.cut_from_members(at, self.node, last + after);
    }

    /// Answers of members take long, and then none come any more.
    pub(super) fn slow_promises(&mut self) {
        let node = self.likely_leader();
        let last = self.share(200, 400);
        // Late, and still in time for a round of questions.
        let limit = (millis(self.ttl) / 8).clamp(300, 2000);
        let by = self.millis(limit * 6 / 10, limit * 95 / 100);
        self.add(
            NOW,
            Fault::Quirk(node, Quirk::IgnoresFastStop, Some(last + self.ttl * 3)),
        );
        for from in (0..self.draw.swarm.options.nodes).map(Node) {
            if from != node {
                let (from, to) = (End::Node(from), End::Node(node));
                let lasting = Some(last);
                self.add(
                    NOW,
                    Fault::Slow {
                        from,
                        to,
                        by,
                        lasting,
                    },
                );
            }
        }
        let alone = last + self.ttl * 2;
        self.cut(NOW, node, End::Store, alone);
        let at = self.share(100, 190);
        self.cut_from_members(at, node, alone);
    }

    /// A tool removes the key of a leader that is cut off, and whoever takes it is slow to become a
    /// primary.
    pub(super) fn taken_beside(&mut self) {
        let slow = self.share(100, 200);
        for node in (0..self.draw.swarm.options.nodes).map(Node) {
            let quirk = Quirk::HangsInPromotion;
            self.add(NOW, Fault::Quirk(node, quirk, Some(slow)));
        }
        let last = self.share(300, 500);
        self.leader(NOW, Mishap::CutStore, NOW, last);
        let at = self.share(35, 60);
        self.add(at, Fault::Deed(Deed::DeleteLeaderKey));
    }

    /// A tool removes the key of a leader that is cut off, and who asks for it is not heard before
    /// the leader has asked for promises.
    pub(super) fn late_taking(&mut self) {
        let last = self.share(300, 500);
        self.leader(NOW, Mishap::CutStore, NOW, last);
        let at = self.share(5, 40);
        for _ in 0..self.draw.swarm.options.nodes {
            let by = self.share(40, 120);
            self.add(at, Fault::Delay(Call::Acquire, by));
        }
        self.add(at, Fault::Deed(Deed::DeleteLeaderKey));
    }

    /// The leader is back for a moment and takes its key anew; those who have promised hear of that
    /// late, and the leader does not hear of it at all.
    pub(super) fn retaken(&mut self) {
        let node = self.likely_leader();
        let away = self.share(130, 200);
        self.cut(NOW, node, End::Store, away);
        let deaf_from = away.saturating_sub(self.ttl / 4);
        let deaf = self.ttl / 4 + self.share(30, 90);
        for other in (0..self.draw.swarm.options.nodes).map(Node) {
            if other != node {
                self.add(deaf_from, Fault::BreakWatch(other, deaf));
            }
        }
        self.add(deaf_from, Fault::LoseReply(Call::Acquire));
        let (after, last) = (self.millis(5, 60), self.share(200, 400));
        self.upon(deaf_from, Work::Acquire, Mishap::CutStore, after, last);
    }

    /// The leader takes the lead of a cluster that the store has forgotten, and is cut off before it
    /// has said who must promise.
    pub(super) fn list_gone(&mut self) {
        let (after, last) = (self.millis(1, 20), self.share(200, 400));
        self.upon(NOW, Work::Acquire, Mishap::CutStore, after, last);
        let at = self.millis(1, 1000);
        self.add(at, Fault::Deed(Deed::WipeStore));
    }
}
