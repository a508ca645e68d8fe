//! A small world: what is, what is on its way, and what may still go wrong.
//!
//! There is no queue with times: what is on its way stands where it is until somebody lets it
//! happen. Parts that are the same in many worlds are shared. The invariant: whatever has an
//! influence on what may happen next is part of [`Small::digest`], and nothing else.

use std::sync::Arc;

use herdsman_ha_core::{DataView, Deadline, Mono, OpId, PeerAnswer, ServerView};

use super::disks::Disks;
use super::form::{Blend, Form};
use super::kept::{Kept, Seen};
use super::minds::{Ask, Mind, Told};
use super::mix::Mix;
use super::way::Price;
use crate::ids::{At, Node};
use crate::pg::Wal;

/// What every clock says at `T+0`: far from zero, so that subtracting a lease is exact.
const BASE: u64 = 1_000_000_000_000;

/// A whole small world.
#[derive(Clone, Debug)]
pub(super) struct Small {
    pub(super) now: At,
    pub(super) kept: Arc<Kept>,
    pub(super) disks: Arc<Disks>,
    pub(super) members: Vec<Member>,
    /// The row that a client was told to be safe.
    pub(super) row: Option<Row>,
    pub(super) left: Left,
}

/// What may still happen out of the blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) faults: u8,
    pub(super) rows: u8,
    /// How often time may pass although something could happen; none: always.
    pub(super) delays: Option<u8>,
    /// How often something may happen before what would usually come first; none: always.
    pub(super) swaps: Option<u8>,
}

/// A row that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) place: Wal,
    /// A takeover was allowed to lose it.
    pub(super) is_forsaken: bool,
}

/// One member: its agent and what surrounds it.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) node: Node,
    /// Its machine, while the agent runs.
    pub(super) mind: Option<Arc<Mind>>,
    pub(super) run: u8,
    pub(super) is_frozen: bool,
    /// Nothing goes between it and the store.
    pub(super) is_cut: bool,
    pub(super) jobs: Vec<Job>,
    /// Calls to the store that nobody waits for any more.
    pub(super) late: Vec<Arc<Ask>>,
    pub(super) look: Option<Look>,
    pub(super) watch: Watch,
    /// When the guardian kills the server, and for which run of the agent.
    pub(super) guardian: Option<(Mono, u8)>,
    /// Whether a peer that answered its last question had the row.
    pub(super) has_heard_of_row: bool,
}

/// A task in flight.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) op: OpId,
    pub(super) ask: Arc<Ask>,
    pub(super) stage: Stage,
    /// When it is given up.
    pub(super) until: Option<At>,
    /// Before when it must have had its effect.
    pub(super) must_by: Option<At>,
    pub(super) answers: Vec<(Node, PeerAnswer)>,
    pub(super) tells_of_row: bool,
}

/// How far a task is.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// It has had no effect yet.
    Sent,
    /// The first, or the second, of its effects is there.
    Second,
    Third,
    /// The server's processes are at it.
    Awaits(Awaits),
    /// It had its effect, and nobody will hear of it.
    Mute,
    /// Its end is on its way to the machine.
    Ended(Arc<Told>),
}

/// What a task on the server waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    Up,
    Down,
    Primary,
}

/// A look at the server that has begun.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) seen_at: Mono,
    /// What was there when it began: it may be this that it tells.
    pub(super) early: Arc<(DataView, ServerView)>,
    pub(super) exact: u128,
}

/// How a member hears of the store.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) is_lost: bool,
    /// The revision that was last sent.
    pub(super) sent: u64,
    /// The view that is on its way.
    pub(super) flight: Option<Arc<Seen>>,
}

impl Left {
    pub(super) fn pay(&mut self, price: Price) {
        let left = match price {
            Price::Nothing => return,
            Price::Delay => &mut self.delays,
            Price::Swap => &mut self.swaps,
        };
        *left = left.map(|left| left.saturating_sub(1));
    }
}

impl Small {
    pub(super) fn member(&self, node: Node) -> &Member {
        &self.members[node.index()]
    }

    pub(super) fn member_mut(&mut self, node: Node) -> &mut Member {
        &mut self.members[node.index()]
    }

    pub(super) fn clock(&self) -> Mono {
        Mono(BASE + self.now.0)
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = Node> + use<> {
        (0..u8::try_from(self.members.len()).unwrap_or(u8::MAX)).map(Node)
    }

    /// The member of a name.
    pub(super) fn named(&self, name: &str) -> Option<Node> {
        self.nodes().find(|node| node.to_string() == name)
    }

    /// A hash of everything that matters for what comes.
    pub(super) fn digest(&self) -> u128 {
        let mut blend = Blend::new(BASE + self.now.0);
        blend.know_revisions(&[self.kept.revision]);
        blend.know_revisions(self.kept.seen.form.revisions());
        for member in &self.members {
            member.forms(|form| blend.know_revisions(form.revisions()));
            blend.know_revisions(&[member.watch.sent]);
        }
        blend.rank_revisions();
        self.add_store(&mut blend);
        blend.mix.add_wide(self.disks.exact);
        for member in &self.members {
            member.add(&mut blend);
        }
        self.add_rest(&mut blend);
        blend.end()
    }

    fn add_store(&self, blend: &mut Blend) {
        blend.form(&self.kept.seen.form);
        blend.revision(self.kept.revision);
        for (name, _, until) in &self.kept.sessions {
            blend.mix.add_text(name.as_str());
            blend.due(Some(BASE + until.0));
        }
    }

    fn add_rest(&self, blend: &mut Blend) {
        match self.row {
            None => blend.add(0),
            Some(row) => {
                blend.add(1 + u64::from(row.is_forsaken));
                blend.add(u64::from(row.place.branch.0));
                blend.add(row.place.end.0);
            }
        }
        blend.add(u64::from(self.left.faults));
        blend.add(u64::from(self.left.rows));
        for left in [self.left.delays, self.left.swaps] {
            blend.add(left.map_or(u64::MAX, u64::from));
        }
    }
}

impl Member {
    pub(super) fn new(node: Node) -> Self {
        Self {
            node,
            mind: None,
            run: 0,
            is_frozen: false,
            is_cut: false,
            jobs: Vec::new(),
            late: Vec::new(),
            look: None,
            watch: Watch {
                is_lost: false,
                sent: 0,
                flight: None,
            },
            guardian: None,
            has_heard_of_row: false,
        }
    }

    /// Whether its agent runs and moves.
    pub(super) fn is_awake(&self) -> bool {
        self.mind.is_some() && !self.is_frozen
    }

    /// Whether the guardian is the only one who watches over the lease.
    pub(super) fn rests_on_guardian(&self) -> bool {
        let is_of_this_run = self.guardian.is_some_and(|(_, run)| run == self.run);
        !self.is_awake() || !is_of_this_run
    }

    fn forms(&self, mut each: impl FnMut(&Form)) {
        if let Some(mind) = &self.mind {
            each(&mind.form);
        }
        for job in &self.jobs {
            each(&job.ask.form);
            if let Stage::Ended(told) = &job.stage {
                each(&told.form);
            }
        }
        self.late.iter().for_each(|ask| each(&ask.form));
        if let Some(seen) = &self.watch.flight {
            each(&seen.form);
        }
    }

    fn add(&self, blend: &mut Blend) {
        let jobs = self.jobs.iter().map(|job| job.op.0);
        let known = self.mind.iter().flat_map(|mind| mind.form.ops()).copied();
        blend.begin_ops(jobs.chain(known));
        let flags = [
            self.mind.is_some(),
            self.is_frozen,
            self.is_cut,
            self.watch.is_lost,
            self.has_heard_of_row,
        ];
        let flags = flags.iter().fold(0, |all, flag| all * 2 + u64::from(*flag));
        blend.add(flags | u64::from(self.run) << 8);
        if let Some(mind) = &self.mind {
            blend.form(&mind.form);
            // It was told at the instant of the last step, which is no part of the form.
            blend.due(mind.wake.map(|(at, _)| at.0));
            let is_for_look = matches!(mind.wake, Some((_, Deadline::Look)));
            blend.add(u64::from(is_for_look));
        }
        self.jobs.iter().for_each(|job| job.add(blend));
        self.late.iter().for_each(|ask| blend.form(&ask.form));
        blend.add(u64::try_from(self.late.len()).unwrap_or(u64::MAX));
        blend.revision(self.watch.sent);
        match &self.watch.flight {
            Some(seen) => blend.form(&seen.form),
            None => blend.add(0),
        }
        match &self.look {
            Some(look) => {
                blend.past(look.seen_at.0);
                blend.mix.add_wide(look.exact);
            }
            None => blend.add(0),
        }
        blend.due(self.guardian.map(|(at, _)| at.0));
        blend.add(self.guardian.map_or(0, |(_, run)| u64::from(run)));
    }
}

impl Job {
    fn add(&self, blend: &mut Blend) {
        blend.op(self.op.0);
        blend.form(&self.ask.form);
        let code = match &self.stage {
            Stage::Sent => 1,
            Stage::Second => 2,
            Stage::Third => 3,
            Stage::Awaits(Awaits::Up) => 4,
            Stage::Awaits(Awaits::Down) => 5,
            Stage::Awaits(Awaits::Primary) => 6,
            Stage::Mute => 7,
            Stage::Ended(_) => 8,
        };
        blend.add(code | u64::from(self.tells_of_row) << 8);
        if let Stage::Ended(told) = &self.stage {
            blend.form(&told.form);
        }
        blend.due(self.until.map(|at| BASE + at.0));
        blend.due(self.must_by.map(|at| BASE + at.0));
        if !self.answers.is_empty() {
            blend.mix.add_wide(Form::of(&self.answers).exact());
        }
    }

    /// Whether the store is at the other end.
    pub(super) fn is_call(&self) -> bool {
        is_call(&self.ask)
    }
}

pub(super) fn is_call(ask: &Ask) -> bool {
    use herdsman_ha_core::Lane;
    matches!(
        ask.task.lane(),
        Lane::Session | Lane::Leadership | Lane::Store
    )
}

impl Look {
    pub(super) fn new(seen_at: Mono, early: (DataView, ServerView)) -> Self {
        let mut mix = Mix::new();
        mix.add_wide(Form::of(&early).exact());
        Self {
            seen_at,
            exact: mix.end(),
            early: Arc::new(early),
        }
    }
}
