//! The loop: gather inputs, step the machine, start its tasks.
//!
//! No rule about PostgreSQL or leadership stands here. Nothing in the loop waits for the store,
//! for SQL or for another member: everything slow is a task of its own that sends an event.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use herdsman_ha_core::{
    Answer, AnswerKind, Code, Command, Deadline, Input, Lane, LocalView, Machine, Mono, OpId,
    Outcome, Output, Quit, RequestId, Status, Task,
};
use herdsman_pgctl::Process;
use herdsman_rest_api::{CommandReceiver, Reply, Request, SnapshotWriter};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::applying::Applying;
use crate::callbacks::{Callbacks, Deed};
use crate::clock::{Alarm, Clock};
use crate::error::Error;
use crate::execute::Executor;
use crate::looking::Looking;
use crate::member::{self, Effective, Setup};
use crate::publish::Publisher;
use crate::reloading;
use crate::settings::Settings;
use crate::telemetry;

/// One thing that happened, for the loop.
#[derive(Debug)]
pub(crate) enum Event {
    /// Something that the machine must know.
    Input(Input),
    /// A task has ended; the server as it is afterwards, when the task concerned it.
    Ended {
        op: OpId,
        outcome: Outcome,
        local: Option<LocalView>,
    },
    /// The server's process has ended.
    ServerExited,
    /// A connection to a standby that commits wait for has ended.
    SenderEnded,
    /// The process that embeds us wants to end.
    Leave,
    /// The member's configuration was read again.
    Reload(Box<Settings>),
}

/// When to step again, and what for.
type Wake = Option<(Mono, Deadline)>;

/// A task that was started and has not ended.
pub(crate) struct Running {
    name: &'static str,
    lane: Lane,
    deed: Option<Deed>,
    handle: AbortHandle,
}

/// Everything that the loop holds.
pub(crate) struct Driver {
    pub(crate) machine: Machine,
    pub(crate) executor: Arc<Executor>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) looking: Looking,
    pub(crate) publisher: Publisher,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) sender: mpsc::UnboundedSender<Event>,
    pub(crate) commands: CommandReceiver,
    pub(crate) running: HashMap<OpId, Running>,
    pub(crate) replies: BTreeMap<RequestId, Reply>,
    pub(crate) last_request: u64,
    /// The member's configuration as it was read last.
    settings: Arc<Settings>,
    /// What the machine was last told of it.
    told: herdsman_ha_core::Settings,
    /// The configuration of the store that the server was last told.
    pub(crate) applied_config: Option<Arc<Value>>,
    applying: Applying,
    /// What the server was set up for.
    setup: Setup,
    /// The configuration that counts until the store tells one.
    first_config: Value,
    callbacks: Callbacks,
}

impl Driver {
    pub(crate) fn new(
        machine: Machine,
        executor: Arc<Executor>,
        clock: Arc<Clock>,
        writer: SnapshotWriter,
        commands: CommandReceiver,
        (sender, events): (mpsc::UnboundedSender<Event>, mpsc::UnboundedReceiver<Event>),
        first_config: Value,
    ) -> Self {
        let looking = Looking::new(
            executor.instance.clone(),
            Arc::clone(&clock),
            sender.clone(),
        );
        let publisher = Publisher::new(writer, &executor.settings);
        let settings = Arc::new(executor.settings.clone());
        let told = member::core_settings(&settings, &executor.effective.get());
        let callbacks = Callbacks::new(executor.effective.clone(), executor.settings.scope.clone());
        let applying = Applying::start(
            executor.instance.clone(),
            looking.clone(),
            callbacks.clone(),
        );
        Self {
            machine,
            executor,
            clock,
            looking,
            publisher,
            events,
            sender,
            commands,
            running: HashMap::new(),
            replies: BTreeMap::new(),
            last_request: 0,
            told,
            settings,
            applied_config: None,
            applying,
            setup: Setup::FIRST,
            first_config,
            callbacks,
        }
    }

    /// Runs until the machine quits.
    pub(crate) async fn run(mut self) -> Result<(), Error> {
        let alarm = Alarm::new().map_err(Error::Clock)?;
        self.looking.look();
        let mut wake = None;
        loop {
            alarm.set(wake.map(|(at, _)| at)).map_err(Error::Clock)?;
            let inputs = tokio::select! {
                Some(event) = self.events.recv() => self.translate(event),
                Some(request) = self.commands.next() => vec![self.request(request)],
                () = self.publisher.look_wanted() => {
                    self.looking.look();
                    Vec::new()
                }
                fired = alarm.fired() => {
                    fired.map_err(Error::Clock)?;
                    self.woken(wake.map(|(_, deadline)| deadline))
                }
            };
            for input in inputs {
                let (next, quit) = self.step(input).await?;
                wake = next;
                if let Some(quit) = quit {
                    return self.end(quit).await;
                }
            }
        }
    }

    fn translate(&mut self, event: Event) -> Vec<Input> {
        match event {
            Event::Input(input) => {
                self.tell_callbacks(&input);
                vec![input]
            }
            Event::Ended { op, outcome, local } => {
                if let Some(running) = self.running.remove(&op) {
                    self.publisher.count_end(running.name, &outcome);
                    if running.lane == Lane::Server {
                        self.applying.again();
                    }
                    if let (Some(deed), Outcome::Done(_)) = (running.deed, &outcome) {
                        self.callbacks.done(deed);
                    }
                }
                let local = local.map(Input::Local);
                local
                    .into_iter()
                    .chain([Input::Done { op, outcome }])
                    .collect()
            }
            Event::ServerExited | Event::SenderEnded => {
                self.looking.look();
                Vec::new()
            }
            Event::Leave => {
                let request = self.next_request();
                vec![Input::Operator {
                    request,
                    command: Command::Leave,
                }]
            }
            Event::Reload(settings) => {
                let (settings, kept) = reloading::take(*settings, &self.executor.settings);
                let warnings = settings.warnings.iter().map(ToString::to_string);
                for warning in warnings.chain(kept) {
                    tracing::warn!("{warning}");
                }
                let settings = Arc::new(settings);
                let dynamic = self.applied_config.as_deref();
                let effective = Effective::new(&settings, dynamic.unwrap_or(&self.first_config));
                self.told = member::core_settings(&settings, &effective.get());
                let told = Input::Settings(Box::new(self.told.clone()));
                self.settings = settings;
                // What the server was told is to be compared with the new files again.
                self.applied_config = None;
                vec![told]
            }
        }
    }

    /// A server that runs without our doing is news for scripts, unless a task is about to tell.
    fn tell_callbacks(&self, input: &Input) {
        let is_busy = self
            .running
            .values()
            .any(|running| running.lane == Lane::Server);
        if let Input::Local(local) = input
            && !is_busy
        {
            let is_standby_leader = self.machine.is_standby_leader();
            self.callbacks.seen(local, is_standby_leader);
        }
    }

    fn request(&mut self, Request { command, reply }: Request) -> Input {
        let request = self.next_request();
        self.replies.insert(request, reply);
        Input::Operator { request, command }
    }

    fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    fn woken(&self, deadline: Option<Deadline>) -> Vec<Input> {
        if deadline == Some(Deadline::Look) {
            self.looking.look();
        }
        vec![Input::Wake]
    }

    /// One step and its effects. A panic in a decision stops the server at once: a primary whose
    /// agent decides nothing any more would outlive its lease.
    async fn step(&mut self, input: Input) -> Result<(Wake, Option<Quit>), Error> {
        let now = self.clock.now();
        let stepped = catch_unwind(AssertUnwindSafe(|| self.machine.step(now, input)));
        let Ok(step) = stepped else {
            tracing::error!("a decision panicked: every process of PostgreSQL is killed");
            self.executor.execute(Task::Fence, &|_| {}).await;
            return Err(Error::Panicked);
        };
        let status = Arc::new(self.machine.status());
        self.executor.grants.update(status.lease);
        self.executor
            .grants
            .note_claim(self.machine.claim_ends_at());
        self.apply_config(&status, &step.outputs);
        let is_restart = (status.decision.as_ref())
            .is_some_and(|decision| decision.reason.code() == Code::RestartStopping);
        let mut quit = None;
        for output in step.outputs {
            match output {
                Output::Decided(decision) => {
                    self.publisher.count_decision(&decision);
                    telemetry::decided(&decision);
                }
                Output::Start { op, task } => self.start(op, task, is_restart),
                Output::Cancel { op } => self.cancel(op),
                Output::Reply { request, answer } => self.reply(request, answer),
                Output::Quit(end) => quit = Some(end),
            }
        }
        let facts = self.looking.facts();
        let instance = &self.executor.instance;
        self.publisher
            .publish(status, facts.as_deref(), instance, now);
        Ok((step.wake, quit))
    }

    fn start(&mut self, op: OpId, task: Task, is_restart: bool) {
        let lane = task.lane();
        if task == Task::Fence {
            self.pre_empt(lane);
        }
        telemetry::started(op, &task);
        let executor = Arc::clone(&self.executor);
        let looking = self.looking.clone();
        let sender = self.sender.clone();
        let name = task.name();
        let is_up = self
            .looking
            .facts()
            .is_some_and(|facts| facts.process != Process::Down);
        let deed = Deed::of(&task, is_up, is_restart);
        let progress = self.sender.clone();
        let tell = move |progress_made| {
            let input = Input::Progress {
                op,
                progress: progress_made,
            };
            let _ = progress.send(Event::Input(input));
        };
        let is_wait = matches!(task, Task::WaitFor { .. });
        let running = tokio::spawn(async move {
            let outcome = executor.execute(task, &tell).await;
            telemetry::ended(op, name, &outcome);
            // What a task did to the server, and where we are while others answer, is part of
            // what its end means.
            let local = match lane {
                Lane::Server | Lane::Peers | Lane::Slots => Some(looking.now().await),
                Lane::Synchrony if is_wait => Some(looking.now().await),
                Lane::Session
                | Lane::Leadership
                | Lane::Store
                | Lane::Promises
                | Lane::Identity
                | Lane::Checkpoint
                | Lane::Synchrony => None,
            };
            // The loop is gone only when everything ends.
            let _ = sender.send(Event::Ended { op, outcome, local });
        });
        let handle = running.abort_handle();
        self.publisher.count_start(name);
        let running = Running {
            name,
            lane,
            deed,
            handle,
        };
        self.running.insert(op, running);
    }

    /// A fence waits for no task: what runs on its lane is dropped.
    fn pre_empt(&mut self, lane: Lane) {
        let running: Vec<OpId> = self
            .running
            .iter()
            .filter(|(_, running)| running.lane == lane)
            .map(|(op, _)| *op)
            .collect();
        for op in running {
            self.cancel(op);
        }
    }

    fn cancel(&mut self, op: OpId) {
        let Some(Running { lane, handle, .. }) = self.running.remove(&op) else {
            return;
        };
        handle.abort();
        let looking = self.looking.clone();
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let local = match lane {
                Lane::Server => Some(looking.now().await),
                Lane::Session
                | Lane::Leadership
                | Lane::Store
                | Lane::Peers
                | Lane::Promises
                | Lane::Identity
                | Lane::Checkpoint
                | Lane::Slots
                | Lane::Synchrony => None,
            };
            let _ = sender.send(Event::Ended {
                op,
                outcome: Outcome::Cancelled,
                local,
            });
        });
    }

    fn reply(&mut self, request: RequestId, answer: Answer) {
        if let Some(reply) = self.replies.remove(&request) {
            reply.send(answer);
        }
    }

    /// Hands a changed configuration of the cluster to the server, or that of another role.
    fn apply_config(&mut self, status: &Status, outputs: &[Output]) {
        let view = status.cluster.as_ref();
        let setup = self.setup(status, outputs);
        let is_other_setup = std::mem::replace(&mut self.setup, setup) != setup;
        let Some(config) = view.and_then(|view| view.config.value.as_ref()) else {
            if is_other_setup {
                let config = self.applied_config.as_deref().unwrap_or(&self.first_config);
                self.applying.wish_if_new(&self.settings, config, setup);
            }
            return;
        };
        if self.applied_config.as_ref() == Some(config) {
            if is_other_setup {
                self.applying.wish_if_new(&self.settings, config, setup);
            }
            return;
        }
        self.applied_config = Some(config.clone());
        self.executor.effective.set(&self.settings, config);
        // Which scripts there are decides what comes next: told before any task of this step ends.
        let told = member::core_settings(&self.settings, &self.executor.effective.get());
        if told != self.told {
            self.told = told.clone();
            let told = Input::Settings(Box::new(told));
            let _ = self.sender.send(Event::Input(told));
        }
        self.applying.wish(&self.settings, config, setup);
        let call = status.rules.call_limit();
        self.executor.store.set_limits(member::store_limits(call));
    }

    /// What the server is set up for: what it is about to be started as, or what it is.
    fn setup(&self, status: &Status, outputs: &[Output]) -> Setup {
        let is_leader = self.machine.is_standby_leader();
        let local = status.local.as_ref();
        let running = || local.and_then(|local| member::role_of(&local.server, is_leader));
        let role = member::role_to_start(outputs, is_leader).or_else(running);
        Setup {
            role: role.unwrap_or(self.setup.role),
            keeps_rows: self.machine.keeps_rows(),
        }
    }

    async fn end(mut self, quit: Quit) -> Result<(), Error> {
        for (_, reply) in std::mem::take(&mut self.replies) {
            let text = "the agent ends".to_owned();
            reply.send(Answer {
                kind: AnswerKind::Failed,
                text,
            });
        }
        for running in self.running.values() {
            running.handle.abort();
        }
        // Whoever is told of the stop has a moment to act on it.
        self.callbacks.finish().await;
        if quit.is_orderly {
            Ok(())
        } else {
            Err(Error::Refused(quit.sentence))
        }
    }
}
