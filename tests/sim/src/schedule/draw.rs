//! Draws the parts of one fault: which kind, of whom, how long.
//!
//! All times are whole milliseconds: what a script can say in a readable way.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Kind, Swarm};
use crate::chance::Chance;
use crate::fault::{Call, Deed, End, Fault, Mishap, Quirk, Work};
use crate::ids::Node;

/// What is drawn from, and what was drawn that limits what may be.
pub(super) struct Draw<'a> {
    pub(super) chance: Chance,
    pub(super) swarm: &'a Swarm,
    /// Disks that were lost: never those of a majority.
    lost_disks: BTreeSet<Node>,
}

impl<'a> Draw<'a> {
    pub(super) fn new(chance: Chance, swarm: &'a Swarm) -> Self {
        Self {
            chance,
            swarm,
            lost_disks: BTreeSet::new(),
        }
    }

    pub(super) fn has(&self, kind: Kind) -> bool {
        self.swarm.kinds.contains(&kind)
    }

    /// One of the enabled kinds, by their weights.
    pub(super) fn kind(&mut self) -> Kind {
        let kinds = &self.swarm.kinds;
        let mut rest = self
            .chance
            .below(kinds.iter().map(|kind| kind.weight()).sum());
        for kind in kinds {
            match rest.checked_sub(kind.weight()) {
                Some(less) => rest = less,
                None => return *kind,
            }
        }
        unreachable!("the number is below the sum of the weights")
    }

    pub(super) fn node(&mut self) -> Node {
        let number = self.chance.below(u64::from(self.swarm.options.nodes));
        Node(u8::try_from(number).expect("below a number of that size"))
    }

    /// Another member, when there is one.
    pub(super) fn other(&mut self, node: Node) -> Node {
        let nodes = self.swarm.options.nodes;
        if nodes < 2 {
            return node;
        }
        let step = 1 + self.chance.below(u64::from(nodes) - 1);
        let step = u8::try_from(step).expect("below a number of that size");
        Node((node.0 + step) % nodes)
    }

    /// How long something lasts: short, around the lease and the loop, or long.
    pub(super) fn lasting(&mut self) -> Duration {
        let options = &self.swarm.options;
        let (ttl, loop_wait) = (millis(options.ttl), millis(options.loop_wait));
        let chance = &mut self.chance;
        match chance.below(8) {
            0 => chance.millis(10, 2000),
            1 | 2 => chance.millis(ttl / 20, ttl),
            3 => chance.millis(ttl * 4 / 5, ttl * 6 / 5),
            4 => chance.millis(ttl - 100, ttl + 100),
            5 => chance.millis(loop_wait * 4 / 5, loop_wait * 6 / 5),
            6 => chance.millis(ttl, 3 * ttl),
            _ => chance.millis(2 * ttl, 10 * ttl),
        }
    }

    /// How long a message is held up: mostly less than its sender waits.
    fn delay(&mut self) -> Duration {
        let ttl = millis(self.swarm.options.ttl);
        let chance = &mut self.chance;
        match chance.below(4) {
            0 => chance.millis(20, 300),
            1 | 2 => chance.millis(100, ttl / 2),
            _ => chance.millis(ttl / 2, ttl * 3 / 2),
        }
    }

    /// One fault of a kind, mostly a single entry: both directions of a cut are two.
    pub(super) fn faults(&mut self, kind: Kind, node: Node) -> Vec<Fault> {
        let lasting = Some(self.lasting());
        match kind {
            Kind::CrashHost => vec![Fault::CrashHost(node, lasting)],
            Kind::CrashAgent => vec![Fault::CrashAgent(node, lasting)],
            Kind::CrashServer => vec![self.crash_server(node)],
            Kind::FreezeAgent => vec![Fault::FreezeAgent(node, lasting)],
            Kind::FreezeServer => vec![Fault::FreezeServer(node, lasting)],
            Kind::FreezeHost => vec![Fault::FreezeHost(node, lasting)],
            Kind::Quirk => {
                let quirk = self.chance.one_of(&Quirk::ALL);
                vec![Fault::Quirk(node, quirk, lasting)]
            }
            Kind::CutStore => self.cut(node, End::Store),
            Kind::CutMembers => self.cut_members(node),
            Kind::CutClients => self.cut(node, End::Clients),
            Kind::Slow => self.slow(node),
            Kind::StoreDown => vec![Fault::StoreDown(lasting)],
            Kind::StoreElection => {
                let half = millis(self.swarm.options.ttl) / 2;
                vec![Fault::StoreElection(self.chance.millis(300, half))]
            }
            Kind::LoseReply => vec![Fault::LoseReply(self.chance.one_of(&Call::ALL))],
            Kind::Delay => {
                let call = self.chance.one_of(&Call::ALL);
                vec![Fault::Delay(call, self.delay())]
            }
            Kind::BreakWatch => vec![Fault::BreakWatch(node, self.lasting())],
            Kind::StaleReads => vec![Fault::StaleReads(node, lasting)],
            Kind::OldView => vec![Fault::OldView {
                node,
                back: self.chance.millis(100, 2 * millis(self.swarm.options.ttl)),
                reconnects: self.chance.once_in(2),
            }],
            Kind::Upon => {
                let (work, mishap) = (
                    self.chance.one_of(&Work::ALL),
                    self.chance.one_of(&Mishap::ALL),
                );
                vec![self.upon(work, mishap)]
            }
            Kind::RecycleWal => vec![Fault::RecycleWal(node)],
            Kind::LoseDisk => self.lose_disk(node),
            Kind::Switchover => vec![Fault::Deed(self.switchover(node))],
            Kind::Failover => vec![Fault::Deed(Deed::Failover { to: node })],
            Kind::Restart => vec![Fault::Deed(Deed::Restart {
                at: node,
                away: self.lasting(),
            })],
            Kind::RestartServer => vec![Fault::Deed(Deed::RestartServer { at: node })],
            Kind::Reinit => vec![Fault::Deed(Deed::Reinit { at: node })],
            Kind::Pause => vec![Fault::Deed(Deed::Pause(true))],
            Kind::SetTtl => {
                let seconds = self.chance.one_of(&[5, 8, 10, 15, 20, 30]);
                vec![Fault::Deed(Deed::SetTtl(Duration::from_secs(seconds)))]
            }
            Kind::DeleteLeaderKey => vec![Fault::Deed(Deed::DeleteLeaderKey)],
            Kind::OverwriteLeaderKey => vec![Fault::Deed(Deed::OverwriteLeaderKey(node))],
            Kind::WipeStore => vec![Fault::Deed(Deed::WipeStore)],
            Kind::RestoreStore => vec![Fault::Deed(Deed::RestoreStore(self.lasting()))],
        }
    }

    fn crash_server(&mut self, node: Node) -> Fault {
        // Draws of its own: what is drawn afterwards goes on to be what it was.
        let mut own = Chance::new(self.chance.clone().draw());
        let orphans = self.chance.once_in(3);
        if own.once_in(3) {
            Fault::CrashBackend(node)
        } else {
            Fault::CrashServer { node, orphans }
        }
    }

    /// What hits whoever begins this: mostly at once, sometimes a little later.
    pub(super) fn upon(&mut self, work: Work, mishap: Mishap) -> Fault {
        let after = match self.chance.below(3) {
            0 => Duration::ZERO,
            1 => self.chance.millis(1, 50),
            _ => self.chance.millis(20, 2000),
        };
        Fault::Upon {
            work,
            after,
            mishap,
            lasting: self.lasting(),
        }
    }

    fn switchover(&mut self, node: Node) -> Deed {
        let to = self.other(node);
        let is_named = !self.chance.once_in(3);
        Deed::Switchover {
            at: node,
            to: is_named.then_some(to),
        }
    }

    /// Mostly both directions; one alone shows who trusts what it does not hear back.
    fn cut(&mut self, node: Node, other: End) -> Vec<Fault> {
        let lasting = Some(self.lasting());
        let there = Fault::Cut {
            from: End::Node(node),
            to: other,
            lasting,
        };
        let back = Fault::Cut {
            from: other,
            to: End::Node(node),
            lasting,
        };
        match self.chance.below(8) {
            0 => vec![there],
            1 => vec![back],
            _ => vec![there, back],
        }
    }

    /// From one other member, or from all of them.
    fn cut_members(&mut self, node: Node) -> Vec<Fault> {
        if !self.chance.once_in(3) {
            let other = self.other(node);
            return self.cut(node, End::Node(other));
        }
        let lasting = Some(self.lasting());
        let others = (0..self.swarm.options.nodes).map(Node);
        let others = others.filter(|other| *other != node).map(End::Node);
        let (node, mut faults) = (End::Node(node), Vec::new());
        for other in others {
            for (from, to) in [(node, other), (other, node)] {
                faults.push(Fault::Cut { from, to, lasting });
            }
        }
        faults
    }

    fn slow(&mut self, node: Node) -> Vec<Fault> {
        let other = match self.chance.below(3) {
            0 => End::Node(self.other(node)),
            _ => End::Store,
        };
        let (by, lasting) = (self.delay(), Some(self.lasting()));
        let (mut from, mut to) = (End::Node(node), other);
        if self.chance.once_in(2) {
            (from, to) = (to, from);
        }
        vec![Fault::Slow {
            from,
            to,
            by,
            lasting,
        }]
    }

    pub(super) fn lose_disk(&mut self, node: Node) -> Vec<Fault> {
        let lost = self.lost_disks.len() + usize::from(!self.lost_disks.contains(&node));
        if 2 * lost >= usize::from(self.swarm.options.nodes) {
            return Vec::new();
        }
        self.lost_disks.insert(node);
        vec![Fault::LoseDisk(node)]
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
