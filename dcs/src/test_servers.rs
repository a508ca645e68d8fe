//! Real etcd and ZooKeeper servers on this machine, for tests of this crate and of those who use
//! it.
//!
//! Nothing here is for production. The functions block, and they panic with the server's log when
//! a server does not come up, because a test cannot go on without it.
//!
//! Invariant: a server lives no longer than its [`EtcdServers`] or [`ZooKeeperServers`]: whatever
//! state it is in, dropping the value kills it, waits for it and removes its data.

mod backup;
mod certificates;
mod complaint;
#[cfg(feature = "etcd")]
mod password;
mod zookeeper;

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub use certificates::{Authority, Certificate, KeyForm};
pub use complaint::assert_complains;
pub use zookeeper::ZooKeeperServers;

/// Names the etcd binary when it is not the `etcd` of the search path.
const BINARY_VARIABLE: &str = "HERDSMAN_TEST_ETCD";
/// How clients speak to a server that has no certificate.
const PLAIN: &str = "http";
const LONGEST_START: Duration = Duration::from_secs(60);
/// How often ports are chosen anew when somebody else was faster to take them.
const PORT_ATTEMPTS: usize = 5;

/// One etcd cluster of one or more members, numbered from zero.
#[derive(Debug)]
pub struct EtcdServers {
    members: Vec<Member>,
    cluster: String,
    arguments: Vec<String>,
    scheme: &'static str,
    folder: TempDir,
}

#[derive(Debug)]
struct Member {
    name: String,
    client: SocketAddr,
    peer: SocketAddr,
    /// Where it tells its health to everybody.
    health: SocketAddr,
    process: Process,
}

/// A server's process, if it is not killed.
#[derive(Debug, Default)]
struct Process(Option<Child>);

/// Why a server did not come up.
enum StartFailure {
    PortTaken,
    Other(String),
}

impl EtcdServers {
    /// Starts a single server and waits until it answers.
    ///
    /// # Panics
    /// When it does not come up, also when there is no etcd on this machine.
    #[must_use]
    pub fn single() -> Self {
        Self::start(1, &[], PLAIN)
    }

    /// Starts a cluster of three members and waits until all answer.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn cluster_of_three() -> Self {
        Self::start(3, &[], PLAIN)
    }

    /// Starts a single server with further arguments.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn single_with(arguments: &[&str]) -> Self {
        Self::start(1, arguments, PLAIN)
    }

    /// Starts servers, one or three, that clients speak to in TLS, with this certificate, and with
    /// further arguments. Given an authority they demand a certificate of it from their clients.
    ///
    /// # Panics
    /// When they do not come up.
    #[must_use]
    pub fn encrypted(
        count: usize,
        certificate: &Certificate,
        of_clients: Option<&Authority>,
        arguments: &[&str],
    ) -> Self {
        let path = |path: &Path| path.display().to_string();
        let mut all = vec![
            format!("--cert-file={}", path(&certificate.certificate)),
            format!("--key-file={}", path(&certificate.key)),
        ];
        if let Some(authority) = of_clients {
            all.push("--client-cert-auth=true".to_owned());
            all.push(format!(
                "--trusted-ca-file={}",
                path(&authority.certificate())
            ));
        }
        let all: Vec<&str> = (all.iter().map(String::as_str))
            .chain(arguments.iter().copied())
            .collect();
        Self::start(count, &all, "https")
    }

    fn start(count: usize, arguments: &[&str], scheme: &'static str) -> Self {
        for _ in 0..PORT_ATTEMPTS {
            let mut servers = Self::plan(count, arguments, scheme);
            match servers.start_all() {
                Ok(()) => return servers,
                Err(StartFailure::PortTaken) => {}
                Err(StartFailure::Other(problem)) => panic!("{problem}"),
            }
        }
        panic!("no free ports found for etcd in {PORT_ATTEMPTS} attempts");
    }

    fn plan(count: usize, arguments: &[&str], scheme: &'static str) -> Self {
        let ports = free_addresses(count * 3);
        let member = |(number, ports): (usize, &[SocketAddr])| Member {
            name: format!("etcd-{number}"),
            client: ports[0],
            peer: ports[1],
            health: ports[2],
            process: Process::default(),
        };
        let members: Vec<Member> = ports.chunks(3).enumerate().map(member).collect();
        let peers = members
            .iter()
            .map(|m| format!("{}=http://{}", m.name, m.peer));
        Self {
            cluster: peers.collect::<Vec<_>>().join(","),
            members,
            arguments: arguments.iter().map(|&a| a.to_owned()).collect(),
            scheme,
            folder: TempDir::new().expect("a folder for temporary files can be made"),
        }
    }

    fn start_all(&mut self) -> Result<(), StartFailure> {
        for number in 0..self.members.len() {
            self.spawn(number)?;
        }
        for number in 0..self.members.len() {
            self.wait_until_healthy(number)?;
        }
        Ok(())
    }

    /// The client addresses of all members, as URLs.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        (0..self.members.len()).map(|n| self.endpoint(n)).collect()
    }

    /// The client address of one member, as URL.
    #[must_use]
    pub fn endpoint(&self, number: usize) -> String {
        format!("{}://{}", self.scheme, self.members[number].client)
    }

    /// Where a member speaks to the others, as URL.
    #[must_use]
    pub fn peer_endpoint(&self, number: usize) -> String {
        format!("http://{}", self.members[number].peer)
    }

    /// Kills a member; its data stays. Killing it twice is no error.
    pub fn kill(&mut self, number: usize) {
        self.members[number].process.kill();
    }

    /// Kills a member and removes its data: started again it is an empty store.
    pub fn wipe(&mut self, number: usize) {
        self.kill(number);
        let data = self.folder.path().join(&self.members[number].name);
        // It is missing if the member was wiped before.
        let _ = std::fs::remove_dir_all(data);
    }

    /// Kills all members and copies their data, for [`put_back`](Self::put_back). A copy of before
    /// is replaced.
    ///
    /// # Panics
    /// When the copy cannot be made.
    pub fn back_up(&mut self) {
        for member in &mut self.members {
            member.process.kill();
            backup::make(self.folder.path(), &member.name);
        }
    }

    /// Kills all members and gives them the data that was copied.
    ///
    /// # Panics
    /// When there is no copy.
    pub fn put_back(&mut self) {
        for member in &mut self.members {
            member.process.kill();
            backup::put_back(self.folder.path(), &member.name);
        }
    }

    /// Stops a member with `SIGSTOP`: it keeps its connections and answers nothing.
    ///
    /// # Panics
    /// When the member is killed.
    pub fn stop(&self, number: usize) {
        self.members[number].process.stop();
    }

    /// Lets a stopped member go on.
    ///
    /// # Panics
    /// When the member is killed.
    pub fn cont(&self, number: usize) {
        self.members[number].process.signal(Signal::CONT);
    }

    /// Starts a killed member again on its data and its ports. Does not wait until it answers:
    /// alone it may not be able to, see [`wait_until_all_answer`](Self::wait_until_all_answer).
    ///
    /// # Panics
    /// When the process cannot be started.
    pub fn restart(&mut self, number: usize) {
        self.kill(number);
        if let Err(StartFailure::Other(problem)) = self.spawn(number) {
            panic!("{problem}");
        }
    }

    /// Waits until every member answers and sees a leader.
    ///
    /// # Panics
    /// When one does not within a minute.
    pub fn wait_until_all_answer(&mut self) {
        for number in 0..self.members.len() {
            if let Err(StartFailure::Other(problem)) = self.wait_until_healthy(number) {
                panic!("{problem}");
            }
        }
    }

    fn spawn(&mut self, number: usize) -> Result<(), StartFailure> {
        let log = self.log_path(number);
        let log = OpenOptions::new().create(true).append(true).open(log);
        let log = log.expect("the folder of temporary files is writable");
        let mut command = self.command(&self.members[number], &log);
        self.members[number].process = Process::spawn(&mut command)?;
        Ok(())
    }

    fn command(&self, member: &Member, log: &File) -> Command {
        let binary = std::env::var_os(BINARY_VARIABLE).unwrap_or_else(|| "etcd".into());
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ETCD_") {
                command.env_remove(name);
            }
        }
        if cfg!(target_arch = "aarch64") {
            // etcd 3.4 refuses other architectures than amd64 unless it is told so.
            command.env("ETCD_UNSUPPORTED_ARCH", "arm64");
        }
        let client = format!("{}://{}", self.scheme, member.client);
        let health = format!("http://{}", member.health);
        let peer = format!("http://{}", member.peer);
        let output = || log.try_clone().expect("a file can be opened twice");
        command
            .args(["--name", &member.name])
            .arg("--data-dir")
            .arg(self.folder.path().join(&member.name))
            .args(["--listen-client-urls", &client])
            .args(["--advertise-client-urls", &client])
            .args(["--listen-metrics-urls", &health])
            .args(["--listen-peer-urls", &peer])
            .args(["--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &self.cluster])
            .args(["--initial-cluster-token", &self.cluster])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(output())
            .stderr(output());
        command
    }

    fn wait_until_healthy(&mut self, number: usize) -> Result<(), StartFailure> {
        let log = self.log_path(number);
        let member = &mut self.members[number];
        let deadline = Instant::now() + LONGEST_START;
        while !is_healthy(member.health) {
            if member.process.has_exited() {
                let log = read(&log);
                return Err(if log.contains("address already in use") {
                    StartFailure::PortTaken
                } else {
                    StartFailure::Other(format!("{} has ended:\n{log}", member.name))
                });
            }
            if Instant::now() > deadline {
                let (name, log) = (&member.name, read(&log));
                let problem = format!("{name} does not answer:\n{log}");
                return Err(StartFailure::Other(problem));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log_path(&self, number: usize) -> PathBuf {
        let name = &self.members[number].name;
        self.folder.path().join(format!("{name}.log"))
    }
}

impl Process {
    fn spawn(command: &mut Command) -> Result<Self, StartFailure> {
        let child = command.spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy();
            StartFailure::Other(format!("{program} cannot be started: {error}"))
        })?;
        Ok(Self(Some(child)))
    }

    /// Kills and reaps the process. A stopped one can be killed as well.
    fn kill(&mut self) {
        if let Some(mut process) = self.0.take() {
            // It may have ended by itself, then there is nothing to kill and only to reap.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Stops the process, and returns when it has stopped.
    fn stop(&self) {
        self.signal(Signal::STOP);
        let process = self.0.as_ref().expect("the member is not killed");
        let status = format!("/proc/{}/status", process.id());
        let has_stopped = || {
            let status = read(Path::new(&status));
            status.lines().any(|line| line.starts_with("State:\tT"))
        };
        let deadline = Instant::now() + LONGEST_START;
        while !has_stopped() {
            assert!(Instant::now() < deadline, "a server does not stop");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn signal(&self, signal: Signal) {
        let process = self.0.as_ref().expect("the member is not killed");
        // The process is our child and not reaped, so its id cannot belong to another one.
        kill_process(Pid::from_child(process), signal).expect("a child can be signalled");
    }

    fn has_exited(&mut self) -> bool {
        match &mut self.0 {
            Some(process) => matches!(process.try_wait(), Ok(Some(_))),
            None => true,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Addresses that nobody listens on. All are held until all are found, so they differ.
fn free_addresses(count: usize) -> Vec<SocketAddr> {
    // Below the ports that the kernel gives to outgoing connections: one of these could otherwise
    // be given the port of a server that is down for a moment.
    let chance = RandomState::new();
    let ports = (0..2000_u32).map(|attempt| chance.hash_one(attempt) % 22_000);
    let ports = ports.filter_map(|offset| u16::try_from(10_240 + offset).ok());
    let listeners: Vec<TcpListener> = ports
        .filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
        .take(count)
        .collect();
    assert_eq!(listeners.len(), count, "ports can be found");
    let address = |l: &TcpListener| l.local_addr().expect("a bound socket has an address");
    listeners.iter().map(address).collect()
}

/// Asks the server's health page, which says whether it sees a leader.
fn is_healthy(address: SocketAddr) -> bool {
    let limit = Duration::from_secs(1);
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.contains(r#""health":"true""#))
}

fn read(path: &Path) -> String {
    let content = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&content).into_owned()
}
