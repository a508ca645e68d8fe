//! HAProxy and PgBouncer in front of a cluster, with the configurations of `docs/balancer.md`, or
//! with those of somebody's guide.
//!
//! Only addresses are changed in what they show, so that what is documented is what is tested.
//! Invariant: both listen on the loopback interface, on ports of their own.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::cluster::{Cluster, Endpoint, free_port, get, wait_for};
use crate::program::Program;

const PAGE: &str = include_str!("../../docs/balancer.md");
/// Where Debian puts both; the search path of a user who is not root may lack it.
const SYSTEM_PROGRAMS: &str = "/usr/sbin";
/// What the page's members have as hosts, and what members have as ports.
const HOSTS: [&str; 3] = ["10.0.0.21", "10.0.0.22", "10.0.0.23"];
const SERVER_PORT: &str = ":5432 ";
const CHECK_PORT: &str = "check port 8008";

/// The block of code on the page whose first line is a comment with this title.
///
/// # Panics
/// When the page has none.
#[must_use]
pub fn documented(title: &str) -> &'static str {
    let mut blocks = PAGE.split("\n```");
    let wanted = [format!("# {title}"), format!("; {title}")];
    let found = blocks.find_map(|block| {
        let (_, code) = block.split_once('\n')?;
        wanted
            .iter()
            .any(|first| code.lines().next() == Some(first))
            .then_some(code)
    });
    found.unwrap_or_else(|| panic!("docs/balancer.md has no block that begins with `{title}`"))
}

/// A HAProxy with one of these configurations.
#[derive(Debug)]
pub struct HaProxy {
    file: PathBuf,
    /// The documented port of each listener, and the one in its place.
    ports: Vec<(u16, u16)>,
    program: Mutex<Option<Program>>,
}

impl HaProxy {
    /// Starts it for the members of the cluster, with the page's block of this title.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(cluster: &Cluster, title: &str) -> Self {
        Self::configured(cluster, title, documented(title), &HOSTS)
    }

    /// Starts it with a configuration that has the members, in the order of the cluster, by these
    /// hosts.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn configured(cluster: &Cluster, title: &str, text: &str, hosts: &[&str]) -> Self {
        let (text, ports) = on_this_machine(text, cluster, hosts);
        let name = title.replace([' ', '/', '.'], "-");
        let file = cluster.folder().join(format!("{name}.cfg"));
        std::fs::write(&file, text).expect("the cluster's folder is writable");
        let haproxy = Self {
            file,
            ports,
            program: Mutex::new(None),
        };
        haproxy.restart();
        haproxy
    }

    /// Starts it again after it was killed.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&self) {
        let program = Program::start(&system_program("haproxy"), |command| {
            command.arg("-db").arg("-f").arg(&self.file);
        });
        let mut place = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(program);
        drop(place);
        wait_for("HAProxy's statistics", || self.statistics());
    }

    /// Kills it by SIGKILL.
    pub fn kill(&self) {
        let mut place = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        // A program ends with its value.
        *place = None;
    }

    /// The port in the place of the documented one.
    ///
    /// # Panics
    /// When the configuration has no such listener.
    #[must_use]
    pub fn port(&self, documented: u16) -> u16 {
        let found = self.ports.iter().find(|(shown, _)| *shown == documented);
        found.expect("the configuration has this listener").1
    }

    /// The servers of a section that the statistics show as up; nothing when they do not answer.
    #[must_use]
    pub fn up(&self, section: &str) -> Option<BTreeSet<String>> {
        let rows = self.statistics()?;
        let up = rows.into_iter().filter(|row| row.section == section);
        Some(up.filter(|row| row.is_up).map(|row| row.server).collect())
    }

    /// Waits until the statistics show exactly these servers as up.
    ///
    /// # Panics
    /// When they do not in time.
    pub fn wait_until_up(&self, section: &str, servers: &[&str]) {
        let wanted: BTreeSet<String> = servers.iter().map(|&name| name.to_owned()).collect();
        wait_for(&format!("{section} to show {wanted:?} as up"), || {
            (self.up(section)? == wanted).then_some(())
        });
    }

    fn statistics(&self) -> Option<Vec<Row>> {
        let page = get(self.port(7000), "/;csv").ok()?;
        (page.status == 200).then(|| rows(&page.body))
    }
}

/// A server in the statistics.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    section: String,
    server: String,
    is_up: bool,
}

/// The page as it comes when `;csv` is appended to its address: the first line names the fields.
fn rows(csv: &str) -> Vec<Row> {
    let mut lines = csv.lines();
    let head = lines.next().unwrap_or_default();
    let status = head.split(',').position(|name| name == "status");
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [section, server, ..] = fields[..] else {
            return None;
        };
        let is_server = !matches!(server, "FRONTEND" | "BACKEND");
        is_server.then(|| Row {
            section: section.to_owned(),
            server: server.to_owned(),
            // `UP 1/3` is on its way down and still takes connections.
            is_up: status.is_some_and(|at| fields.get(at).is_some_and(|s| s.starts_with("UP"))),
        })
    };
    lines.filter_map(row).collect()
}

/// A PgBouncer in front of a port.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    _program: Program,
}

impl PgBouncer {
    /// Starts it with the page's block of this title, in front of `port`.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(cluster: &Cluster, title: &str, port: u16) -> Self {
        let own = free_port();
        let users = cluster.folder().join("userlist.txt");
        let Endpoint { user, password, .. } = cluster.members()[0].endpoint();
        write_secret(&users, &format!("\"{user}\" \"{password}\"\n"));
        let text = documented(title)
            .replace(
                "host=10.0.0.30 port=5000",
                &format!("host=127.0.0.1 port={port}"),
            )
            .replace("listen_addr = *", "listen_addr = 127.0.0.1")
            .replace("listen_port = 6432", &format!("listen_port = {own}"))
            .replace("/etc/pgbouncer/userlist.txt", &users.display().to_string());
        // No socket: its default folder belongs to the system's own PgBouncer.
        let text = format!("{text}unix_socket_dir =\n");
        let file = cluster.folder().join("pgbouncer.ini");
        std::fs::write(&file, text).expect("the cluster's folder is writable");
        let program = Program::start(&system_program("pgbouncer"), |command| {
            command.arg(&file);
        });
        wait_for("PgBouncer to listen", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, own)).ok()
        });
        Self {
            port: own,
            _program: program,
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

fn write_secret(path: &Path, text: &str) {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.expect("the cluster's folder is writable");
}

/// The configuration with the ports of this machine, and which port stands for which.
fn on_this_machine(text: &str, cluster: &Cluster, hosts: &[&str]) -> (String, Vec<(u16, u16)>) {
    let mut ports = Vec::new();
    let lines = text.lines().map(|line| {
        if let Some((indent, port)) = line.split_once("bind *:") {
            let shown = port.trim().parse().expect("a listener has a port");
            let own = free_port();
            ports.push((shown, own));
            return format!("{indent}bind 127.0.0.1:{own}");
        }
        for (host, member) in hosts.iter().zip(cluster.members()) {
            let host = format!("{host}{SERVER_PORT}");
            if line.contains(&host) {
                return line
                    .replace(&host, &format!("127.0.0.1:{} ", member.port()))
                    .replace(CHECK_PORT, &format!("check port {}", member.api_port()));
            }
        }
        let is_server = line.trim_start().starts_with("server ");
        assert!(!is_server, "no member for `{line}`");
        line.to_owned()
    });
    let text = lines.map(|line| line + "\n").collect();
    (text, ports)
}

fn system_program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from(SYSTEM_PROGRAMS)]);
    let mut programs = folders.map(|folder| folder.join(name));
    let found = programs.find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("there is no {name}: `cargo xtask setup` installs it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_from_the_statistics() {
        let csv = "# pxname,svname,qcur,status,weight\n\
                   primary,FRONTEND,,OPEN,\n\
                   primary,n1,0,UP,1\n\
                   primary,n2,0,DOWN,1\n\
                   replicas,n2,0,UP 1/2,1\n\
                   primary,BACKEND,0,UP,1\n";
        let row = |section: &str, server: &str, is_up| Row {
            section: section.to_owned(),
            server: server.to_owned(),
            is_up,
        };
        let expected = [
            row("primary", "n1", true),
            row("primary", "n2", false),
            row("replicas", "n2", true),
        ];
        assert_eq!(rows(csv), expected);
    }
}
