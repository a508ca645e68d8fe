//! How to reach etcd: the sections `etcd3` and `etcd`.

use super::super::address::Hosts;
use super::super::reader::{Field, Findings, Section};
use super::super::{HostPort, Secret, WarningKind, keys};
use super::list::{default_port, from_comma_text, with_text};
use super::tls::TlsFiles;

/// How to reach etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etcd {
    /// The section that it was read from.
    pub section: EtcdSection,
    /// The servers to try, in the order written; at least one, unless DNS tells them.
    pub hosts: Vec<HostPort>,
    /// Where DNS tells the servers, which then come before the ones above.
    pub srv: Option<EtcdSrv>,
    /// Whether connections are encrypted.
    pub protocol: EtcdProtocol,
    /// The files that certificates are in. They have no effect without encryption.
    pub tls: TlsFiles,
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

impl EtcdSection {
    const fn name(self) -> &'static str {
        match self {
            Self::Etcd3 => "etcd3",
            Self::Etcd => "etcd",
        }
    }
}

/// Which etcd servers may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtcdDiscovery {
    /// The listed ones, and those that they name as members.
    Members,
    /// Only the listed ones (`use_proxies`).
    ListedOnly,
}

/// Records of DNS that tell the servers (`srv`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdSrv {
    /// The domain that has the records.
    pub domain: String,
    /// What is put behind the names of the services, after a hyphen (`srv_suffix`).
    pub suffix: Option<String>,
}

/// How etcd is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EtcdProtocol {
    /// Without encryption.
    #[default]
    Http,
    /// In TLS.
    Https,
}

impl EtcdProtocol {
    /// As the begin of a URL, and in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

const DEFAULT_PORT: u16 = 2379;

impl Etcd {
    /// Reads the section of this name, which is there.
    pub(super) fn read(
        findings: &mut Findings,
        root: &Section<'_>,
        field: &Field<'_>,
        section: EtcdSection,
    ) -> Option<Self> {
        if section == EtcdSection::Etcd {
            let sentence = "is read through version 3 of etcd's interface; a Patroni member with \
                            this section uses version 2 and other keys, so change the whole \
                            cluster to etcd3 before members are mixed";
            findings.warn(field, WarningKind::Note(sentence.to_owned()));
        }
        let content = findings.section(root, section.name());
        content.node()?;
        Self::read_section(findings, &content, section)
    }

    fn read_section(
        findings: &mut Findings,
        section: &Section<'_>,
        name: EtcdSection,
    ) -> Option<Self> {
        keys::check_all(findings, section, keys::ETCD);
        let mut protocol = section
            .field("protocol")
            .and_then(|field| protocol(findings, &field))
            .unwrap_or_default();
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
        let srv = srv(findings, section);
        let hosts = if let Some(field) = proxy.or_else(|| section.field("url")) {
            let url = Url::read(findings, &field)?;
            protocol = url.protocol;
            username = url.username.or(username);
            password = url.password.or(password);
            vec![url.address]
        } else if srv.is_none() || has_hosts(section) {
            hosts(findings, section)?
        } else {
            Vec::new()
        };
        let tls = TlsFiles::read(findings, section);
        // The records say which servers are spoken to in TLS.
        if protocol == EtcdProtocol::Http && srv.is_none() {
            tls.warn_of_no_effect(findings, section, "protocol is http: write https");
        }
        Some(Self {
            section: name,
            hosts,
            srv,
            protocol,
            tls,
            username,
            password,
            discovery,
        })
    }
}

fn protocol(findings: &mut Findings, field: &Field<'_>) -> Option<EtcdProtocol> {
    let text = findings.text(field)?;
    match text.as_str() {
        "http" => Some(EtcdProtocol::Http),
        "https" => Some(EtcdProtocol::Https),
        _ => {
            let sentence = format!("`{text}` is not a protocol, write http or https");
            findings.invalid(field, sentence);
            None
        }
    }
}

/// The key and its older names.
const SRV: [&str; 3] = ["srv", "discovery_srv", "srv_domain"];

fn srv(findings: &mut Findings, section: &Section<'_>) -> Option<EtcdSrv> {
    let suffix = findings.optional_text(section, "srv_suffix");
    let domains = SRV.map(|key| findings.optional_text(section, key));
    let domain = domains
        .into_iter()
        .flatten()
        .find(|domain| !domain.is_empty())?;
    Some(EtcdSrv { domain, suffix })
}

fn has_hosts(section: &Section<'_>) -> bool {
    section
        .field("hosts")
        .or_else(|| section.field("host"))
        .is_some()
}

fn hosts(findings: &mut Findings, section: &Section<'_>) -> Option<Vec<HostPort>> {
    let port = default_port(findings, section, DEFAULT_PORT)?;
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
        let advice = "write host:port of each etcd server, or srv: the domain whose DNS tells them";
        findings.missing(section, "hosts", advice);
    }
    (findings.problems.len() == problems).then_some(hosts)
}

/// What an etcd URL says. Its text may hold a password, so it is never shown.
struct Url {
    protocol: EtcdProtocol,
    address: HostPort,
    username: Option<String>,
    password: Option<Secret>,
}

impl Url {
    fn read(findings: &mut Findings, field: &Field<'_>) -> Option<Self> {
        let text = findings.text(field)?;
        let Some((scheme, rest)) = text.split_once("://") else {
            findings.invalid(field, "this is not a URL, write http://host:port");
            return None;
        };
        let problems = findings.problems.len();
        let scheme = with_text(field, &scheme.to_ascii_lowercase());
        let protocol = protocol(findings, &scheme.field()).unwrap_or_default();
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
            protocol,
            address,
            username,
            password: password.map(Secret::new),
        })
    }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
