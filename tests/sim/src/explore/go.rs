//! Letting one thing happen.
//!
//! Each way is one step of the world: what follows at once, such as the machine's own step and the
//! start of what it asks for, belongs to it. What takes time becomes something that is on its way.

mod agent;
mod fault;
mod server;
mod store;

use std::sync::Arc;

use super::Bounds;
use super::disks::Disks;
use super::kept::Stores;
use super::minds::{Minds, Stimulus, Told};
use super::promise::Broken;
use super::small::{Row, Small, Stage};
use super::way::{Mended, Moment, Price, Way};
use crate::ids::Node;

/// What is shared by all worlds of a search, and what the present step came to.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) bounds: &'a Bounds,
    pub(super) minds: Minds,
    pub(super) stores: Stores,
    /// The first promise that a step broke.
    pub(super) broken: Option<Broken>,
    /// What happened besides, for readers.
    pub(super) notes: Option<Vec<String>>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(bounds: &'a Bounds) -> Self {
        Self {
            bounds,
            minds: Minds::new(),
            stores: Stores::new(),
            broken: None,
            notes: None,
        }
    }

    pub(super) fn breaks(&mut self, promise: &'static str, text: impl FnOnce() -> String) {
        if self.broken.is_none() {
            let text = text();
            self.broken = Some(Broken { promise, text });
        }
    }

    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.notes {
            notes.push(text());
        }
    }
}

impl Small {
    /// Lets something happen that [`Small::ways`] offered.
    pub(super) fn go(&mut self, way: Way, price: Price, scene: &mut Scene<'_>) {
        self.left.pay(price);
        match way {
            Way::Wake(node) => self.woken(node, scene),
            Way::Look(node, moment) => self.looked(node, moment, scene),
            Way::View(node) => {
                if let Some(seen) = self.member_mut(node).watch.flight.take() {
                    self.feed(node, Stimulus::View(seen), scene);
                }
            }
            Way::WatchLost(node) => {
                self.member_mut(node).watch.is_lost = true;
                self.member_mut(node).watch.flight = None;
                self.feed(node, Stimulus::WatchLost, scene);
            }
            Way::WatchBack(node) => {
                let watch = &mut self.member_mut(node).watch;
                watch.is_lost = false;
                watch.sent = 0;
            }
            Way::Work(node, job) => self.work(node, job, scene),
            Way::Answer(node, job, whom) => self.answer(node, job, whom, scene),
            Way::End(node, job) => self.ended(node, job, scene),
            Way::Timeout(node, job) => self.timed_out(node, job, scene),
            Way::Late(node, index) => {
                let ask = self.member_mut(node).late.remove(index);
                let _ = self.call(node, &ask, scene);
            }
            Way::Process(node) => self.process(node, scene),
            Way::Stream(node) => self.with_disks(|disks| disks.stream(node)),
            Way::Expire => self.expire(scene),
            Way::Guard(node) => {
                self.member_mut(node).guardian = None;
                self.kill(node);
            }
            Way::Write(node) => self.write(node),
            Way::Pass(at) => self.now = at,
            Way::Mend(node, mended) => self.mend(node, mended, scene),
            Way::Fault(trouble) => self.fault(trouble, scene),
        }
        self.do_what_is_minor(scene);
        self.send_views();
        self.check(scene);
    }

    /// Changes the servers, and what depends on them.
    pub(super) fn with_disks<T>(&mut self, change: impl FnOnce(&mut Disks) -> T) -> T {
        let disks = Arc::make_mut(&mut self.disks);
        let result = change(disks);
        disks.settle();
        result
    }

    /// Sends everybody who watches the present state, unless another one is on its way to them.
    fn send_views(&mut self) {
        let (revision, seen) = (self.kept.revision, Arc::clone(&self.kept.seen));
        for member in &mut self.members {
            let watch = &mut member.watch;
            let is_due = member.mind.is_some() && !watch.is_lost && watch.sent != revision;
            if is_due && watch.flight.is_none() {
                watch.sent = revision;
                watch.flight = Some(Arc::clone(&seen));
            }
        }
    }

    fn write(&mut self, node: Node) {
        self.left.rows -= 1;
        let written = self.with_disks(|disks| {
            let (server, tree) = disks.server_mut(node);
            server.write(tree)
        });
        if let Ok(place) = written {
            self.row = Some(Row {
                place,
                is_forsaken: false,
            });
        }
    }

    fn mend(&mut self, node: Node, mended: Mended, scene: &mut Scene<'_>) {
        match mended {
            Mended::Cut => self.member_mut(node).is_cut = false,
            Mended::Freeze => self.member_mut(node).is_frozen = false,
            Mended::FrozenServer => {
                self.with_disks(|disks| disks.servers[node.index()].is_frozen = false);
            }
            Mended::Crash => self.start_agent(node, scene),
        }
    }

    fn end_job(&mut self, node: Node, job: usize, outcome: herdsman_ha_core::Outcome) {
        if let Some(job) = self.member_mut(node).jobs.get_mut(job) {
            job.stage = Stage::Ended(Told::new(outcome));
        }
    }

    fn looked(&mut self, node: Node, moment: Moment, scene: &mut Scene<'_>) {
        let Some(look) = self.member_mut(node).look.take() else {
            return;
        };
        let (data, server) = match moment {
            Moment::Beginning => (*look.early).clone(),
            Moment::End => self.disks.look(node),
        };
        let local = herdsman_ha_core::LocalView {
            seen_at: look.seen_at,
            data,
            server,
            about: None,
        };
        self.feed(node, Stimulus::Local(local), scene);
    }
}
