//! The world: hosts, a store, a network, clients, and one queue of what is still to happen.
//!
//! One step takes one event out of the queue; time jumps to it. Everything the world does is a
//! function of its schedule: equal schedules give equal worlds.

mod balancer;
mod clock;
mod deeds;
mod draws;
mod driver;
mod errand;
mod event;
mod faults;
mod feed;
mod host;
mod manual;
mod net;
mod peers;
mod promises;
mod rejoin;
mod replication;
mod server;
mod slots;
mod start;
mod store_calls;
mod synchrony;
mod tasks;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub use balancer::Row;
pub use clock::Clock;
pub(crate) use host::ADOPTING;
pub use host::{Agent, Host};
pub use net::Net;
pub use promises::Promise;

use balancer::Clients;
use draws::Draws;
use event::{AgentEvent, Event, Queue, ServerEvent};

use crate::fact::Fact;
use crate::fault::{Call, End, Fault};
use crate::ids::{At, Node};
use crate::options::Options;
use crate::pg::{Server, Tree};
use crate::schedule::Schedule;
use crate::store::Store;
use crate::trace::{Kind, Line, Mark, Trace};

/// So many events in one instant are a loop that time does not end.
const BUSY: u32 = 10_000;

/// Comparisons with a twin cost most: once in so many steps.
const TWIN_EVERY: u64 = 64;

/// Everything that is.
#[derive(Clone, Debug)]
pub struct World {
    /// What kind of world.
    pub options: Options,
    /// The present.
    pub now: At,
    /// What schedules and lines count from.
    pub zero: At,
    /// Every timeline that was ever begun.
    pub tree: Tree,
    /// The store.
    pub store: Store,
    /// The members' machines.
    pub hosts: Vec<Host>,
    /// Who reaches whom.
    pub net: Net,
    /// Every row that a client wrote.
    pub rows: Vec<Row>,
    /// What happened since it was last taken.
    pub facts: Vec<Fact>,
    /// What happened, for readers and for comparison.
    pub trace: Trace,
    /// Steps of all machines.
    pub steps: u64,
    /// How often each reason was given.
    pub codes: BTreeMap<&'static str, u64>,
    /// How many faults keep the store from answering.
    pub(crate) store_outages: u32,
    /// Whether the balancer's client writes.
    pub is_writing: bool,
    /// A machine is compared with a twin once in so many steps, from its beginning on.
    pub twin_every: u64,
    /// Members whose servers' tasks are answered by a script.
    pub(crate) by_hand: BTreeSet<Node>,
    /// Whether a failover by hand was asked for: the operator takes the loss.
    pub by_hand_at: Option<At>,
    /// Who holds back for whom without the store, the latest of each two.
    pub promises: Vec<Promise>,
    /// How many questions for promises have reached somebody.
    questions: u64,
    clients: Clients,
    mute_next: BTreeMap<Call, u32>,
    delay_next: BTreeMap<Call, Vec<Duration>>,
    /// When the last call arrives that a fault holds back.
    pub(crate) last_late_call: At,
    /// How often a server went down, or stayed down, for logical slots.
    pub(crate) slot_copies: u64,
    /// What waits for somebody to begin some work.
    upon: Vec<Fault>,
    /// How often everything was made to work again.
    healings: u32,
    /// When the store was last put back: what it was before is nobody's past.
    pub(crate) put_back_at: At,
    systems: u64,
    draws: Draws,
    queue: Queue,
    in_this_instant: u32,
}

/// What a step of the world came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something happened.
    Stepped,
    /// Nothing happens before the limit; the clock stands there.
    Quiet,
    /// Events follow each other and time does not pass.
    Busy,
}

impl World {
    /// An empty world: members without data, a store without keys.
    #[must_use]
    pub fn new(schedule: &Schedule, is_traced: bool) -> Self {
        let options = schedule.options.clone();
        let mut store = Store::new(options.flavour, options.expiry_tick);
        store.max_ttl = options.max_ttl;
        let mut world = Self {
            now: At(0),
            zero: At(0),
            tree: Tree::default(),
            store,
            hosts: Vec::new(),
            net: Net::default(),
            rows: Vec::new(),
            facts: Vec::new(),
            trace: Trace::new(is_traced),
            steps: 0,
            codes: BTreeMap::new(),
            store_outages: 0,
            is_writing: false,
            twin_every: TWIN_EVERY,
            by_hand: BTreeSet::new(),
            by_hand_at: None,
            promises: Vec::new(),
            questions: 0,
            clients: Clients::default(),
            mute_next: BTreeMap::new(),
            delay_next: BTreeMap::new(),
            last_late_call: At(0),
            slot_copies: 0,
            upon: Vec::new(),
            healings: 0,
            put_back_at: At(0),
            systems: 0,
            draws: Draws::new(schedule.seed, options.latency, options.nodes),
            queue: Queue::default(),
            in_this_instant: 0,
            options,
        };
        world.furnish(schedule.seed);
        world
    }

    fn furnish(&mut self, seed: u64) {
        for index in 0..self.options.nodes {
            let node = Node(index);
            let drift = self.options.drift_ppm.get(node.index()).copied();
            // Far enough from zero that subtracting a lease is exact, and different for all.
            let begins_at = 1_000_000_000_000 + u64::from(index) * 77_000_000_000;
            self.hosts.push(Host {
                node,
                name: herdsman_ha_core::MemberName::from(node.to_string()),
                clock: Clock::new(begins_at, drift.unwrap_or(0)),
                is_up: true,
                server: Server::new(node),
                epoch: 0,
                agent: None,
                agent_freezes: 0,
                server_freezes: 0,
                runs: 0,
                guardian: None,
                held_back: Vec::new(),
                excused_until: At(0),
                agent_since: At(0),
                left: None,
                copied_slots: None,
                is_pulling: false,
                is_noticing: false,
                stays_away: 0,
                errand: None,
                seed: seed.wrapping_add(u64::from(index)),
            });
        }
    }

    /// A member's machine.
    #[must_use]
    pub fn host(&self, node: Node) -> &Host {
        &self.hosts[node.index()]
    }

    pub(crate) fn host_mut(&mut self, node: Node) -> &mut Host {
        &mut self.hosts[node.index()]
    }

    /// All members.
    pub fn nodes(&self) -> impl Iterator<Item = Node> + use<> {
        (0..self.options.nodes).map(Node)
    }

    /// The member of a name.
    #[must_use]
    pub fn node_named(&self, name: &str) -> Option<Node> {
        self.hosts
            .iter()
            .find(|host| host.name.as_str() == name)
            .map(|host| host.node)
    }

    /// A member has another name from the next start of its agent on.
    pub(crate) fn rename(&mut self, node: Node, name: herdsman_ha_core::MemberName) {
        self.host_mut(node).name = name;
    }

    /// The member that the leader key names.
    #[must_use]
    pub fn leader(&self) -> Option<Node> {
        self.node_named(self.store.leader()?.0)
    }

    /// Whether the store answers this member.
    #[must_use]
    pub fn sees_store(&self, node: Node) -> bool {
        self.store_outages == 0 && self.net.connects(End::Node(node), End::Store)
    }

    /// The instant in the words of schedules: since the run's `T+0`.
    #[must_use]
    pub fn instant(&self) -> At {
        At(self.now.since(self.zero).as_nanos().try_into().unwrap_or(0))
    }

    /// Lets one thing happen, if it happens by `limit`.
    pub fn step(&mut self, limit: At) -> Progress {
        let Some(at) = self.queue.next_at().filter(|at| *at <= limit) else {
            self.now = self.now.max(limit);
            return Progress::Quiet;
        };
        if at > self.now {
            self.now = at;
            self.in_this_instant = 0;
        }
        self.in_this_instant += 1;
        if self.in_this_instant > BUSY {
            return Progress::Busy;
        }
        if let Some((_, event)) = self.queue.pop() {
            self.happen(event);
            self.broadcast();
        }
        Progress::Stepped
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Agent { node, run, event } => self.for_agent(node, run, event),
            Event::Server { node, epoch, event } => self.for_server(node, epoch, event),
            Event::StoreCall {
                node,
                run,
                op,
                task,
                is_mute,
            } => self.call_arrives(node, run, op, &task, is_mute),
            Event::Asked { by, run, op, whom } => self.asked(by, run, op, whom),
            Event::Answers {
                by,
                run,
                op,
                whom,
                whom_run,
            } => self.answers(by, run, op, whom, whom_run),
            Event::PromiseAsked {
                by,
                run,
                op,
                whom,
                request,
            } => self.promise_asked(by, run, op, whom, request),
            Event::Expiry => self.expire(),
            Event::Guardian(node) => self.guard(node),
            Event::Row { node } => self.row_arrives(node),
            Event::ClientTick => self.client_tick(),
            Event::HealthCheck => self.health_check(),
            Event::Supervise(node) => self.start_agent(node),
            Event::Fault(fault) => self.fault(&fault),
            Event::Hit(fault, healings) if healings == self.healings => self.fault(&fault),
            Event::Hit(..) => {}
            Event::FaultEnds(fault) => self.fault_ends(&fault),
        }
    }

    fn for_agent(&mut self, node: Node, run: u32, event: AgentEvent) {
        let host = self.host_mut(node);
        if host.run() != Some(run) {
            return;
        }
        if host.agent_freezes > 0 {
            host.held_back.push(Event::Agent { node, run, event });
            return;
        }
        self.agent_event(node, event);
    }

    fn for_server(&mut self, node: Node, epoch: u32, event: ServerEvent) {
        let host = self.host_mut(node);
        if host.epoch != epoch {
            return;
        }
        if host.server_freezes > 0 {
            host.held_back.push(Event::Server { node, epoch, event });
            return;
        }
        self.server_event(node, event);
    }

    fn plan(&mut self, after: Duration, event: Event) {
        self.queue.plan(self.now.plus(after), event);
    }

    fn plan_agent(&mut self, node: Node, after: Duration, event: AgentEvent) {
        if let Some(run) = self.host(node).run() {
            self.plan(after, Event::Agent { node, run, event });
        }
    }

    fn plan_server(&mut self, node: Node, after: Duration, event: ServerEvent) {
        let epoch = self.host(node).epoch;
        self.plan(after, Event::Server { node, epoch, event });
    }

    /// Plans a fault for an instant of the schedule.
    pub fn plan_fault(&mut self, at: At, fault: Fault) {
        let at = self.zero.plus(at.since(At(0)));
        self.queue
            .plan(at.max(self.now), Event::Fault(Box::new(fault)));
    }

    /// Lets a fault happen now.
    pub fn inflict(&mut self, fault: &Fault) {
        self.fault(fault);
        self.broadcast();
    }

    /// Adds a line to the trace, with everybody's marks.
    pub(crate) fn line(
        &mut self,
        node: Option<Node>,
        kind: Kind,
        what: impl FnOnce(&Self) -> (String, String),
    ) {
        if !self.trace.is_kept() {
            return;
        }
        let (what, because) = what(self);
        let line = Line {
            at: self.instant(),
            node,
            kind,
            what,
            because,
            marks: self.marks(),
        };
        self.trace.line(|| line);
    }

    /// How all members stand.
    #[must_use]
    pub fn marks(&self) -> Vec<Mark> {
        let leader = self.store.leader().map(|(name, _)| name);
        self.hosts
            .iter()
            .map(|host| Mark {
                is_leader: leader == Some(host.name.as_str()),
                is_writable: host.server.is_writable(),
                is_standby: host.server.is_standby(),
                is_cut_off: !self.sees_store(host.node),
                is_absent: !host.is_agent_awake(),
            })
            .collect()
    }

    pub(crate) fn name_of(&self, node: Node) -> &str {
        self.host(node).name.as_str()
    }

    fn tell(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// What the invariants have not seen yet.
    pub fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }
}

/// The task behind a shared pointer, for jobs and calls.
type Shared = Arc<herdsman_ha_core::Task>;
