//! Where the store is. etcd is served; a configuration that names only another
//! store is refused, because running without the cluster's store is no choice.

use crate::yaml::{Node, Value};

use super::address::Hosts;
use super::reader::{Field, Findings, Section};
use super::{HostPort, ProblemKind, Secret, WarningKind, keys};

/// How to reach etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etcd {
    /// The section that it was read from.
    pub section: EtcdSection,
    /// The servers to try, at least one, in the order written.
    pub hosts: Vec<HostPort>,
    /// The user, when etcd asks for one.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// Whether other servers may be learned from the ones above.
    pub discovery: EtcdDiscovery,
}

/// The section of the file that named the etcd servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtcdSection {
    /// `etcd3`.
    Etcd3,
    /// `etcd`, which in Patroni means the version 2 interface of etcd. It is
    /// read like `etcd3`, with a warning.
    Etcd,
}

/// Which etcd servers may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtcdDiscovery {
    /// The listed ones, and those that they name as members.
    Members,
    /// Only the listed ones (`use_proxies`).
    ListedOnly,
}

/// The sections that name a store, in the order in which Patroni takes the
/// first that is present.
const STORES: [&str; 7] = [
    "consul",
    "etcd",
    "etcd3",
    "exhibitor",
    "kubernetes",
    "raft",
    "zookeeper",
];

const DEFAULT_PORT: u16 = 2379;

impl Etcd {
    pub(super) fn read(findings: &mut Findings, root: &Section<'_>) -> Option<Self> {
        let mut present = STORES
            .iter()
            .filter_map(|name| Some((*name, root.field(name)?)));
        let Some((name, field)) = present.next() else {
            let advice = "there is no section for a store; write the etcd servers, \
                          for example etcd3: {hosts: \"10.0.0.1:2379,10.0.0.2:2379\"}";
            findings.missing(root, "etcd3", advice);
            return None;
        };
        for (_, other) in present {
            let sentence = format!("has no effect beside {name}");
            findings.warn(&other, WarningKind::Note(sentence));
        }
        let section = match name {
            "etcd" => EtcdSection::Etcd,
            "etcd3" => EtcdSection::Etcd3,
            _ => {
                findings.problem(&field, ProblemKind::NotServed(not_served(name)));
                return None;
            }
        };
        if section == EtcdSection::Etcd {
            let sentence = "is read through version 3 of etcd's interface; a Patroni member with \
                            this section uses version 2 and other keys, so change the whole \
                            cluster to etcd3 before members are mixed";
            findings.warn(&field, WarningKind::Note(sentence.to_owned()));
        }
        let content = findings.section(root, name);
        content.node()?;
        Self::read_section(findings, &content, section)
    }

    fn read_section(
        findings: &mut Findings,
        section: &Section<'_>,
        name: EtcdSection,
    ) -> Option<Self> {
        keys::check_all(findings, section, keys::ETCD);
        if let Some(field) = section.field("protocol") {
            check_protocol(findings, &field);
        }
        let mut discovery = match findings.optional_boolean(section, "use_proxies") {
            Some(true) => EtcdDiscovery::ListedOnly,
            Some(false) | None => EtcdDiscovery::Members,
        };
        let mut username = findings.optional_text(section, "username");
        let mut password = findings.optional_secret(section, "password");
        let proxy = section.field("proxy");
        if proxy.is_some() {
            discovery = EtcdDiscovery::ListedOnly;
        }
        let hosts = if let Some(field) = proxy.or_else(|| section.field("url")) {
            let url = Url::read(findings, &field)?;
            username = url.username.or(username);
            password = url.password.or(password);
            vec![url.address]
        } else {
            hosts(findings, section)?
        };
        Some(Self {
            section: name,
            hosts,
            username,
            password,
            discovery,
        })
    }
}

pub(super) fn not_served(store: &str) -> String {
    let shown = match store {
        "zookeeper" => "ZooKeeper",
        "consul" => "Consul",
        "kubernetes" => "Kubernetes",
        "exhibitor" => "Exhibitor",
        _ => "Raft",
    };
    format!("{shown} is not served yet; the store must be etcd (section etcd3)")
}

fn check_protocol(findings: &mut Findings, field: &Field<'_>) {
    let Some(protocol) = findings.text(field) else {
        return;
    };
    match protocol.as_str() {
        "http" => {}
        "https" => {
            let sentence = "TLS to etcd is not served yet; use http, or keep this member on \
                            Patroni until it is";
            findings.problem(field, ProblemKind::NotServed(sentence.to_owned()));
        }
        _ => findings.invalid(field, format!("`{protocol}` is not a protocol, write http")),
    }
}

fn hosts(findings: &mut Findings, section: &Section<'_>) -> Option<Vec<HostPort>> {
    let port = default_port(findings, section)?;
    let problems = findings.problems.len();
    let mut hosts = Vec::new();
    if let Some(field) = section.field("hosts") {
        match field.items() {
            Some(items) => {
                for item in items {
                    hosts.extend(HostPort::read(
                        findings,
                        &item,
                        Some(port),
                        Hosts::Destination,
                    ));
                }
            }
            None => hosts = from_comma_text(findings, &field, port),
        }
        if hosts.is_empty() && findings.problems.len() == problems {
            findings.invalid(
                &field,
                "the list is empty, write host:port of each etcd server",
            );
        }
    } else if let Some(field) = section.field("host") {
        hosts.extend(HostPort::read(
            findings,
            &field,
            Some(port),
            Hosts::Destination,
        ));
    } else {
        let advice = "write host:port of each etcd server (discovery by DNS is not served yet)";
        findings.missing(section, "hosts", advice);
    }
    (findings.problems.len() == problems).then_some(hosts)
}

fn from_comma_text(findings: &mut Findings, field: &Field<'_>, port: u16) -> Vec<HostPort> {
    let Some(text) = findings.text(field) else {
        return Vec::new();
    };
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let mut hosts = Vec::new();
    for part in parts {
        let part = with_text(field, part);
        hosts.extend(HostPort::read(
            findings,
            &part.field(),
            Some(port),
            Hosts::Destination,
        ));
    }
    hosts
}

fn default_port(findings: &mut Findings, section: &Section<'_>) -> Option<u16> {
    let Some(field) = section.field("port") else {
        return Some(DEFAULT_PORT);
    };
    let number = findings.optional_integer(section, "port")?;
    let port = u16::try_from(number).ok().filter(|port| *port != 0);
    if port.is_none() {
        findings.invalid(&field, format!("{number} is not a port, write 1 to 65535"));
    }
    port
}

/// A part of a text, still at the place of the whole.
struct Part {
    node: Node,
    path: String,
}

fn with_text(field: &Field<'_>, text: &str) -> Part {
    Part {
        node: Node::new(Value::Text(text.to_owned()), field.node.place.clone()),
        path: field.path.clone(),
    }
}

impl Part {
    fn field(&self) -> Field<'_> {
        Field {
            node: &self.node,
            path: self.path.clone(),
        }
    }
}

/// What an etcd URL says. Its text may hold a password, so it is never shown.
struct Url {
    address: HostPort,
    username: Option<String>,
    password: Option<Secret>,
}

impl Url {
    fn read(findings: &mut Findings, field: &Field<'_>) -> Option<Self> {
        let text = findings.text(field)?;
        let Some((protocol, rest)) = text.split_once("://") else {
            findings.invalid(field, "this is not a URL, write http://host:port");
            return None;
        };
        let problems = findings.problems.len();
        let protocol = with_text(field, &protocol.to_ascii_lowercase());
        check_protocol(findings, &protocol.field());
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority),
        };
        let address = with_text(field, address);
        let mut unread = Findings::default();
        let address = HostPort::read(
            &mut unread,
            &address.field(),
            Some(DEFAULT_PORT),
            Hosts::Destination,
        );
        let Some(address) = address else {
            // What was taken for the address may be a part of the password.
            findings.invalid(
                field,
                "this is not the URL of a server, write http://host:port",
            );
            return None;
        };
        let (username, password) = match user.map(|user| user.split_once(':').unwrap_or((user, "")))
        {
            Some((username, password)) => (non_empty(username), non_empty(password)),
            None => (None, None),
        };
        (findings.problems.len() == problems).then_some(Self {
            address,
            username,
            password: password.map(Secret::new),
        })
    }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
