//! One member: its daemon as a child process, its server, and its ways to the store.
//!
//! Invariant: a member is asked by its own interfaces, REST and SQL, and never believed from
//! memory: all that is remembered here is the child process.

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::configuration::{
    Place, REPLICATION, REPLICATION_PASSWORD, SUPERUSER, SUPERUSER_PASSWORD,
};
use super::http::{self, Response};
use super::processes;
use super::relay::Relay;
use super::session::{Endpoint, Session, SqlError, Wanted};
use super::{LONG, wait_for};

/// How long a member may take to answer a question of a test.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long a member may take to answer an order.
const ORDER_LIMIT: Duration = Duration::from_secs(90);
const LOG_LEVEL: &str = "debug,h2=warn,hyper=warn,tower=warn,tonic=warn,tokio_postgres=warn";

/// How a daemon is started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// What stands before the name of the configuration.
    pub(crate) arguments: Vec<String>,
}

/// A member of a cluster under test. All calls may be made from any thread.
#[derive(Debug)]
pub struct Member {
    place: Place,
    program: Program,
    relays: Vec<Relay>,
    daemon: Mutex<Option<Child>>,
}

impl Member {
    pub(crate) fn new(place: Place, program: Program, relays: Vec<Relay>) -> Self {
        Self {
            place,
            program,
            relays,
            daemon: Mutex::new(None),
        }
    }

    /// The member's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// The port of its server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// The port of its REST API.
    #[must_use]
    pub fn api_port(&self) -> u16 {
        self.place.api_port
    }

    /// Where its data is.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.place.data_dir()
    }

    /// Where its configuration is.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.place.configuration()
    }

    /// All that its daemons and, at the beginning, its servers have written.
    #[must_use]
    pub fn log(&self) -> String {
        let log = std::fs::read(self.place.log()).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// How a client reaches its server.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            member: self.name().to_owned(),
            port: self.port(),
            user: SUPERUSER.to_owned(),
            password: SUPERUSER_PASSWORD.to_owned(),
        }
    }

    /// The same for the role of standbys.
    #[must_use]
    pub fn replication_endpoint(&self) -> Endpoint {
        Endpoint {
            user: REPLICATION.to_owned(),
            password: REPLICATION_PASSWORD.to_owned(),
            ..self.endpoint()
        }
    }

    fn daemon(&self) -> MutexGuard<'_, Option<Child>> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The daemon.
impl Member {
    /// Starts the daemon.
    ///
    /// # Panics
    /// When one of this member runs, or it cannot be started.
    pub fn start_daemon(&self) {
        self.start(&self.program);
    }

    /// Starts the daemon of this build with the member's configuration, whichever the cluster has.
    ///
    /// # Panics
    /// When one of this member runs, or it cannot be started.
    pub fn start_our_daemon(&self) {
        let path = super::programs::built("herdsman");
        self.start(&Program {
            path,
            arguments: Vec::new(),
        });
    }

    fn start(&self, program: &Program) {
        let mut daemon = self.daemon();
        assert!(
            daemon.as_mut().is_none_or(has_ended),
            "{} runs already",
            self.name()
        );
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.place.log())
            .expect("the member's folder is writable");
        let mut command = Command::new(&program.path);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("PATRONI_") || text.starts_with("PG") {
                command.env_remove(name);
            }
        }
        let output = log.try_clone().expect("a file can be opened twice");
        let child = command
            .args(&program.arguments)
            .arg(self.configuration())
            .current_dir(&self.place.folder)
            .env("HERDSMAN_LOG", LOG_LEVEL)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(log)
            .spawn();
        let program = program.path.display();
        *daemon = Some(child.unwrap_or_else(|error| panic!("cannot start {program}: {error}")));
    }

    /// Whether the daemon runs.
    #[must_use]
    pub fn is_daemon_running(&self) -> bool {
        self.daemon()
            .as_mut()
            .is_some_and(|child| !has_ended(child))
    }

    /// The daemon's process.
    #[must_use]
    pub fn daemon_pid(&self) -> Option<u32> {
        let mut daemon = self.daemon();
        let child = daemon.as_mut()?;
        (!has_ended(child)).then(|| child.id())
    }

    /// Kills the daemon by SIGKILL and waits for its end. Its server goes on.
    pub fn kill_daemon(&self) {
        if let Some(mut child) = self.daemon().take() {
            // It may have ended by itself, then there is only its status to be fetched.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends SIGTERM to the daemon and returns at once.
    pub fn terminate_daemon(&self) {
        self.signal_daemon(Signal::TERM);
    }

    /// Stops the daemon in order, by SIGTERM, and waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn stop_daemon(&self) -> ExitStatus {
        self.terminate_daemon();
        self.wait_for_exit()
    }

    /// Freezes the daemon by SIGSTOP.
    pub fn freeze_daemon(&self) {
        self.signal_daemon(Signal::STOP);
    }

    /// Lets a frozen daemon go on.
    pub fn thaw_daemon(&self) {
        self.signal_daemon(Signal::CONT);
    }

    /// Sends a signal to the daemon.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal_daemon(&self, signal: Signal) {
        let pid = self.daemon_pid();
        let sent = pid.is_some_and(|pid| processes::signal(pid, signal));
        assert!(sent, "the daemon of {} does not run", self.name());
    }

    /// Waits until the daemon has ended.
    ///
    /// # Panics
    /// When it does not in time, or was killed by the test.
    pub fn wait_for_exit(&self) -> ExitStatus {
        wait_for(&format!("the end of {}'s daemon", self.name()), || {
            let mut daemon = self.daemon();
            let child = daemon.as_mut().expect("the daemon was started");
            child.try_wait().expect("a child can be asked")
        })
    }
}

/// The server.
impl Member {
    /// The server's first process, as the server's own file tells it, while it lives.
    #[must_use]
    pub fn postmaster_pid(&self) -> Option<u32> {
        let file = std::fs::read_to_string(self.data_dir().join("postmaster.pid")).ok()?;
        let pid = file.lines().next()?.parse().ok()?;
        // The file may be of a server that is gone, and its number somebody else's.
        let works_in = std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        let is_it = works_in == std::fs::canonicalize(self.data_dir()).ok()?;
        is_it.then_some(pid)
    }

    /// Kills the server's first process by SIGKILL; returns the moment before.
    ///
    /// # Panics
    /// When the server does not run.
    pub fn kill_postmaster(&self) -> Instant {
        let pid = self.postmaster_pid();
        let before = Instant::now();
        let sent = pid.is_some_and(|pid| processes::signal(pid, Signal::KILL));
        assert!(sent, "the server of {} does not run", self.name());
        before
    }

    /// What a lost machine is for the others: the daemon, all that it started, and every process
    /// of the server are killed. Returns the moment before.
    ///
    /// # Panics
    /// When a process survives.
    pub fn kill_host(&self) -> Instant {
        let family = self.daemon_pid().map(processes::family).unwrap_or_default();
        let before = Instant::now();
        for pid in family {
            processes::signal(pid, Signal::KILL);
        }
        self.kill_daemon();
        self.kill_server();
        before
    }

    /// Its server sends no WAL any more: what it writes from now on nobody else has. The processes
    /// stand still until the server is killed.
    ///
    /// # Panics
    /// When nobody receives from it.
    pub fn stop_sending(&self) {
        let senders = self.ask("SELECT string_agg(pid::text, ',') FROM pg_stat_replication");
        let senders = senders.unwrap_or_default();
        let pids: Vec<u32> = senders
            .split(',')
            .filter_map(|pid| pid.parse().ok())
            .collect();
        assert!(!pids.is_empty(), "nobody receives from {}", self.name());
        for pid in pids {
            processes::signal(pid, Signal::STOP);
        }
    }

    /// Kills every process of the server.
    ///
    /// # Panics
    /// When one survives.
    pub fn kill_server(&self) {
        if let Err(error) = herdsman_pgctl::kill_server(&self.data_dir(), LONG) {
            panic!("the server of {} cannot be killed: {error}", self.name());
        }
    }

    /// The living processes of `postgres` that work in its data directory.
    #[must_use]
    pub fn server_processes(&self) -> Vec<u32> {
        processes::working_in(&self.data_dir())
    }

    /// Opens a session on its server.
    ///
    /// # Errors
    /// See [`SqlError`].
    pub fn session(&self) -> Result<Session, SqlError> {
        Session::connect(&self.endpoint(), Wanted::Any, ANSWER_LIMIT)
    }

    /// The first value of a query on its server, or nothing when the server does not answer.
    #[must_use]
    pub fn ask(&self, sql: &str) -> Option<String> {
        self.session().ok()?.value(sql).ok()
    }

    /// Whether its server takes writes; nothing when it does not answer.
    #[must_use]
    pub fn is_primary(&self) -> Option<bool> {
        let answer = self.ask("SELECT pg_catalog.pg_is_in_recovery()")?;
        Some(answer == "f")
    }
}

/// The REST API and the store.
impl Member {
    /// What `GET` of a path answers.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub fn get(&self, path: &str) -> io::Result<Response> {
        http::ask(self.api_port(), "GET", path, None, ANSWER_LIMIT)
    }

    /// Sends an order with a JSON body.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> io::Result<Response> {
        http::ask(self.api_port(), method, path, Some(body), ORDER_LIMIT)
    }

    /// What the member says of itself (`/patroni`); nothing when it does not answer.
    #[must_use]
    pub fn status(&self) -> Option<Value> {
        self.get("/patroni").ok().map(|response| response.json())
    }

    /// Its decisions, oldest first; empty when it does not answer.
    #[must_use]
    pub fn decisions(&self) -> Vec<Value> {
        let answer = self.get("/decisions").map(|response| response.json());
        let answer = answer.unwrap_or_default();
        answer["decisions"].as_array().cloned().unwrap_or_default()
    }

    /// Resets its connections to the store and refuses new ones.
    ///
    /// # Panics
    /// When the cluster was built without relays.
    pub fn cut_store(&self) {
        self.relays().iter().for_each(Relay::cut);
    }

    /// Lets nothing through between it and the store; connections stay.
    ///
    /// # Panics
    /// When the cluster was built without relays.
    pub fn blackhole_store(&self) {
        self.relays().iter().for_each(Relay::blackhole);
    }

    /// Lets it reach the store again.
    ///
    /// # Panics
    /// When the cluster was built without relays.
    pub fn heal_store(&self) {
        self.relays().iter().for_each(Relay::heal);
    }

    fn relays(&self) -> &[Relay] {
        let relays = &self.relays;
        assert!(!relays.is_empty(), "the cluster was built without relays");
        relays
    }
}

fn has_ended(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}
