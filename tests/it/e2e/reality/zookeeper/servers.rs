//! ZooKeeper servers on ports of their own, one process each, killed with the value.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Names the class path of ZooKeeper when it is not where Debian puts it.
const CLASS_PATH_VARIABLE: &str = "HERDSMAN_TEST_ZOOKEEPER";
const DEBIAN: &str = "/etc/zookeeper/conf_example:/usr/share/java/zookeeper.jar";
/// A busy machine starts a Java runtime slowly.
const LONGEST_START: Duration = Duration::from_secs(120);

/// An ensemble, its members numbered from zero.
pub(super) struct Servers {
    members: Vec<Member>,
    _folder: TempDir,
}

struct Member {
    client: SocketAddr,
    process: Child,
}

impl Servers {
    /// As many members as wanted, once all of them serve.
    pub(super) fn start(count: usize, tick: Duration) -> Self {
        let folder = TempDir::new().unwrap();
        let ports = free_addresses(count * 3);
        let of_member: Vec<&[SocketAddr]> = ports.chunks(3).collect();
        let mut peers = String::new();
        if count > 1 {
            for (number, ports) in of_member.iter().enumerate() {
                let (id, quorum, election) = (number + 1, ports[1].port(), ports[2].port());
                peers += &format!("server.{id}=127.0.0.1:{quorum}:{election}\n");
            }
        }
        let members = of_member.iter().enumerate().map(|(number, ports)| {
            let home = folder.path().join(number.to_string());
            Member {
                client: ports[0],
                process: spawn(&home, number + 1, ports[0], tick, &peers),
            }
        });
        let servers = Self {
            members: members.collect(),
            _folder: folder,
        };
        let deadline = Instant::now() + LONGEST_START;
        for member in &servers.members {
            while mode(member.client).is_none() {
                assert!(Instant::now() < deadline, "ZooKeeper does not serve");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        servers
    }

    /// Where clients reach a member.
    pub(super) fn address(&self, number: usize) -> SocketAddr {
        self.members[number].client
    }

    /// A member that follows the leader.
    pub(super) fn follower(&self) -> usize {
        let follows = |member: &Member| mode(member.client).as_deref() == Some("follower");
        let found = self.members.iter().position(follows);
        found.expect("an ensemble has followers")
    }

    /// Sends a signal to a member's process.
    pub(super) fn signal(&self, number: usize, signal: Signal) {
        let id = i32::try_from(self.members[number].process.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for member in &mut self.members {
            // One that has ended by itself cannot be killed.
            let _ = member.process.kill();
            let _ = member.process.wait();
        }
    }
}

fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let listen = |_| TcpListener::bind("127.0.0.1:0").unwrap();
    let listeners: Vec<TcpListener> = (0..count).map(listen).collect();
    let addresses = listeners.iter().map(|it| it.local_addr().unwrap());
    addresses.collect()
}

fn spawn(home: &Path, id: usize, client: SocketAddr, tick: Duration, peers: &str) -> Child {
    fs::create_dir_all(home).unwrap();
    fs::write(home.join("myid"), format!("{id}\n")).unwrap();
    let settings = home.join("zoo.cfg");
    let text = format!(
        "tickTime={}\ninitLimit=40\nsyncLimit=20\nmaxSessionTimeout=60000\n\
         4lw.commands.whitelist=srvr\ndataDir={}\nclientPortAddress={}\nclientPort={}\n{peers}",
        tick.as_millis(),
        home.display(),
        client.ip(),
        client.port(),
    );
    fs::write(&settings, text).unwrap();
    let log = File::create(home.join("log")).unwrap();
    let class_path = std::env::var(CLASS_PATH_VARIABLE);
    Command::new("java")
        .args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .args(["-Dzookeeper.admin.enableServer=false", "-cp"])
        .arg(class_path.unwrap_or_else(|_| DEBIAN.to_owned()))
        .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
        .arg(&settings)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("java is installed")
}

/// What a server says that it is; one that does not serve says nothing.
fn mode(address: SocketAddr) -> Option<String> {
    let limit = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&address, limit).ok()?;
    stream.set_read_timeout(Some(limit)).ok()?;
    stream.write_all(b"srvr").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let mut lines = answer.lines();
    let mode = lines.find_map(|line| line.strip_prefix("Mode: "))?;
    Some(mode.to_owned())
}
