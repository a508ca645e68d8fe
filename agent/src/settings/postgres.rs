//! The PostgreSQL instance of this member: what only its own file may say.

use std::path::PathBuf;

use super::address::Hosts;
use super::reader::{Findings, Section};
use super::{
    Authentication, HostPort, Listen, Parameter, SharedPostgres, WarningKind, keys, managed,
};

/// The section `postgresql`.
#[derive(Clone, Debug, PartialEq)]
pub struct Postgres {
    /// Becomes `listen_addresses` and `port`.
    pub listen: Listen,
    /// What other members and clients connect to.
    pub connect_address: HostPort,
    /// A pooler in front of this server, published to clients.
    pub proxy_address: Option<HostPort>,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The folder of `postgresql.conf`, `pg_hba.conf` and `pg_ident.conf`;
    /// the data directory when nothing is configured.
    pub config_dir: PathBuf,
    /// The password file to write; `~/pgpass` when absent.
    pub pgpass: Option<PathBuf>,
    /// The users of the agent.
    pub authentication: Authentication,
    /// Parameters as written, in order, managed ones included. Use
    /// [`effective_parameters`](super::effective_parameters) for what the
    /// server gets.
    pub parameters: Vec<Parameter>,
    /// Keys that the dynamic configuration may hold as well. Use
    /// [`EffectivePostgres`](super::EffectivePostgres) for what is in force.
    pub shared: SharedPostgres,
}

const DEFAULT_PORT: u16 = 5432;

impl Postgres {
    pub(super) fn read(findings: &mut Findings, root: &Section<'_>) -> Option<Self> {
        let section = findings.section(root, "postgresql");
        let tables = [keys::POSTGRESQL, keys::SHARED_POSTGRESQL];
        keys::check(findings, &section, &tables, |key, value| {
            SharedPostgres::is_method_section(&section, key, value)
        });
        let listen = listen(findings, &section);
        let connect_address = connect_address(findings, &section, listen.as_ref());
        let proxy_address = section.field("proxy_address").and_then(|field| {
            HostPort::read(findings, &field, Some(DEFAULT_PORT), Hosts::Destination)
        });
        let advice = "write the path of the data directory";
        let data_dir = findings
            .required_text(&section, "data_dir", advice)
            .map(PathBuf::from);
        let config_dir = findings.optional_path(&section, "config_dir");
        let authentication = Authentication::read(findings, &section);
        let parameters = Parameter::read_map(findings, &section, "parameters").unwrap_or_default();
        managed::warn(findings, &section, "parameters", &WarningKind::OnlyDynamic);
        let mut shared = SharedPostgres::read(findings, &section);
        if section.field("authentication").is_none() {
            // In old files the user for pg_rewind is what permits it.
            shared.use_pg_rewind = Some(section.field("pg_rewind").is_some());
        }
        let data_dir = data_dir?;
        Some(Self {
            listen: listen?,
            connect_address: connect_address?,
            proxy_address,
            config_dir: config_dir.unwrap_or_else(|| data_dir.clone()),
            data_dir,
            pgpass: findings.optional_path(&section, "pgpass"),
            authentication,
            parameters,
            shared,
        })
    }
}

fn listen(findings: &mut Findings, section: &Section<'_>) -> Option<Listen> {
    let Some(field) = section.field("listen") else {
        let advice = "write where PostgreSQL listens, for example 0.0.0.0:5432";
        findings.missing(section, "listen", advice);
        return None;
    };
    Listen::read(findings, &field, DEFAULT_PORT)
}

fn connect_address(
    findings: &mut Findings,
    section: &Section<'_>,
    listen: Option<&Listen>,
) -> Option<HostPort> {
    if let Some(field) = section.field("connect_address") {
        return HostPort::read(findings, &field, Some(DEFAULT_PORT), Hosts::Destination);
    }
    let usable = listen.and_then(Listen::as_destination);
    if usable.is_none() {
        let advice = "write the host:port at which other members reach this PostgreSQL";
        findings.missing(section, "connect_address", advice);
    }
    usable
}
