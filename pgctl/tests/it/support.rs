//! A server in a temporary folder, and waiting for conditions.
//!
//! Invariant: whatever a test does, its servers end with it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use herdsman_pgctl::{
    Config, Credentials, DataDirectory, Gone, Instance, InstanceOptions, Process, Secret, Server,
    ServerRole, Standby, StartAs, Upstream, kill_server,
};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// Generous, because other tests share the machine.
pub(crate) const LONG: Duration = Duration::from_secs(90);

/// Colon, backslash, quote and space: what files and strings must escape.
pub(crate) const SUPERUSER_PASSWORD: &str = r"su:per\'s ecret";
pub(crate) const REPLICATION_PASSWORD: &str = r"re:pl\'s ecret";

/// Where the PostgreSQL programs are.
pub(crate) fn bin_dir() -> PathBuf {
    if let Some(folder) = std::env::var_os("HERDSMAN_TEST_PG_BIN") {
        return folder.into();
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let newest = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max();
    let newest = newest.expect("a version of PostgreSQL is installed");
    PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"))
}

/// Below the ports that the kernel gives to outgoing connections: one of these could otherwise be
/// given the port of a server that is down for a moment.
pub(crate) fn free_port() -> u16 {
    let chance = RandomState::new();
    (0..2000_u32)
        .map(|attempt| 10_240 + u16::try_from(chance.hash_one(attempt) % 22_000).unwrap())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port is free")
}

/// One instance with its folder. Its server is killed when it is dropped.
pub(crate) struct TestServer {
    pub(crate) instance: Instance,
    pub(crate) port: u16,
    folder: TempDir,
}

impl TestServer {
    /// A handle without a cluster yet.
    pub(crate) fn new(name: &str) -> Self {
        assert!(
            !rustix_is_root(),
            "PostgreSQL refuses to run as root: run the tests by `cargo xtask test`"
        );
        let folder = tempfile::Builder::new().prefix("pgctl-").tempdir().unwrap();
        let port = free_port();
        let options = options(name, folder.path(), port);
        let instance = Instance::new(options);
        Self {
            instance,
            port,
            folder,
        }
    }

    /// A primary that runs, with its roles, made in the quick way.
    pub(crate) async fn primary(name: &str) -> Self {
        let server = Self::new(name);
        server.make_cluster();
        server.start_primary().await;
        server.instance.bootstrap_users(LONG).await.unwrap();
        server
    }

    /// A standby that streams from `from`.
    pub(crate) async fn standby(name: &str, from: &Upstream) -> Self {
        let server = Self::new(name);
        server
            .instance
            .basebackup(from, LONG, |_| {})
            .await
            .unwrap();
        let upstream = Some(from.clone());
        let started = server
            .instance
            .start(StartAs::Standby { upstream }, LONG)
            .await
            .unwrap();
        assert!(started.raised.is_empty(), "{started:?}");
        server.wait_for_streaming(from.port).await;
        server
    }

    /// Another handle on the same files, as a new agent would make it.
    pub(crate) fn reopened(&self, name: &str) -> Instance {
        Instance::new(options(name, self.folder.path(), self.port))
    }

    /// What another handle can be made from, with changes.
    pub(crate) fn options(&self) -> InstanceOptions {
        options(self.instance.name(), self.folder.path(), self.port)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `initdb` without waiting for the disk.
    pub(crate) fn make_cluster(&self) {
        let pwfile = self.folder.path().join("pw");
        std::fs::write(&pwfile, SUPERUSER_PASSWORD).unwrap();
        let made = Command::new(bin_dir().join("initdb"))
            .args([
                "--no-sync",
                "--username=super",
                "--auth=scram-sha-256",
                "--no-locale",
            ])
            .arg(format!("--pwfile={}", pwfile.display()))
            .arg(self.instance.data_dir())
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        std::fs::remove_file(pwfile).unwrap();
    }

    pub(crate) async fn start_primary(&self) -> u32 {
        self.instance
            .start(StartAs::Primary, LONG)
            .await
            .unwrap()
            .pid
    }

    pub(crate) fn upstream(&self) -> Upstream {
        Upstream::new("127.0.0.1", self.port)
    }

    /// What the server says; it must be running.
    pub(crate) async fn server(&self) -> Server {
        let facts = self.instance.facts().await;
        facts
            .server
            .unwrap_or_else(|| panic!("no answer: {:?}", facts.process))
    }

    pub(crate) async fn standby_facts(&self) -> Standby {
        match self.server().await.role {
            ServerRole::Standby(standby) => standby,
            ServerRole::Primary { .. } => panic!("the server is a primary"),
        }
    }

    pub(crate) async fn wait_for_streaming(&self, port: u16) {
        wait_for("streaming", async || {
            let receiver = self.standby_facts().await.receiver;
            receiver.is_some_and(|r| r.status == "streaming" && r.port == Some(port))
        })
        .await;
    }

    /// An SQL session of a test's own.
    pub(crate) async fn client(&self) -> Client {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user("super")
            .dbname("postgres");
        config.password(SUPERUSER_PASSWORD);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        let client = self.client().await;
        let ask = format!("SELECT count(*) FROM {table}");
        client.query_one(&ask, &[]).await.unwrap().get(0)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // A test that fails shows its own reason; this must not hide it.
        match kill_server(self.instance.data_dir(), LONG) {
            Ok(gone) => free_memory(&gone),
            Err(error) => eprintln!("cannot clean up: {error}"),
        }
    }
}

/// A killed server leaves it behind, and the system has room for a few thousand of these.
fn free_memory(gone: &Gone) {
    let Some(id) = gone.shared_memory() else {
        return;
    };
    let removed = Command::new("ipcrm")
        .arg("-m")
        .arg(id.to_string())
        .stderr(Stdio::null())
        .status();
    if let Err(error) = removed {
        eprintln!("shared memory {id} is left: ipcrm: {error}");
    }
}

fn rustix_is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
}

fn options(name: &str, folder: &Path, port: u16) -> InstanceOptions {
    let config = config(folder, port);
    let mut options = InstanceOptions::new(name, folder.join("data"), config);
    options.bin_dir = Some(bin_dir());
    options.log_file = Some(folder.join("log"));
    options.sql_timeout = Duration::from_secs(10);
    options
}

fn config(folder: &Path, port: u16) -> Config {
    let superuser = Credentials::new("super", Some(Secret::new(SUPERUSER_PASSWORD)));
    let replication = Credentials::new("repl", Some(Secret::new(REPLICATION_PASSWORD)));
    let listen = format!("127.0.0.1:{port}").parse().unwrap();
    let mut config = Config::new(listen, superuser, replication);
    config.rewind = Some(Credentials::new("rewinder", Some(Secret::new("rewind"))));
    config.cluster_name = "test".to_owned();
    let folder = folder.display().to_string();
    let parameters = [
        ("fsync", "off"),
        ("shared_buffers", "16MB"),
        ("max_connections", "30"),
        ("max_wal_senders", "10"),
        ("max_replication_slots", "10"),
        ("max_worker_processes", "4"),
        ("wal_level", "replica"),
        ("wal_log_hints", "on"),
        ("hot_standby", "on"),
        ("wal_keep_segments", "64"),
        ("log_statement", "all"),
        ("autovacuum", "off"),
        ("unix_socket_directories", folder.as_str()),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    config.parameters = BTreeMap::from(parameters.map(owned));
    let hba = [
        "local all all scram-sha-256",
        "host all all 127.0.0.1/32 scram-sha-256",
        "local replication repl scram-sha-256",
        "host replication repl 127.0.0.1/32 scram-sha-256",
    ];
    config.pg_hba = Some(hba.map(str::to_owned).to_vec());
    config
}

/// Waits until the condition holds.
pub(crate) async fn wait_for(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn is_down(instance: &Instance) -> bool {
    instance.facts().await.process == Process::Down
}

pub(crate) fn control_of(data: &DataDirectory) -> &herdsman_pgctl::ControlData {
    let DataDirectory::Cluster(control) = data else {
        panic!("no cluster: {data:?}");
    };
    control
}

/// Processes of `postgres` that work in the folder, zombies aside; found
/// independently of the code under test.
pub(crate) fn processes_in(data_dir: &Path) -> Vec<u32> {
    let Ok(wanted) = std::fs::canonicalize(data_dir) else {
        return Vec::new();
    };
    let pids = std::fs::read_dir("/proc").unwrap();
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let works_there = |pid: &u32| {
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == wanted)
    };
    pids.filter(works_there).collect()
}

/// Sends a signal; returns whether there was such a process.
pub(crate) fn signal(pid: u32, name: &str) -> bool {
    let arguments = [format!("-{name}"), pid.to_string()];
    let sent = Command::new("kill")
        .args(arguments)
        .stderr(Stdio::null())
        .status();
    sent.unwrap().success()
}
