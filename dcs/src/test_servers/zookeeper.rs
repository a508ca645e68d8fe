//! ZooKeeper servers, from Debian's package and a Java runtime.

mod words;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Authority, Certificate};
use super::{LONGEST_START, PORT_ATTEMPTS, Process, StartFailure, backup, free_addresses, read};
use words::mode;

/// Names the class path of ZooKeeper when it is not where Debian puts it.
const CLASS_PATH_VARIABLE: &str = "HERDSMAN_TEST_ZOOKEEPER";
const DEBIAN: &str = "/etc/zookeeper/conf_example:/usr/share/java/zookeeper.jar";
/// What Netty needs beside what the manifest of ZooKeeper's archive names.
const NETTY: &str = "/usr/share/java/netty-codec.jar:/usr/share/java/netty-resolver.jar";

/// One ZooKeeper ensemble of one or more members, numbered from zero.
#[derive(Debug)]
pub struct ZooKeeperServers {
    members: Vec<Member>,
    tick: Duration,
    /// Lines of the configuration that replace or follow ours.
    further: Vec<String>,
    /// The way from one member to a port of another one, where it is not the port itself.
    ways: BTreeMap<(usize, SocketAddr), SocketAddr>,
    encryption: Option<Encryption>,
    folder: TempDir,
}

/// The certificate of the servers, and who signs those of their clients.
#[derive(Debug)]
struct Encryption {
    certificate: Certificate,
    of_clients: Option<PathBuf>,
}

#[derive(Debug)]
struct Member {
    client: SocketAddr,
    /// For clients that speak TLS.
    secure: SocketAddr,
    /// For followers, and for elections.
    peers: [SocketAddr; 2],
    process: Process,
}

impl ZooKeeperServers {
    /// Starts a single server and waits until it serves.
    ///
    /// # Panics
    /// When it does not come up, also when there is no ZooKeeper or no Java on this machine.
    #[must_use]
    pub fn single() -> Self {
        Self::start(1, Duration::from_millis(500))
    }

    /// Starts an ensemble of three members with ticks of half a second and waits until all serve.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn ensemble_of_three() -> Self {
        Self::start(3, Duration::from_millis(500))
    }

    /// Starts an ensemble with ticks of this length: sessions are granted at least two of them.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(count: usize, tick: Duration) -> Self {
        Self::start_with(count, tick, &[], |_, port| port)
    }

    /// The same with further lines of configuration, and with ways between the members: `way` is
    /// asked where a member (by its number) is to connect to for a port of another one.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start_with(
        count: usize,
        tick: Duration,
        further: &[&str],
        mut way: impl FnMut(usize, SocketAddr) -> SocketAddr,
    ) -> Self {
        Self::start_planned(|| {
            let mut servers = Self::plan(count, tick);
            servers.further = further.iter().map(|&line| line.to_owned()).collect();
            servers.lay_ways(&mut way);
            servers
        })
    }

    /// Starts servers, one or three, whose clients speak to them in TLS. Given an authority they
    /// demand a certificate of it from their clients.
    ///
    /// # Panics
    /// When they do not come up.
    #[must_use]
    pub fn encrypted(
        count: usize,
        certificate: &Certificate,
        of_clients: Option<&Authority>,
    ) -> Self {
        Self::start_planned(|| {
            let mut servers = Self::plan(count, Duration::from_millis(500));
            servers.encryption = Some(Encryption {
                certificate: certificate.clone(),
                of_clients: of_clients.map(Authority::certificate),
            });
            servers
        })
    }

    /// Plans with other ports until they are free.
    fn start_planned(mut plan: impl FnMut() -> Self) -> Self {
        for _ in 0..PORT_ATTEMPTS {
            let mut servers = plan();
            match servers.start_all() {
                Ok(()) => return servers,
                Err(StartFailure::PortTaken) => {}
                Err(StartFailure::Other(problem)) => panic!("{problem}"),
            }
        }
        panic!("no free ports found for ZooKeeper in {PORT_ATTEMPTS} attempts");
    }

    fn plan(count: usize, tick: Duration) -> Self {
        let ports = free_addresses(count * 4);
        let member = |ports: &[SocketAddr]| Member {
            client: ports[0],
            peers: [ports[1], ports[2]],
            secure: ports[3],
            process: Process::default(),
        };
        Self {
            members: ports.chunks(4).map(member).collect(),
            tick,
            further: Vec::new(),
            ways: BTreeMap::new(),
            encryption: None,
            folder: TempDir::new().expect("a folder for temporary files can be made"),
        }
    }

    fn lay_ways(&mut self, way: &mut impl FnMut(usize, SocketAddr) -> SocketAddr) {
        for from in 0..self.members.len() {
            let others = (0..self.members.len()).filter(|to| *to != from);
            for port in others.flat_map(|to| self.members[to].peers) {
                self.ways.insert((from, port), way(from, port));
            }
        }
    }

    fn start_all(&mut self) -> Result<(), StartFailure> {
        for number in 0..self.members.len() {
            self.spawn(number)?;
        }
        for number in 0..self.members.len() {
            self.wait_until_serving(number)?;
        }
        Ok(())
    }

    /// The client addresses of all members, as `host:port`: those for TLS, if they are encrypted.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let address = |member: &Member| match &self.encryption {
            Some(_) => member.secure.to_string(),
            None => member.client.to_string(),
        };
        self.members.iter().map(address).collect()
    }

    /// The address of a member for clients that do not encrypt, as `host:port`.
    #[must_use]
    pub fn plain_host(&self, number: usize) -> String {
        self.members[number].client.to_string()
    }

    /// How many messages a member has received from clients; the question for it is one of them.
    /// Nothing when it does not answer.
    #[must_use]
    pub fn received(&self, number: usize) -> Option<u64> {
        words::received(self.members[number].client)
    }

    /// The timeouts of the sessions that are connected to a member, as it granted them. Nothing
    /// when it does not answer.
    #[must_use]
    pub fn timeouts(&self, number: usize) -> Option<Vec<Duration>> {
        words::timeouts(self.members[number].client)
    }

    /// The ports of a member for the other members.
    #[must_use]
    pub fn peer_ports(&self, number: usize) -> [SocketAddr; 2] {
        self.members[number].peers
    }

    /// The member that leads the ensemble, if one does.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        let leads = |mode: Option<String>| matches!(mode.as_deref(), Some("leader" | "standalone"));
        (0..self.members.len()).find(|number| leads(mode(self.members[*number].client)))
    }

    /// Kills a member; its data stays. Killing it twice is no error.
    pub fn kill(&mut self, number: usize) {
        self.members[number].process.kill();
    }

    /// Kills a member and removes its data: started again it is an empty store.
    pub fn wipe(&mut self, number: usize) {
        self.kill(number);
        // It is missing if the member was wiped before.
        let _ = fs::remove_dir_all(self.home(number));
    }

    /// Kills all members and copies their data, for [`put_back`](Self::put_back). A copy of before
    /// is replaced.
    ///
    /// # Panics
    /// When the copy cannot be made.
    pub fn back_up(&mut self) {
        for number in 0..self.members.len() {
            self.kill(number);
            backup::make(self.folder.path(), &name(number));
        }
    }

    /// Kills all members and gives them the data that was copied.
    ///
    /// # Panics
    /// When there is no copy.
    pub fn put_back(&mut self) {
        for number in 0..self.members.len() {
            self.kill(number);
            backup::put_back(self.folder.path(), &name(number));
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

    /// Starts a killed member again on its data and its ports. Does not wait until it serves.
    ///
    /// # Panics
    /// When the process cannot be started.
    pub fn restart(&mut self, number: usize) {
        self.kill(number);
        if let Err(StartFailure::Other(problem)) = self.spawn(number) {
            panic!("{problem}");
        }
    }

    /// Waits until every member serves.
    ///
    /// # Panics
    /// When one does not within a minute.
    pub fn wait_until_all_serve(&mut self) {
        for number in 0..self.members.len() {
            if let Err(StartFailure::Other(problem)) = self.wait_until_serving(number) {
                panic!("{problem}");
            }
        }
    }

    fn home(&self, number: usize) -> PathBuf {
        self.folder.path().join(name(number))
    }

    fn spawn(&mut self, number: usize) -> Result<(), StartFailure> {
        let home = self.home(number);
        let writable = "the folder of temporary files is writable";
        fs::create_dir_all(&home).expect(writable);
        fs::write(home.join("myid"), format!("{}\n", number + 1)).expect(writable);
        let settings = home.join("zoo.cfg");
        fs::write(&settings, self.settings(number)).expect(writable);
        if let Some(encryption) = &self.encryption {
            let read = |path| fs::read_to_string(path).expect("a certificate was issued");
            let Certificate { certificate, key } = &encryption.certificate;
            // ZooKeeper wants both in one file, and knows what is in it by its name.
            let identity = read(key) + &read(certificate);
            fs::write(home.join("server.pem"), identity).expect(writable);
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path(number))
            .expect(writable);
        let class_path = std::env::var(CLASS_PATH_VARIABLE);
        let class_path = class_path.unwrap_or_else(|_| format!("{DEBIAN}:{NETTY}"));
        let mut command = Command::new("java");
        command
            .args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .args(["-Dzookeeper.admin.enableServer=false", "-cp"])
            .arg(class_path)
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log);
        self.members[number].process = Process::spawn(&mut command)?;
        Ok(())
    }

    fn settings(&self, number: usize) -> String {
        let member = &self.members[number];
        let mut lines = vec![
            format!("tickTime={}", self.tick.as_millis()),
            "initLimit=20".to_owned(),
            "syncLimit=10".to_owned(),
            "maxSessionTimeout=600000".to_owned(),
            "maxClientCnxns=0".to_owned(),
            format!("4lw.commands.whitelist={}", words::WHITELIST),
            format!("dataDir={}", self.home(number).display()),
            format!("clientPortAddress={}", member.client.ip()),
            format!("clientPort={}", member.client.port()),
        ];
        if let Some(encryption) = &self.encryption {
            let secure = member.secure;
            let factory = "org.apache.zookeeper.server.NettyServerCnxnFactory";
            let identity = self.home(number).join("server.pem");
            let (wanted, authority) = match &encryption.of_clients {
                Some(authority) => ("need", authority.as_path()),
                None => ("none", identity.as_path()),
            };
            lines.extend([
                format!("serverCnxnFactory={factory}"),
                format!("secureClientPortAddress={}", secure.ip()),
                format!("secureClientPort={}", secure.port()),
                format!("ssl.keyStore.location={}", identity.display()),
                "ssl.keyStore.type=PEM".to_owned(),
                format!("ssl.trustStore.location={}", authority.display()),
                "ssl.trustStore.type=PEM".to_owned(),
                format!("ssl.clientAuth={wanted}"),
            ]);
        }
        if self.members.len() > 1 {
            for (other, member) in self.members.iter().enumerate() {
                let way = |port| *self.ways.get(&(number, port)).unwrap_or(&port);
                let [followers, elections] = member.peers.map(way);
                let (ip, id) = (followers.ip(), other + 1);
                let ports = format!("{}:{}", followers.port(), elections.port());
                lines.push(format!("server.{id}={ip}:{ports}"));
            }
        }
        lines.extend(self.further.iter().cloned());
        lines.join("\n") + "\n"
    }

    fn wait_until_serving(&mut self, number: usize) -> Result<(), StartFailure> {
        let log = self.log_path(number);
        let member = &mut self.members[number];
        let deadline = Instant::now() + LONGEST_START;
        while mode(member.client).is_none() {
            if member.process.has_exited() {
                let log = read(&log);
                return Err(if log.contains("Address already in use") {
                    StartFailure::PortTaken
                } else {
                    StartFailure::Other(format!("ZooKeeper {number} has ended:\n{log}"))
                });
            }
            if Instant::now() > deadline {
                let problem = format!("ZooKeeper {number} does not serve:\n{}", read(&log));
                return Err(StartFailure::Other(problem));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn log_path(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("zookeeper-{number}.log"))
    }
}

fn name(number: usize) -> String {
    format!("zookeeper-{number}")
}
