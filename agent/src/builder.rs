//! Putting an agent together, and the handle that stays with whoever embeds it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use herdsman_dcs::{Dcs, Prefix};
use herdsman_ha_core::{Boot, InstanceId, Machine, MemberName};
use herdsman_rest_api::{
    CommandReceiver, CommandSender, OnReload, Options, Server, SnapshotReader, SnapshotWriter,
    commands, snapshots,
};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::driver::{Driver, Event};
use crate::error::Error;
use crate::execute::{Copied, Executor};
use crate::grants::Grants;
use crate::leadership::LeadershipChanges;
use crate::publish;
use crate::settings::{Settings, WatchdogMode};
use crate::{kept_config, member, store};

/// The part of a store that belongs to one cluster: `/<namespace>/<scope>/`.
///
/// # Errors
///
/// When namespace or scope cannot be part of a key.
pub fn cluster_prefix(settings: &Settings) -> Result<Prefix, herdsman_dcs::KeyError> {
    if settings.namespace.is_empty() {
        return Prefix::new(format!("/{}/", settings.scope));
    }
    Prefix::new(format!("/{}/{}/", settings.namespace, settings.scope))
}

/// Collects what an agent needs.
#[derive(Debug)]
pub struct AgentBuilder<S> {
    settings: Settings,
    store: S,
    log_file: Option<std::path::PathBuf>,
    on_reload: Reloading,
}

/// What is done when the REST API is asked to read the configuration again.
#[derive(Clone, Default)]
struct Reloading(Option<OnReload>);

impl std::fmt::Debug for Reloading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_served = self.0.is_some();
        f.debug_tuple("Reloading").field(&is_served).finish()
    }
}

/// A member that is ready to run.
pub struct Agent {
    executor: Arc<Executor>,
    machine: Machine,
    clock: Arc<Clock>,
    server: Server,
    writer: SnapshotWriter,
    reader: SnapshotReader,
    commands: CommandReceiver,
    sender: CommandSender,
    on_reload: Reloading,
    /// The dynamic configuration that counts until the store tells one.
    first_config: serde_json::Value,
    events: (mpsc::UnboundedSender<Event>, mpsc::UnboundedReceiver<Event>),
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent")
            .field("name", &self.executor.name)
            .finish_non_exhaustive()
    }
}

/// Stays with whoever embeds an agent; cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    events: mpsc::UnboundedSender<Event>,
    commands: CommandSender,
    snapshots: SnapshotReader,
    settings: Arc<Settings>,
}

impl Agent {
    /// Begins to build an agent for the member that `settings` describe.
    #[must_use]
    pub fn builder(settings: Settings) -> AgentBuilder<()> {
        AgentBuilder {
            settings,
            store: (),
            log_file: None,
            on_reload: Reloading::default(),
        }
    }
}

impl AgentBuilder<()> {
    /// The store that the members share.
    #[must_use]
    pub fn store(self, store: Arc<dyn Dcs>) -> AgentBuilder<Arc<dyn Dcs>> {
        AgentBuilder {
            settings: self.settings,
            store,
            log_file: self.log_file,
            on_reload: self.on_reload,
        }
    }
}

impl<S> AgentBuilder<S> {
    /// Where the server's own messages go; without it they go where ours go.
    #[must_use]
    pub fn server_log(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.log_file = Some(path.into());
        self
    }

    /// What to do when somebody asks over the REST API that the configuration is read again: as
    /// for a SIGHUP, read it and call [`Handle::reload`]. It must not wait. Without it such a call
    /// is refused.
    #[must_use]
    pub fn on_reload(mut self, reload: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_reload = Reloading(Some(Arc::new(reload)));
        self
    }
}

impl AgentBuilder<Arc<dyn Dcs>> {
    /// Checks this machine and binds the REST API. Nothing on disk is changed, nothing is written
    /// to the store.
    ///
    /// # Errors
    ///
    /// [`Error::Preflight`] with everything that must be put right first, and
    /// [`Error::RestApi`] when its address cannot be used.
    pub async fn build(self) -> Result<Agent, Error> {
        let settings = self.settings;
        let prefix = cluster_prefix(&settings)?;
        let known_config = kept_config::read(&settings.postgresql.data_dir);
        let first_config = known_config.clone();
        let first_config = first_config.unwrap_or_else(|| member::bootstrap_config(&settings));
        let instance = member::instance(&settings, &first_config, self.log_file);
        let mut problems = member::refusals(&settings);
        problems.extend(
            instance
                .preflight()
                .await
                .iter()
                .map(|error| crate::observe::chain(error)),
        );
        if !problems.is_empty() {
            return Err(Error::Preflight { problems });
        }
        let server = Server::bind(&settings.rest_api.listen.to_string()).await?;

        let clock = Arc::new(Clock::default());
        let effective = member::Effective::new(&settings, &first_config);
        let mut core_settings = member::core_settings(&settings, &effective.get());
        core_settings.known_config = known_config;
        let boot = Boot::new(instance_id(), random());
        let machine = Machine::new(core_settings, boot, clock.now());
        let first = publish::first_snapshot(
            Arc::new(machine.status()),
            &settings.scope,
            settings.watchdog.mode == WatchdogMode::Required,
            clock.mono(),
        );
        let (writer, reader) = snapshots(first);
        let (sender, commands) = commands();
        let executor = Executor {
            name: MemberName::from(settings.name.as_str()),
            effective,
            settings,
            store: self.store,
            prefix,
            sessions: crate::execute::Sessions::default(),
            instance,
            clock: Arc::clone(&clock),
            grants: Grants::default(),
            copied: Copied::default(),
        };
        Ok(Agent {
            executor: Arc::new(executor),
            machine,
            clock,
            server,
            writer,
            reader,
            commands,
            sender,
            on_reload: self.on_reload,
            first_config,
            events: mpsc::unbounded_channel(),
        })
    }
}

impl Agent {
    /// The handle to this agent.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            events: self.events.0.clone(),
            commands: self.sender.clone(),
            snapshots: self.reader.clone(),
            settings: Arc::new(self.executor.settings.clone()),
        }
    }

    /// Keeps the member until it is asked to leave.
    ///
    /// When the future is dropped the server goes on, as it does when the process dies.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when this member must not go on: its name is taken, its data belongs to
    /// another cluster. PostgreSQL is left as it is then.
    pub async fn run(self) -> Result<(), Error> {
        let mut background = tokio::task::JoinSet::new();
        let clock = Arc::clone(&self.clock);
        let mut options = Options::new(Arc::new(move || clock.mono()));
        options.credentials = self.executor.settings.rest_api.credentials();
        options.on_reload = self.on_reload.0;
        // It ends with the set.
        let never = std::future::pending();
        background.spawn(self.server.serve(self.reader, self.sender, options, never));
        background.spawn(store::follow(
            Arc::clone(&self.executor.store),
            self.executor.prefix.clone(),
            self.events.0.clone(),
        ));
        if let Err(error) = self.executor.instance.tidy_wreck().await {
            let error = crate::observe::chain(&error);
            tracing::warn!(
                error,
                "the member's own files are not given back to its wreck"
            );
        }
        background.spawn(tell_exits(
            self.executor.instance.clone(),
            self.events.0.clone(),
        ));
        Driver::new(
            self.machine,
            self.executor,
            self.clock,
            self.writer,
            self.commands,
            self.events,
            self.first_config,
        )
        .run()
        .await
    }
}

/// Tells the loop of every end of the server's process, at once.
async fn tell_exits(instance: herdsman_pgctl::Instance, events: mpsc::UnboundedSender<Event>) {
    let mut exits = instance.exit_events();
    instance.adopt().await;
    loop {
        let exit = exits.next().await;
        tracing::info!(%exit, "PostgreSQL has ended");
        if events.send(Event::ServerExited).is_err() {
            return;
        }
    }
}

impl Handle {
    /// Asks the member to stop its server, to hand its leadership over, and to end. In a paused
    /// cluster the server and the leader key are left as they are.
    pub fn leave(&self) {
        // An agent that has ended has left already.
        let _ = self.events.send(Event::Leave);
    }

    /// Hands over the member's configuration after it was read again. What can change without a
    /// restart does; name, scope, addresses and paths stay as they were.
    pub fn reload(&self, settings: Settings) {
        let _ = self.events.send(Event::Reload(Box::new(settings)));
    }

    /// Asks for something and waits for the answer.
    ///
    /// # Errors
    ///
    /// When the agent does not take requests.
    pub async fn ask(
        &self,
        command: herdsman_ha_core::Command,
    ) -> Result<herdsman_ha_core::Answer, herdsman_rest_api::CommandError> {
        self.commands.ask(command).await
    }

    /// What the member knows and does, as of its last step.
    #[must_use]
    pub fn status(&self) -> Arc<herdsman_ha_core::Status> {
        Arc::clone(&self.snapshots.latest().status)
    }

    /// Who leads, now and with each change: for work that belongs beside the primary.
    #[must_use]
    pub fn leadership(&self) -> LeadershipChanges {
        LeadershipChanges::new(self.snapshots.clone())
    }

    /// The member's settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// A number that no other run has: taken from the keys that the standard library draws from the
/// system for its hash maps.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn instance_id() -> InstanceId {
    InstanceId::from(format!("{:016x}{:016x}", random(), random()))
}
