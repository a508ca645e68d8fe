//! One member without a cluster: a folder, ports that nobody uses, and a configuration to spoil.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A configuration in which nothing is wrong, once its names in braces are replaced.
const CONFIGURATION: &str = r#"scope: lone
name: n1
restapi:
  listen: "{rest}"
  connect_address: "{rest}"
etcd3:
  hosts: "{store}"
bootstrap:
  dcs:
    ttl: 5
    loop_wait: 1
    retry_timeout: 2
  initdb: [{encoding: UTF8}, data-checksums]
postgresql:
  listen: "{postgres}"
  connect_address: "{postgres}"
  data_dir: {folder}/data
  bin_dir: {programs}
  pgpass: {folder}/pgpass
  authentication:
    superuser: {username: postgres, password: wren-of-the-superuser}
    replication: {username: replicator, password: lark-of-the-replication}
  parameters: {unix_socket_directories: ".", shared_buffers: 16MB}
  pg_hba: ["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"]
"#;

/// What no message may contain.
pub(super) const SECRETS: [&str; 2] = ["wren-of-the-superuser", "lark-of-the-replication"];

/// A member that was never started, with its configuration.
pub(super) struct Member {
    folder: TempDir,
    pub(super) rest: SocketAddr,
    pub(super) postgres: SocketAddr,
    /// Nobody listens there unless a test does.
    pub(super) store: SocketAddr,
    pub(super) configuration: String,
}

impl Member {
    pub(super) fn new() -> Self {
        assert!(
            !is_root(),
            "PostgreSQL refuses to run as root: run the tests by `cargo xtask test`"
        );
        let folder = tempfile::tempdir().expect("a folder for temporary files can be made");
        let [rest, postgres, store] = free_addresses();
        let names = [
            ("{rest}", rest.to_string()),
            ("{postgres}", postgres.to_string()),
            ("{store}", store.to_string()),
            ("{folder}", folder.path().display().to_string()),
            ("{programs}", programs().display().to_string()),
        ];
        let mut configuration = CONFIGURATION.to_owned();
        for (name, value) in names {
            configuration = configuration.replace(name, &value);
        }
        Self {
            folder,
            rest,
            postgres,
            store,
            configuration,
        }
    }

    /// A member with one thing in its configuration replaced by another.
    pub(super) fn spoiled(from: &str, to: &str) -> Self {
        let mut member = Self::new();
        member.spoil(from, to);
        member
    }

    pub(super) fn spoil(&mut self, from: &str, to: &str) {
        assert!(self.configuration.contains(from), "there is no {from:?}");
        self.configuration = self.configuration.replace(from, to);
    }

    /// Everything of the member is in this folder; its configuration and its log are elsewhere.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Makes a cluster in the data directory, as somebody else would have.
    pub(super) fn initdb(&self) {
        let data_dir = self.data_dir();
        run(Command::new(programs().join("initdb"))
            .arg("-D")
            .arg(&data_dir)
            .args(["-U", "postgres", "-A", "trust", "--no-sync"]));
    }

    /// Starts a primary in the data directory, as somebody else would have.
    pub(super) fn start_primary(&self) -> Primary<'_> {
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories=. \
             -c shared_buffers=16MB -c fsync=off",
            self.postgres.port()
        );
        run(Command::new(programs().join("pg_ctl"))
            .arg("-D")
            .arg(self.data_dir())
            .arg("-l")
            .arg(self.folder().join("server.log"))
            .args(["-w", "-o", &options, "start"]));
        Primary { member: self }
    }
}

/// A server that no daemon has started.
pub(super) struct Primary<'a> {
    member: &'a Member,
}

impl Drop for Primary<'_> {
    fn drop(&mut self) {
        let limit = std::time::Duration::from_secs(10);
        let gone = herdsman_pgctl::kill_server(&self.member.data_dir(), limit);
        if let Err(error) = gone
            && !std::thread::panicking()
        {
            panic!("a server is left: {error}");
        }
    }
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.expect("a program of PostgreSQL can be started");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Addresses that nobody listens on. All are held until all are found, so they differ.
fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a port can be found"));
    listeners.map(|listener| {
        let address = listener.local_addr();
        address.expect("a bound socket has an address")
    })
}

/// The folder of PostgreSQL's programs: the newest, unless one is named.
pub(super) fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("HERDSMAN_TEST_PG_BIN") {
        return folder.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let newest = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max();
    let newest = newest.expect("a version of PostgreSQL is installed");
    PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"))
}
