//! What happens after what: faults that meet find more than faults that do not.
//!
//! Besides single faults there are short stories: one shortly after another, one at the end of a
//! lease that the first has begun to run out, a switchover whose parties crash, a connection that
//! comes back for a moment.

use std::time::Duration;

use super::draw::{Draw, millis};
use super::{Focus, Kind, Swarm};
use crate::chance::Chance;
use crate::fault::{Call, Deed, End, Fault, Planned};
use crate::ids::{At, Node};

/// All faults of a run, by time.
pub(super) fn faults(chance: &mut Chance, swarm: &Swarm) -> Vec<Planned> {
    let mut teller = Teller {
        draw: Draw::new(Chance::new(chance.draw()), swarm),
        faults: Vec::new(),
    };
    let pause = millis(swarm.pause);
    let end = At::default().plus(swarm.options.safety);
    let mut at = At::default();
    if let Some(focus) = swarm.focus.filter(|focus| focus.is_of_the_beginning()) {
        let node = teller.draw.node();
        teller.tell_focus(focus, at, node);
    }
    loop {
        at = at.plus(teller.draw.chance.millis(1, 2 * pause));
        if at >= end {
            break;
        }
        teller.tell(at);
    }
    let mut faults = teller.faults;
    faults.retain(|planned| planned.at < end);
    faults.sort_by_key(|planned| planned.at);
    faults
}

struct Teller<'a> {
    draw: Draw<'a>,
    faults: Vec<Planned>,
}

impl Teller<'_> {
    fn tell(&mut self, at: At) {
        let node = self.draw.node();
        if let Some(focus) = self.draw.swarm.focus.filter(|f| !f.is_of_the_beginning())
            && !self.draw.chance.once_in(3)
        {
            return self.tell_focus(focus, at, node);
        }
        match self.draw.chance.below(16) {
            0..6 => self.any(at, node),
            6..8 => self.pair(at, node),
            8..10 => self.end_of_lease(at, node),
            10 | 11 => self.disturbed_move(at, node),
            12 => self.flicker(at, node),
            13 => self.lost_answer(at, node),
            14 => self.storm(at),
            _ => self.one_after_the_other(at, node),
        }
    }

    fn tell_focus(&mut self, focus: Focus, at: At, node: Node) {
        for (after, fault) in focus.tell(&mut self.draw, node) {
            self.add(at.plus(after), [fault]);
        }
    }

    fn add(&mut self, at: At, faults: impl IntoIterator<Item = Fault>) {
        let planned = faults.into_iter().map(|fault| Planned { at, fault });
        self.faults.extend(planned);
    }

    /// One fault of any enabled kind.
    fn any(&mut self, at: At, node: Node) {
        let kind = self.draw.kind();
        self.one(at, kind, node);
    }

    fn one(&mut self, at: At, kind: Kind, node: Node) {
        let faults = self.draw.faults(kind, node);
        self.add(at, faults);
        if kind == Kind::Pause {
            let end = at.plus(self.draw.lasting());
            self.add(end, [Fault::Deed(Deed::Pause(false))]);
        }
    }

    /// The first of these kinds that is enabled, or any.
    fn preferred(&mut self, kinds: &[Kind]) -> Kind {
        let enabled: Vec<Kind> = kinds
            .iter()
            .filter(|k| self.draw.has(**k))
            .copied()
            .collect();
        if enabled.is_empty() {
            self.draw.kind()
        } else {
            self.draw.chance.one_of(&enabled)
        }
    }

    /// One fault and another one within two seconds, of the same member or of another.
    fn pair(&mut self, at: At, node: Node) {
        self.any(at, node);
        let later = at.plus(self.draw.chance.millis(0, 2000));
        let node = self.same_or_other(node);
        self.any(later, node);
    }

    fn same_or_other(&mut self, node: Node) -> Node {
        if self.draw.chance.once_in(2) {
            node
        } else {
            self.draw.other(node)
        }
    }

    /// Somebody stops renewing; something happens when its lease ends.
    fn end_of_lease(&mut self, at: At, node: Node) {
        let first = self.preferred(&[
            Kind::CutStore,
            Kind::FreezeAgent,
            Kind::FreezeHost,
            Kind::CrashHost,
            Kind::CrashAgent,
            Kind::StoreDown,
            Kind::Slow,
        ]);
        self.one(at, first, node);
        let moment = self.moment_of_end(at);
        let node = self.same_or_other(node);
        self.any(moment, node);
    }

    /// The last renewal was up to a loop ago, so the lease ends up to a loop before a whole ttl.
    fn moment_of_end(&mut self, at: At) -> At {
        let options = &self.draw.swarm.options;
        let (ttl, loop_wait) = (millis(options.ttl), millis(options.loop_wait));
        let chance = &mut self.draw.chance;
        let later = match chance.below(3) {
            0 => chance.millis(ttl - 100, ttl + 100),
            1 => chance.millis(ttl, ttl + 1500),
            _ => chance.millis(ttl.saturating_sub(loop_wait), ttl),
        };
        at.plus(later)
    }

    /// A switchover, and a fault within a second of it.
    fn disturbed_move(&mut self, at: At, node: Node) {
        let kind = self.preferred(&[Kind::Switchover, Kind::Restart, Kind::Failover]);
        self.one(at, kind, node);
        let later = at.plus(self.draw.chance.millis(0, 1000));
        let hurt = self.preferred(&[
            Kind::CrashHost,
            Kind::CrashAgent,
            Kind::CrashServer,
            Kind::FreezeHost,
            Kind::CutStore,
        ]);
        let node = self.same_or_other(node);
        self.one(later, hurt, node);
    }

    /// Cut off, back for a moment, cut off again.
    fn flicker(&mut self, at: At, node: Node) {
        if !self.draw.has(Kind::CutStore) {
            return self.pair(at, node);
        }
        let cut = |lasting: Duration| {
            let (member, lasting) = (End::Node(node), Some(lasting));
            [(member, End::Store), (End::Store, member)].map(|(from, to)| Fault::Cut {
                from,
                to,
                lasting,
            })
        };
        let (first, second) = (self.draw.lasting(), self.draw.lasting());
        self.add(at, cut(first));
        let ttl = millis(self.draw.swarm.options.ttl);
        let back = at.plus(self.draw.chance.millis(100, ttl));
        // Heal also thaws and repairs everything else: only sometimes is that what is wanted.
        if self.draw.chance.once_in(2) {
            self.add(back, [Fault::Heal]);
        }
        let again = back.plus(self.draw.chance.millis(0, 1000));
        self.add(again, cut(second));
    }

    /// A call whose answer is lost or which arrives late, and what makes somebody call.
    fn lost_answer(&mut self, at: At, node: Node) {
        let kinds = [Kind::LoseReply, Kind::Delay];
        if !kinds.iter().any(|kind| self.draw.has(*kind)) {
            return self.pair(at, node);
        }
        let (call, causes): (Call, &[Kind]) = match self.draw.chance.below(3) {
            0 => (
                Call::Acquire,
                &[Kind::CrashHost, Kind::CrashServer, Kind::FreezeHost],
            ),
            1 => (Call::Release, &[Kind::Switchover, Kind::Restart]),
            _ => (Call::Renew, &[Kind::CutStore, Kind::FreezeAgent]),
        };
        let kind = self.preferred(&kinds);
        let fault = match self.draw.faults(kind, node).pop() {
            Some(Fault::Delay(_, by)) => Fault::Delay(call, by),
            _ => Fault::LoseReply(call),
        };
        self.add(at, [fault]);
        let cause = self.preferred(causes);
        let later = at.plus(self.draw.chance.millis(0, 3000));
        self.one(later, cause, node);
    }

    /// Several faults within one lease.
    fn storm(&mut self, at: At) {
        let ttl = millis(self.draw.swarm.options.ttl);
        for _ in 0..3 + self.draw.chance.below(4) {
            let (node, later) = (self.draw.node(), self.draw.chance.millis(0, ttl));
            self.any(at.plus(later), node);
        }
    }

    /// The same to each member in turn, as a careless upgrade does it.
    fn one_after_the_other(&mut self, at: At, first: Node) {
        let kind = self.preferred(&[Kind::Restart, Kind::CrashHost, Kind::CrashAgent]);
        let nodes = self.draw.swarm.options.nodes;
        let mut at = at;
        for step in 0..nodes {
            self.one(at, kind, Node((first.0 + step) % nodes));
            at = at.plus(self.draw.lasting());
        }
    }
}
