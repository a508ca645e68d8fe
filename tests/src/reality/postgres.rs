//! One PostgreSQL server in a temporary folder.
//!
//! Invariant: nothing is started, stopped or promoted that the test did not order.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use herdsman_pgctl::{
    Config, ControlData, Credentials, DataDirectory, Error, Facts, Gone, Instance, InstanceOptions,
    Lsn, Secret, Server, ServerRole, Standby, StartAs, StopMode, Timeline, Upstream, kill_server,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{LONG, Sql, wait_until};
use crate::cluster::{free_port, postgres_folder, processes};

const SUPERUSER: &str = "super";
const SUPERUSER_PASSWORD: &str = "super-secret";
const REPLICATION_PASSWORD: &str = "replication-secret";

/// A server and its folder.
#[derive(Debug)]
pub struct PgServer {
    instance: Instance,
    port: u16,
    folder: TempDir,
}

/// Making servers.
impl PgServer {
    /// A running primary of a new cluster.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn primary(name: &str) -> Self {
        Self::primary_with(name, &[]).await
    }

    /// A running primary with further settings.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn primary_with(name: &str, settings: &[(&str, &str)]) -> Self {
        let server = Self::new(name, settings);
        server.make_cluster();
        server.start_as_primary().await;
        let users = server.instance.bootstrap_users(LONG).await;
        users.expect("the roles can be made");
        server
    }

    /// A copy of `upstream` that streams from it.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn standby(name: &str, upstream: &Self) -> Self {
        Self::standby_with(name, upstream, &[]).await
    }

    /// A copy of `upstream` that streams from it, with further settings.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn standby_with(name: &str, upstream: &Self, settings: &[(&str, &str)]) -> Self {
        let server = Self::copy_of(name, upstream, settings).await;
        server.start_as_standby_of(Some(upstream)).await;
        server.wait_until_streaming().await;
        server
    }

    /// A copy of `upstream` that is not started.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub async fn copy_of(name: &str, upstream: &Self, settings: &[(&str, &str)]) -> Self {
        let server = Self::new(name, settings);
        let upstream = upstream.upstream();
        let copied = server.instance.basebackup(&upstream, LONG, |_| {}).await;
        copied.expect("the upstream can be copied");
        server
    }

    fn new(name: &str, settings: &[(&str, &str)]) -> Self {
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
        assert!(
            !is_root,
            "PostgreSQL refuses to run as root: run the tests by `cargo xtask test`"
        );
        let folder = tempfile::Builder::new().prefix("reality-").tempdir();
        let folder = folder.expect("a folder for temporary files can be made");
        let port = free_port();
        let config = config(folder.path(), port, settings);
        let mut options = InstanceOptions::new(name, folder.path().join("data"), config);
        options.bin_dir = Some(postgres_folder());
        options.log_file = Some(folder.path().join("log"));
        options.sql_timeout = Duration::from_secs(10);
        let instance = Instance::new(options);
        Self {
            instance,
            port,
            folder,
        }
    }

    /// `initdb` without waiting for the disk.
    fn make_cluster(&self) {
        let pwfile = self.folder.path().join("pw");
        std::fs::write(&pwfile, SUPERUSER_PASSWORD).expect("the folder is writable");
        let made = Command::new(postgres_folder().join("initdb"))
            .args(["--no-sync", "--auth=scram-sha-256", "--no-locale"])
            .arg(format!("--username={SUPERUSER}"))
            .arg(format!("--pwfile={}", pwfile.display()))
            .arg(self.instance.data_dir())
            .output()
            .expect("initdb can be run");
        let words = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{words}");
    }
}

/// Orders.
impl PgServer {
    /// The handle, for what is not offered here.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Starts it as a primary.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start_as_primary(&self) {
        let started = self.instance.start(StartAs::Primary, LONG).await;
        let _ = started.expect("the server starts as a primary");
    }

    /// Starts it as a standby, of nobody if there is no upstream.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start_as_standby_of(&self, upstream: Option<&Self>) {
        let started = self.try_start_as_standby_of(upstream).await;
        started.expect("the server starts as a standby");
    }

    /// Starts it as a standby, of nobody if there is no upstream.
    ///
    /// # Errors
    /// Why it did not come up.
    pub async fn try_start_as_standby_of(&self, upstream: Option<&Self>) -> Result<(), Error> {
        let upstream = upstream.map(Self::upstream);
        let as_what = StartAs::Standby { upstream };
        self.instance.start(as_what, LONG).await.map(|_| ())
    }

    /// Lets the standby stream from another server, or from nobody.
    ///
    /// # Panics
    /// When its files cannot be written.
    pub async fn follow(&self, upstream: Option<&Self>) {
        self.follow_exactly(upstream.map(Self::upstream)).await;
    }

    /// Lets the standby stream in exactly this way, or from nobody. Returns when a former stream
    /// has ended.
    ///
    /// # Panics
    /// When its files cannot be written.
    pub async fn follow_exactly(&self, upstream: Option<Upstream>) {
        let port = upstream.as_ref().map(|upstream| upstream.port);
        let followed = self.instance.follow(upstream).await;
        let _ = followed.expect("the settings can be written");
        wait_until("the former stream to end", async || {
            let receiver = self.standby_facts().await.receiver;
            receiver.is_none_or(|receiver| receiver.port == port && port.is_some())
        })
        .await;
    }

    /// Promotes the standby and waits until it takes writes.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn promote(&self) {
        let promoted = self.instance.promote(None, LONG).await;
        promoted.expect("the standby is promoted");
    }

    /// Stops it.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn stop(&self, mode: StopMode) {
        let stopped = self.instance.stop(mode, LONG).await;
        let _ = stopped.expect("the server stops");
    }

    /// Kills every process of it, as `kill -9` does.
    ///
    /// # Panics
    /// When something is left.
    pub async fn kill(&self) -> Gone {
        let gone = self.instance.kill_all(LONG).await;
        gone.expect("the processes can be killed")
    }

    /// Changes settings of the running server that need no restart.
    ///
    /// # Panics
    /// When they cannot be written.
    pub async fn set(&self, settings: &[(&str, &str)]) {
        let mut config = (*self.instance.config()).clone();
        config.parameters.extend(owned(settings));
        self.instance.set_config(config);
        let written = self.instance.write_config().await;
        let _ = written.expect("the settings can be written");
        self.instance.reload().await.expect("the server runs");
    }

    /// Sends a signal to the postmaster alone.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn signal_postmaster(&self, signal: Signal) {
        let postmaster = self.instance.adopt().await.expect("the server runs");
        send(postmaster, signal);
    }

    /// Sends a signal to every process of the server.
    ///
    /// # Panics
    /// When the folder of processes cannot be read.
    pub fn signal_all(&self, signal: Signal) {
        let wanted = std::fs::canonicalize(self.instance.data_dir());
        let wanted = wanted.expect("the data directory is there");
        let all = std::fs::read_dir("/proc").expect("processes can be listed");
        let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let works_there = |pid: &u32| {
            std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == wanted)
        };
        for pid in pids.filter(works_there) {
            send(pid, signal);
        }
    }
}

/// Questions.
impl PgServer {
    /// Where others reach it.
    #[must_use]
    pub fn upstream(&self) -> Upstream {
        Upstream::new("127.0.0.1", self.port)
    }

    /// How a client of a test connects.
    #[must_use]
    pub fn client_config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port);
        config.user(SUPERUSER).password(SUPERUSER_PASSWORD);
        config.dbname("postgres");
        config
    }

    /// A session of a test's own.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn sql(&self) -> Sql {
        let connected = Sql::connect(&self.client_config()).await;
        connected.unwrap_or_else(|error| panic!("{}: {error:?}", self.instance.name()))
    }

    /// Runs statements in a session of their own.
    ///
    /// # Panics
    /// When the server refuses them.
    pub async fn run(&self, sql: &str) {
        let done = self.sql().await.run(sql).await;
        done.unwrap_or_else(|error| panic!("{}: {sql}: {error:?}", self.instance.name()));
    }

    /// The first column of the first row, in a session of its own.
    ///
    /// # Panics
    /// When the server refuses the question.
    pub async fn ask(&self, sql: &str) -> String {
        let answer = self.sql().await.value(sql).await;
        answer.unwrap_or_else(|error| panic!("{}: {sql}: {error:?}", self.instance.name()))
    }

    /// All rows of the table `t`, sorted and separated by commas.
    pub async fn rows(&self) -> String {
        self.ask("SELECT string_agg(id::text, ',' ORDER BY id) FROM t")
            .await
    }

    /// What the server says of itself.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn server(&self) -> Server {
        let facts = self.facts().await;
        let name = self.instance.name();
        let server = facts.server;
        server.unwrap_or_else(|| panic!("{name} does not answer: {:?}", facts.process))
    }

    /// Everything that can be seen of it.
    pub async fn facts(&self) -> Facts {
        self.instance.facts().await
    }

    /// The state of recovery.
    ///
    /// # Panics
    /// When it is no running standby.
    pub async fn standby_facts(&self) -> Standby {
        match self.server().await.role {
            ServerRole::Standby(standby) => standby,
            ServerRole::Primary { .. } => panic!("{} is a primary", self.instance.name()),
        }
    }

    /// Where a running primary's log ends on its disk.
    ///
    /// # Panics
    /// When it is no running primary.
    pub async fn written(&self) -> Lsn {
        match self.server().await.role {
            ServerRole::Primary { flushed } => flushed,
            ServerRole::Standby(_) => panic!("{} is a standby", self.instance.name()),
        }
    }

    /// The timeline as the server tells it.
    pub async fn timeline(&self) -> Timeline {
        self.server().await.timeline
    }

    /// The control file.
    ///
    /// # Panics
    /// When there is no cluster.
    pub async fn control(&self) -> ControlData {
        let data = self.facts().await.data;
        let DataDirectory::Cluster(control) = data else {
            panic!("{} has no cluster: {data:?}", self.instance.name());
        };
        control
    }

    pub(super) fn log_path(&self) -> std::path::PathBuf {
        self.folder.path().join("log")
    }

    /// The server's log.
    #[must_use]
    pub fn log(&self) -> String {
        let log = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Waits until a standby streams from whom it is told to.
    pub async fn wait_until_streaming(&self) {
        wait_until("streaming", async || {
            let standby = self.standby_facts().await;
            let told = standby.upstream.map(|(_, port)| port);
            let receiver = standby.receiver;
            receiver.is_some_and(|r| r.status == "streaming" && r.port == told)
        })
        .await;
    }

    /// Waits until a standby has received up to here.
    pub async fn wait_until_received(&self, end: Lsn) {
        let name = self.instance.name();
        wait_until(&format!("{name} to receive {end}"), async || {
            self.ask_whether(&format!("pg_last_wal_receive_lsn() >= '{end}'"))
                .await
        })
        .await;
    }

    /// Waits until a standby has replayed up to here.
    pub async fn wait_until_replayed(&self, end: Lsn) {
        let name = self.instance.name();
        wait_until(&format!("{name} to replay {end}"), async || {
            self.ask_whether(&format!("pg_last_wal_replay_lsn() >= '{end}'"))
                .await
        })
        .await;
    }

    /// Whether the condition is true there.
    pub async fn ask_whether(&self, condition: &str) -> bool {
        self.ask(&format!("SELECT {condition}")).await == "t"
    }

    /// How often recovery has ended a stream, as it does when what came cannot be read. The words
    /// on what is wrong depend on the bytes that it met.
    #[must_use]
    pub fn broken_streams(&self) -> usize {
        let words = "terminating walreceiver process due to administrator command";
        self.log().matches(words).count()
    }

    /// Waits until the log holds these words.
    pub async fn wait_for_log(&self, words: &str) {
        wait_until(&format!("{words:?} in the log"), async || {
            self.log().contains(words)
        })
        .await;
    }
}

impl Drop for PgServer {
    fn drop(&mut self) {
        // A test that fails shows its own reason, and this must not hide it.
        match kill_server(self.instance.data_dir(), LONG) {
            Ok(gone) => processes::free_memory(&gone),
            Err(error) => eprintln!("cannot clean up: {error}"),
        }
        if std::thread::panicking() {
            eprintln!("log of {}:\n{}", self.instance.name(), self.log());
        }
    }
}

fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // A short-lived backend may have ended meanwhile.
    let _ = kill_process(pid.expect("a process has an id"), signal);
}

fn config(folder: &Path, port: u16, settings: &[(&str, &str)]) -> Config {
    let superuser = Credentials::new(SUPERUSER, Some(Secret::new(SUPERUSER_PASSWORD)));
    let replication = Credentials::new("repl", Some(Secret::new(REPLICATION_PASSWORD)));
    let listen = format!("127.0.0.1:{port}");
    let listen = listen.parse().expect("it is an address");
    let mut config = Config::new(listen, superuser, replication);
    let sockets = folder.display().to_string();
    config.parameters = owned(&[
        ("autovacuum", "off"),
        // Processes are killed here, machines are not.
        ("fsync", "off"),
        ("hot_standby", "on"),
        ("log_checkpoints", "off"),
        ("max_connections", "20"),
        ("max_replication_slots", "10"),
        ("max_wal_senders", "10"),
        ("max_worker_processes", "4"),
        ("shared_buffers", "16MB"),
        ("unix_socket_directories", &sockets),
        ("wal_keep_size", "64MB"),
        ("wal_level", "replica"),
        ("wal_retrieve_retry_interval", "100ms"),
    ]);
    config.parameters.extend(owned(settings));
    let hba = [
        "local all all scram-sha-256",
        "host all all 127.0.0.1/32 scram-sha-256",
        "host replication repl 127.0.0.1/32 scram-sha-256",
    ];
    config.pg_hba = Some(hba.map(str::to_owned).to_vec());
    config
}

fn owned(settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = settings.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
