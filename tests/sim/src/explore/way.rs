//! Everything that may happen next in a small world.
//!
//! What one member, one server or one call does is in its own order; between them any order is
//! possible. Two rules bind time: a machine whose timer has run out is stepped, and a kill that
//! was begun is done, before time passes beyond what they were given.

use std::time::Duration;

use super::small::{Job, Member, Small, Stage};
use super::{Bounds, Kind};
use crate::ids::{At, Node};

/// One thing that may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A machine's timer runs out.
    Wake(Node),
    /// A look at the server comes back, with what was there when it began or with what is there.
    Look(Node, Moment),
    /// A view of the store arrives.
    View(Node),
    /// A watch through which nothing comes is given up.
    WatchLost(Node),
    /// The watch works again.
    WatchBack(Node),
    /// The next part of a task is done.
    Work(Node, usize),
    /// A peer answers a question.
    Answer(Node, usize, Node),
    /// The end of a task reaches its machine.
    End(Node, usize),
    /// A task is given up.
    Timeout(Node, usize),
    /// A call that nobody waits for reaches the store.
    Late(Node, usize),
    /// The processes of a server come to the state that they are on their way to.
    Process(Node),
    /// A standby connects, takes what there is, or finds that nobody is there.
    Stream(Node),
    /// The store ends the sessions whose time is over.
    Expire,
    /// A guardian kills a server.
    Guard(Node),
    /// A client's row is written and acknowledged.
    Write(Node),
    /// Time passes until something is due.
    Pass(At),
    /// What a fault did ends.
    Mend(Node, Mended),
    /// Something goes wrong.
    Fault(Trouble),
}

/// At which end of a look its facts were gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Beginning,
    End,
}

/// What ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mended {
    Cut,
    Freeze,
    FrozenServer,
    Crash,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The postmaster is killed; other processes of the server live on, or none does.
    Server { node: Node, orphans: bool },
    /// The agent is killed.
    Agent(Node),
    /// Nothing goes between a member and the store.
    Cut(Node),
    /// The agent stands still.
    Freeze(Node),
    /// The server stands still.
    FreezeServer(Node),
    /// A call has its effect and its answer is lost.
    Mute(Node, usize),
    /// A call is held up: it arrives at any later moment, and nobody hears of it.
    Linger(Node, usize),
    /// An operator asks a member for a switchover.
    Move(Node),
}

/// Everything that may happen next, in the usual order: what is on its way, what is due by a
/// clock, that time passes, and then what comes out of the blue.
#[derive(Clone, Debug, Default)]
pub(super) struct Ways {
    list: Vec<Way>,
    /// How many are on their way.
    pending: usize,
    /// How many of these, or of what is due, could come in another order.
    ordered: usize,
}

/// What a way is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Price {
    Nothing,
    /// Time passes although something could happen.
    Delay,
    /// It comes before what is usually first.
    Swap,
}

impl Ways {
    pub(super) fn list(&self) -> &[Way] {
        &self.list
    }

    /// What it costs to take the way of this number.
    pub(super) fn price(&self, pick: usize) -> Price {
        if pick > 0 && pick < self.ordered {
            Price::Swap
        } else if self.pending > 0 && matches!(self.list[pick], Way::Pass(_)) {
            Price::Delay
        } else {
            Price::Nothing
        }
    }
}

impl Small {
    /// Everything that may happen now, always in the same order.
    pub(super) fn ways(&self, bounds: &Bounds, all: &mut Ways) {
        let ways = &mut all.list;
        ways.clear();
        for member in &self.members {
            self.ways_of_member(member, ways);
        }
        for node in self.nodes() {
            if self.disks.is_moving(node) {
                ways.push(Way::Process(node));
            }
            if self.disks.stirs(node) {
                ways.push(Way::Stream(node));
            }
        }
        all.pending = ways.len();
        self.ways_of_clocks(ways);
        if self.left.swaps == Some(0) {
            ways.truncate(1);
        }
        all.ordered = ways.len();
        if (all.pending == 0 || self.left.delays != Some(0))
            && let Some(at) = self.next_instant()
        {
            ways.push(Way::Pass(at));
        }
        for member in &self.members {
            ways_to_mend(self, member, ways);
        }
        if self.left.rows > 0 {
            let writable = |node: &Node| self.disks.server(*node).is_writable();
            ways.extend(self.nodes().filter(writable).map(Way::Write));
        }
        if self.left.faults > 0 {
            self.faults(bounds, ways);
        }
    }

    fn ways_of_member(&self, member: &Member, ways: &mut Vec<Way>) {
        let node = member.node;
        if !member.is_awake() {
            // Calls that were sent need nobody to arrive.
            self.ways_of_calls(member, ways);
            return;
        }
        if let Some(look) = &member.look {
            if *look.early != self.disks.server(node).look(&self.disks.tree) {
                ways.push(Way::Look(node, Moment::Beginning));
            }
            ways.push(Way::Look(node, Moment::End));
        }
        if member.watch.flight.is_some() && !member.is_cut {
            ways.push(Way::View(node));
        }
        self.ways_of_calls(member, ways);
        for (index, job) in member.jobs.iter().enumerate() {
            match &job.stage {
                Stage::Ended(_) if job.is_call() && member.is_cut => {}
                Stage::Ended(_) => ways.push(Way::End(node, index)),
                Stage::Sent if job.is_call() => {}
                Stage::Sent if is_question(job) => self.ways_to_answer(node, index, job, ways),
                Stage::Sent | Stage::Second | Stage::Third => ways.push(Way::Work(node, index)),
                Stage::Awaits(_) | Stage::Mute => {}
            }
        }
    }

    fn ways_of_calls(&self, member: &Member, ways: &mut Vec<Way>) {
        if member.is_cut {
            return;
        }
        for (index, job) in member.jobs.iter().enumerate() {
            if job.is_call() && matches!(job.stage, Stage::Sent) {
                ways.push(Way::Work(member.node, index));
            }
        }
    }

    fn ways_to_answer(&self, node: Node, index: usize, job: &Job, ways: &mut Vec<Way>) {
        let herdsman_ha_core::Task::AskPeers { peers, .. } = &job.ask.task else {
            return;
        };
        for (name, _) in peers {
            let Some(whom) = self.named(name.as_str()) else {
                continue;
            };
            let has_answered = job.answers.iter().any(|(from, _)| *from == whom);
            // One that stands still answers nobody; one that is gone refuses at once.
            if !has_answered && !self.member(whom).is_frozen {
                ways.push(Way::Answer(node, index, whom));
            }
        }
    }

    /// What is due by a clock: it is done before time passes on.
    fn ways_of_clocks(&self, ways: &mut Vec<Way>) {
        for member in &self.members {
            let node = member.node;
            if member.is_awake() {
                if self.wakes_at(member).is_some_and(|at| at <= self.now) {
                    ways.push(Way::Wake(node));
                }
                for (index, job) in member.jobs.iter().enumerate() {
                    if job.until.is_some_and(|at| at <= self.now) {
                        ways.push(Way::Timeout(node, index));
                    }
                }
            }
            if self.guards_at(member).is_some_and(|at| at <= self.now) {
                ways.push(Way::Guard(node));
            }
        }
        if self.kept.next_expiry().is_some_and(|at| at <= self.now) {
            ways.push(Way::Expire);
        }
    }

    /// When a machine is stepped at the latest, on the grid of instants.
    fn wakes_at(&self, member: &Member) -> Option<At> {
        let (at, _) = member.mind.as_ref()?.wake?;
        Some(self.on_grid(at))
    }

    /// When the guardian of a member acts.
    fn guards_at(&self, member: &Member) -> Option<At> {
        let (at, _) = member.guardian?;
        let has_work = !self.disks.is_harmless(member.node);
        (has_work && member.rests_on_guardian()).then(|| self.on_grid(at))
    }

    /// The first instant of the grid that is not before a clock says this.
    fn on_grid(&self, at: herdsman_ha_core::Mono) -> At {
        let after = at.since(self.clock());
        let tick = u64::try_from(super::TICK.as_nanos()).unwrap_or(1);
        let after = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        let now = self.now.0;
        At((now + after).div_ceil(tick) * tick)
    }

    /// The next instant at which something is due; none: nothing is, or something must come first.
    fn next_instant(&self) -> Option<At> {
        let mut next: Option<At> = self.kept.next_expiry();
        let mut last: Option<At> = None;
        for member in &self.members {
            let mut due = |at: Option<At>| {
                if let Some(at) = at {
                    next = Some(next.map_or(at, |next| next.min(at)));
                }
            };
            if member.is_awake() {
                due(self.wakes_at(member));
                member.jobs.iter().for_each(|job| due(job.until));
                let must = member.jobs.iter().filter_map(|job| {
                    let is_open = !matches!(job.stage, Stage::Ended(_));
                    job.must_by.filter(|_| is_open)
                });
                last = last.into_iter().chain(must).min();
            }
            due(self.guards_at(member));
        }
        let next = next?;
        let is_free = next > self.now && last.is_none_or(|last| next < last);
        is_free.then_some(next)
    }

    fn faults(&self, bounds: &Bounds, ways: &mut Vec<Way>) {
        let mut add = |kind: Kind, trouble: Trouble| {
            if bounds.kinds.contains(&kind) {
                ways.push(Way::Fault(trouble));
            }
        };
        for member in &self.members {
            let node = member.node;
            let server = self.disks.server(node);
            if !server.is_down() {
                for orphans in [false, true] {
                    // Only what a primary leaves behind can write.
                    if !orphans || server.is_primary() {
                        add(Kind::Server, Trouble::Server { node, orphans });
                    }
                }
                if !server.is_frozen && server.is_up() {
                    add(Kind::FreezeServer, Trouble::FreezeServer(node));
                }
            }
            if !member.is_cut {
                add(Kind::Cut, Trouble::Cut(node));
            }
            if member.is_awake() {
                add(Kind::Agent, Trouble::Agent(node));
                add(Kind::Freeze, Trouble::Freeze(node));
                add(Kind::Move, Trouble::Move(node));
            }
            for (index, job) in member.jobs.iter().enumerate() {
                if job.is_call() && matches!(job.stage, Stage::Sent) && !member.is_cut {
                    add(Kind::Mute, Trouble::Mute(node, index));
                    add(Kind::Linger, Trouble::Linger(node, index));
                }
            }
        }
    }
}

fn is_question(job: &Job) -> bool {
    matches!(job.ask.task, herdsman_ha_core::Task::AskPeers { .. })
}

fn ways_to_mend(small: &Small, member: &Member, ways: &mut Vec<Way>) {
    let node = member.node;
    if !member.is_cut {
        ways.extend((0..member.late.len()).map(|index| Way::Late(node, index)));
    }
    let mut add = |is_so: bool, way: Way| {
        if is_so {
            ways.push(way);
        }
    };
    let is_lost = member.watch.is_lost;
    add(
        member.is_cut && !is_lost && member.is_awake(),
        Way::WatchLost(node),
    );
    add(
        !member.is_cut && is_lost && member.is_awake(),
        Way::WatchBack(node),
    );
    add(member.is_cut, Way::Mend(node, Mended::Cut));
    add(member.is_frozen, Way::Mend(node, Mended::Freeze));
    let is_still = small.disks.server(node).is_frozen;
    add(is_still, Way::Mend(node, Mended::FrozenServer));
    add(member.mind.is_none(), Way::Mend(node, Mended::Crash));
}

/// How long a kill may take.
pub(super) fn kill_budget(ttl: Duration) -> Duration {
    (ttl / 10).min(Duration::from_millis(500))
}
