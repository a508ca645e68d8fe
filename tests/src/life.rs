//! One member's life in a small model of the world: a store with sessions that expire, a server
//! that crashes, another member that leads when it can, a network that fails, and a driver that
//! does what drivers are asked to do.
//!
//! The model knows the truth, so it can say what a machine cannot: whether its server was writable
//! while the store had given the leadership to another member.

mod driver;
mod model;

use std::collections::BTreeMap;
use std::time::Duration;

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{
    Boot, ClusterView, Command, Fault, Input, InstanceId, Lane, MemberName, Mono, Now, OpId,
    Outcome, Output, RequestId, Settings, Tags, Task, Wall,
};
use serde_json::json;

use self::driver::Job;
use self::model::{Model, Pg};
use herdsman_sim::chance::Chance;
use herdsman_sim::checked::Checked;

/// Runs one life of so many faults and tells what was broken.
#[must_use]
pub fn run(seed: u64, faults: usize) -> Vec<String> {
    let mut life = Life::new(seed);
    for _ in 0..faults {
        let pause = life.chance.millis(50, 6000);
        life.pass(pause);
        life.disturb();
        if !life.broken.is_empty() {
            return life.report(seed);
        }
    }
    life.heal();
    life.report(seed)
}

/// What is still to happen.
#[derive(Clone, Debug)]
enum Event {
    /// A task takes effect.
    Effect(OpId),
    /// A task's end is told.
    End(OpId),
    /// A view arrives.
    View(Box<ClusterView>),
    /// The driver looks at the store.
    ReadStore,
    /// The driver looks at the server.
    Look,
    /// The other member looks for a free leadership.
    OtherLooks,
}

struct Life {
    chance: Chance,
    subject: Checked,
    model: Model,
    jobs: BTreeMap<OpId, Job>,
    queue: BTreeMap<(Mono, u64), Event>,
    sequence: u64,
    wake: Option<Mono>,
    is_blind: bool,
    broken: Vec<String>,
    /// The last things that happened, for a report that can be read.
    trace: Vec<String>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let model = Model::new(&mut chance);
        let settings = Settings {
            name: MemberName::from("a"),
            conn_url: "postgres://a:5432/postgres".to_owned(),
            api_url: "http://a:8008/patroni".to_owned(),
            tags: Tags::default(),
            bootstrap_config: Some(json!({})),
            watchdog_required: false,
        };
        let boot = Boot::new(InstanceId::from("a#1"), seed);
        let clocks = Now {
            mono: model.now,
            wall: Wall(0),
        };
        let mut life = Self {
            chance,
            subject: Checked::new(settings, boot, clocks).with_a_twin_every(16),
            model,
            jobs: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            wake: None,
            is_blind: false,
            broken: Vec::new(),
            trace: Vec::new(),
        };
        life.plan(Duration::ZERO, Event::ReadStore);
        life.plan(Duration::ZERO, Event::Look);
        life.plan(Duration::ZERO, Event::OtherLooks);
        life
    }

    fn plan(&mut self, after: Duration, event: Event) {
        self.sequence += 1;
        self.queue
            .insert((self.model.now.plus(after), self.sequence), event);
    }

    fn note(&mut self, what: String) {
        let line = format!("{} {what}", self.model.now);
        if self.trace.len() == 40 {
            self.trace.remove(0);
        }
        self.trace.push(line);
    }

    fn report(&mut self, seed: u64) -> Vec<String> {
        if self.broken.is_empty() {
            return Vec::new();
        }
        let trace = self.trace.join("\n    ");
        vec![format!(
            "seed {seed}: {}\n    {trace}",
            self.broken.join("; ")
        )]
    }

    /// Lets everything happen that is due within `duration`.
    fn pass(&mut self, duration: Duration) {
        let until = self.model.now.plus(duration);
        while self.broken.is_empty() {
            let event_at = self.queue.keys().next().map(|(at, _)| *at);
            let expiry_at = self.model.next_expiry();
            let next = [event_at, self.wake, expiry_at].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= until) else {
                break;
            };
            self.model.now = self.model.now.max(at);
            self.model.expire();
            if event_at == Some(at) {
                if let Some((_, event)) = self.queue.pop_first() {
                    self.happen(event);
                }
            } else if self.wake == Some(at) {
                self.wake = None;
                self.feed(Input::Wake);
            }
            self.check_truth();
        }
        self.model.now = self.model.now.max(until);
    }

    fn check_truth(&mut self) {
        if self.model.is_writable() && self.model.other_leads() {
            self.note("two servers are writable".to_owned());
            self.broken
                .push("writable beside another leader".to_owned());
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Effect(op) => self.take_effect(op),
            Event::End(op) => self.end(op),
            Event::View(view) => self.feed(Input::Cluster(Ok(view))),
            Event::ReadStore => self.read_store(),
            Event::OtherLooks => {
                if self.model.other_is_keen && self.model.other_takes_over() {
                    self.note("b leads".to_owned());
                }
                let pause = self.chance.millis(10, 400);
                self.plan(pause, Event::OtherLooks);
            }
            Event::Look => {
                let local = self.model.look();
                self.feed(Input::Local(local));
                let pause = self.chance.millis(200, 900);
                self.plan(pause, Event::Look);
            }
        }
    }

    fn read_store(&mut self) {
        let pause = self.chance.millis(100, 1200);
        self.plan(pause, Event::ReadStore);
        if self.model.is_cut {
            if !self.is_blind {
                self.is_blind = true;
                self.feed(Input::Cluster(Err(Fault::Unreachable("cut".to_owned()))));
            }
            return;
        }
        self.is_blind = false;
        let now = self.model.now;
        let view = self.model.store.view(now);
        // Views may overtake each other.
        let delay = self.chance.millis(0, 300);
        self.plan(delay, Event::View(Box::new(view)));
    }

    fn take_effect(&mut self, op: OpId) {
        let Some(job) = self.jobs.get_mut(&op) else {
            return;
        };
        job.outcome = driver::effect(&mut self.model, &mut self.chance, job);
        let what = format!("{} took effect: {:?}", job.task.name(), job.outcome);
        self.note(what);
    }

    fn end(&mut self, op: OpId) {
        let Some(job) = self.jobs.remove(&op) else {
            return;
        };
        let is_of_server = matches!(job.task.lane(), Lane::Server);
        if is_of_server {
            self.model.is_starting = false;
            let local = self.model.look();
            self.feed(Input::Local(local));
        }
        let mut outcome = job.outcome.unwrap_or(Outcome::Unknown);
        // The answer of the store is lost on its way.
        let is_of_store = driver::is_of_store(&job.task);
        let is_lost = !self.model.is_calm && self.chance.once_in(25);
        if is_of_store && (self.model.is_cut || is_lost) {
            outcome = Outcome::Unknown;
        }
        self.feed(Input::Done { op, outcome });
    }

    fn feed(&mut self, input: Input) {
        let clocks = Now {
            mono: self.model.now,
            wall: Wall(0),
        };
        let step = self.subject.step(clocks, input);
        self.wake = step.wake.map(|(at, _)| at);
        self.broken.extend(self.subject.violations());
        for output in step.outputs {
            match output {
                Output::Decided(decision) => self.note(format!("decided {}", decision.reason)),
                Output::Start { op, task } => self.start(op, task),
                Output::Cancel { op } => self.note(format!("cancel {op}")),
                Output::Reply { .. } => {}
                Output::Quit(quit) => self.broken.push(format!("quit: {}", quit.sentence)),
            }
        }
    }

    fn start(&mut self, op: OpId, task: Task) {
        self.note(format!("start {}", task.name()));
        if task == Task::Fence {
            // What ran on the server before comes to nothing.
            for job in self.jobs.values_mut() {
                if job.task.lane() == task.lane() {
                    job.is_void = true;
                }
            }
        }
        let (effect, end) = driver::delays(&mut self.chance, &task, &self.model);
        if matches!(task, Task::Start { .. }) && self.model.pg.is_down() {
            self.model.is_starting = true;
        }
        self.jobs.insert(op, Job::new(task));
        self.plan(effect, Event::Effect(op));
        self.plan(end, Event::End(op));
    }

    fn disturb(&mut self) {
        match self.chance.below(12) {
            0 | 1 => {
                self.model.is_cut = true;
                self.note("the store is out of reach".to_owned());
            }
            2..5 => self.model.is_cut = false,
            5 => {
                self.model.crash(&mut self.chance);
                self.note("our server crashed".to_owned());
            }
            6 | 7 => self.model.other_is_keen = self.chance.once_in(2),
            8 => {
                if self.model.other_leads() {
                    self.model.other_dies();
                    self.model.other_is_keen = false;
                    self.note("b died".to_owned());
                }
            }
            9 => self.model.other_is_silent = self.chance.once_in(2),
            10 => {
                let command = Command::Switchover {
                    leader: Some(MemberName::from("a")),
                    candidate: Some(MemberName::from("b")),
                    scheduled_at: None,
                };
                self.feed(Input::Operator {
                    request: RequestId(1),
                    command,
                });
            }
            _ => self.model.other_lags = self.chance.once_in(3),
        }
    }

    /// Nothing fails any more and nobody else leads: our member must lead in the end.
    fn heal(&mut self) {
        self.model.is_cut = false;
        self.model.is_calm = true;
        self.model.other_is_keen = false;
        self.model.other_dies();
        self.model.other_is_silent = true;
        self.note("healed".to_owned());
        self.pass(Duration::from_secs(150));
        let holder = self.model.store.value(key::LEADER).map(str::to_owned);
        let leads = holder.as_deref() == Some("a");
        if self.broken.is_empty() && !(leads && matches!(self.model.pg, Pg::Primary)) {
            let status = self.subject.machine().status();
            let reason = status.decision.map(|decision| decision.reason.to_string());
            self.broken.push(format!(
                "no leader in the end: key {holder:?}, server {:?}, {reason:?}",
                self.model.pg
            ));
        }
    }
}
