//! How to reach ZooKeeper: the section `zookeeper`.

use crate::yaml::Value;

use super::super::address::Hosts;
use super::super::reader::{Field, Findings, Section};
use super::super::{HostPort, ProblemKind, Secret, WarningKind, keys};
use super::list::{default_port, from_comma_text};
use super::tls::TlsFiles;

/// How to reach ZooKeeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZooKeeper {
    /// The servers, at least one.
    pub hosts: Vec<HostPort>,
    /// What connections are encrypted with, if they are (`use_ssl`).
    pub tls: Option<ZooKeeperTls>,
    /// What is proven on each connection: schemes with their credentials.
    pub auth_data: Vec<(String, Secret)>,
    /// Who may do what with the nodes that are made; everybody everything when
    /// it is empty.
    pub set_acls: Vec<AccessEntry>,
}

/// How connections to ZooKeeper are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZooKeeperTls {
    /// The files that certificates are in.
    pub files: TlsFiles,
    /// Whether the servers' certificates are looked at (`verify`).
    pub is_verified: bool,
}

/// What one principal may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessEntry {
    /// `scheme:id`, or an id of the scheme `x509`. It may hold a hash of a
    /// password.
    pub principal: Secret,
    /// `CREATE`, `READ`, `WRITE`, `DELETE`, `ADMIN`, `ALL`, in any case.
    pub permissions: Vec<String>,
}

const DEFAULT_PORT: u16 = 2181;

const PERMISSIONS: [&str; 6] = ["CREATE", "READ", "WRITE", "DELETE", "ADMIN", "ALL"];

impl ZooKeeper {
    pub(super) fn read(findings: &mut Findings, root: &Section<'_>) -> Option<Self> {
        let section = findings.section(root, "zookeeper");
        section.node()?;
        keys::check_all(findings, &section, keys::ZOOKEEPER);
        let tls = tls(findings, &section);
        let hosts = hosts(findings, &section);
        let auth_data = auth_data(findings, &section);
        let set_acls = access(findings, &section);
        Some(Self {
            hosts: hosts?,
            tls,
            auth_data,
            set_acls,
        })
    }
}

fn tls(findings: &mut Findings, section: &Section<'_>) -> Option<ZooKeeperTls> {
    let is_wanted = findings.optional_boolean(section, "use_ssl");
    let files = TlsFiles::read(findings, section);
    let is_verified = findings.optional_boolean(section, "verify").unwrap_or(true);
    if is_wanted != Some(true) {
        files.warn_of_no_effect(findings, section, "use_ssl is off: write use_ssl: true");
        return None;
    }
    if let (false, Some(field)) = (is_verified, section.field("verify")) {
        let sentence = "whoever is in the network can pretend to be the store";
        findings.warn(&field, WarningKind::Note(sentence.to_owned()));
    }
    Some(ZooKeeperTls { files, is_verified })
}

fn hosts(findings: &mut Findings, section: &Section<'_>) -> Option<Vec<HostPort>> {
    let port = default_port(findings, section, DEFAULT_PORT)?;
    let problems = findings.problems.len();
    let Some(field) = section.field("hosts") else {
        let advice = "write host:port of each ZooKeeper server";
        findings.missing(section, "hosts", advice);
        return None;
    };
    let hosts: Vec<HostPort> = match field.items() {
        Some(items) => items
            .iter()
            .filter_map(|item| HostPort::read(findings, item, Some(port), Hosts::Destination))
            .collect(),
        None => from_comma_text(findings, &field, port),
    };
    if hosts.is_empty() && findings.problems.len() == problems {
        let sentence = "the list is empty, write host:port of each ZooKeeper server";
        findings.invalid(&field, sentence);
    }
    (findings.problems.len() == problems).then_some(hosts)
}

/// The entries of a key whose value must be a map.
fn map<'a>(findings: &mut Findings, section: &Section<'a>, key: &str) -> Vec<(&'a str, Field<'a>)> {
    let Some(field) = section.field(key) else {
        return Vec::new();
    };
    if !matches!(field.node.value, Value::Map(_)) {
        findings.invalid(&field, "must be a map");
        return Vec::new();
    }
    field.section().fields().collect()
}

fn auth_data(findings: &mut Findings, section: &Section<'_>) -> Vec<(String, Secret)> {
    let entries = map(findings, section, "auth_data");
    let read = |(scheme, field): (&str, Field<'_>)| {
        let credential = findings.text(&field)?;
        Some((scheme.to_owned(), Secret::new(credential)))
    };
    entries.into_iter().filter_map(read).collect()
}

fn access(findings: &mut Findings, section: &Section<'_>) -> Vec<AccessEntry> {
    let mut entries = Vec::new();
    for (principal, field) in map(findings, section, "set_acls") {
        // The principal may hold a hash, so a problem is told at the key above it.
        let mut permissions = Vec::new();
        for item in field.items().unwrap_or_else(|| vec![field.clone()]) {
            let Value::Text(name) = &item.node.value else {
                problem(findings, section, &item);
                continue;
            };
            if PERMISSIONS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
            {
                permissions.push(name.to_ascii_uppercase());
            } else {
                problem(findings, section, &item);
            }
        }
        entries.push(AccessEntry {
            principal: Secret::new(principal),
            permissions,
        });
    }
    entries
}

fn problem(findings: &mut Findings, section: &Section<'_>, item: &Field<'_>) {
    let sentence = format!("a permission must be one of {}", PERMISSIONS.join(", "));
    let path = section.path_of("set_acls");
    findings.problem_at(&item.node.place, &path, ProblemKind::Invalid(sentence));
}
