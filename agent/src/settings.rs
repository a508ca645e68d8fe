//! What one member is told by its configuration: a file or a folder of files
//! in the YAML that Patroni reads, with `PATRONI_*` variables on top.
//!
//! The text becomes values here and nowhere else: everything after this module
//! works with types. What the cluster shares (`ttl`, `loop_wait`, synchronous
//! mode...) is not judged here; `bootstrap.dcs` is kept as JSON for the core.
//!
//! The invariant: a key is served, named in a warning, or refused with an
//! error. Nothing that was written is dropped in silence.

mod address;
mod authentication;
mod bootstrap;
mod control;
mod effective;
mod environment;
mod error;
mod keys;
mod log;
mod managed;
mod method;
mod options;
mod overlay;
mod parameters;
mod postgres;
mod reader;
mod rest_api;
mod scalar;
mod secret;
mod shared;
mod source;
mod standby_cluster;
mod store;
mod tags;
mod warning;
mod watchdog;

use std::path::Path;
use std::sync::Arc;

pub use crate::yaml::Place;
pub use address::{HostPort, Listen};
pub use authentication::{Authentication, BasicAuth, Credentials};
pub use bootstrap::Bootstrap;
pub use control::ControlSettings;
pub use effective::EffectivePostgres;
pub use environment::is_own_variable;
pub use error::{Error, Problem, ProblemKind};
pub use log::{Log, LogLevel};
pub use method::{BootstrapMethod, ReplicaMethod};
pub use options::CommandOption;
pub use overlay::{Overlay, Overlays, ServerRole};
pub use parameters::{EffectiveParameters, Parameter, effective_parameters};
pub use postgres::Postgres;
pub use rest_api::RestApi;
pub use secret::Secret;
pub use shared::SharedPostgres;
pub use standby_cluster::StandbySource;
pub(crate) use standby_cluster::standby_cluster_problems;
pub use store::{
    AccessEntry, Etcd, EtcdDiscovery, EtcdProtocol, EtcdSection, EtcdSrv, Store, TlsFiles,
    ZooKeeper, ZooKeeperTls,
};
pub use tags::Tags;
pub use warning::{Warning, WarningKind};
pub use watchdog::{Watchdog, WatchdogMode};

use reader::{Field, Findings, Section};
use source::Source;

/// Reads a YAML text of any shape as JSON, with the rules of configuration files: it means what
/// PyYAML reads in it, and of two equal keys the later one counts. `origin` is the name that
/// messages give it.
///
/// ```
/// let value = herdsman_agent::settings::document("{pause: on, ttl: 0x1e}", "input")?;
/// assert_eq!(value.to_string(), r#"{"pause":true,"ttl":30}"#);
/// # Ok::<(), herdsman_agent::settings::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Invalid`] when it is not YAML, or holds a number that JSON does not know.
pub fn document(text: &str, origin: &str) -> Result<serde_json::Value, Error> {
    let invalid = |place, kind| Error::Invalid {
        problems: vec![Problem {
            place,
            path: String::new(),
            kind,
        }],
    };
    let document = crate::yaml::parse(text, &Arc::from(origin))
        .map_err(|error| invalid(error.place, ProblemKind::Syntax(error.message)))?;
    document.root.to_json().map_err(|place| {
        let sentence = "write a number that JSON knows".to_owned();
        invalid(place, ProblemKind::Invalid(sentence))
    })
}

/// The settings of one member, checked and typed.
///
/// Two values are equal when the member would behave equally; the warnings
/// are part of the comparison.
///
/// ```
/// use herdsman_agent::settings::Settings;
///
/// let text = "
/// scope: demo
/// name: n1
/// restapi: {listen: '0.0.0.0:8008', connect_address: '10.0.0.1:8008'}
/// etcd3: {hosts: '10.0.0.11:2379,10.0.0.12:2379'}
/// postgresql:
///   listen: 0.0.0.0:5432
///   connect_address: 10.0.0.1:5432
///   data_dir: /var/lib/postgresql/data
///   authentication:
///     superuser: {username: postgres, password: x}
///     replication: {username: replicator, password: y}
/// ";
/// let settings = Settings::from_text(text, "demo.yml")?;
/// assert_eq!(settings.scope, "demo");
/// assert_eq!(settings.postgresql.connect_address.to_string(), "10.0.0.1:5432");
/// # Ok::<(), herdsman_agent::settings::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The name of this member, unique in its cluster.
    pub name: String,
    /// The name of the cluster, which is also its `cluster_name`.
    pub scope: String,
    /// The first part of every key in the store, without slashes at its ends
    /// (`service` when nothing is configured).
    pub namespace: String,
    /// The HTTP interface of this member.
    pub rest_api: RestApi,
    /// Where the store is.
    pub store: Store,
    /// How a new cluster is made; a member without it never makes one.
    pub bootstrap: Option<Bootstrap>,
    /// The PostgreSQL instance.
    pub postgresql: Postgres,
    /// The hardware watchdog.
    pub watchdog: Watchdog,
    /// What this member says about itself to the others.
    pub tags: Tags,
    /// Where the log goes.
    pub log: Log,
    /// The user and password for calls to other members; those of the REST
    /// interface when `ctl.authentication` is absent.
    pub peer_authentication: Option<BasicAuth>,
    /// What was written but has no effect, or not the one expected.
    pub warnings: Vec<Warning>,
}

impl Settings {
    /// Reads one YAML text. `origin` is the name that messages give it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with every problem of the text.
    pub fn from_text(text: &str, origin: &str) -> Result<Self, Error> {
        Self::from_source(source::text(text, origin)?)
    }

    /// Reads a file, or every `*.yml` and `*.yaml` of a folder in the order of
    /// their names, later ones over earlier ones. The environment is ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] when the path cannot be read, [`Error::Invalid`] with
    /// every problem of the content.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        Self::from_source(source::path(path)?)
    }

    /// Reads the configuration as the daemon does at its start.
    ///
    /// With a path: the file or folder, and the `PATRONI_*` variables over it.
    /// Without: the YAML text in `PATRONI_CONFIGURATION` alone, or else what
    /// the other variables say. The environment is handed in and not touched.
    ///
    /// # Errors
    ///
    /// As [`Settings::from_file`]; a variable that cannot be understood is a
    /// problem that names the variable.
    pub fn from_path_or_env<I>(path: Option<&Path>, environment: I) -> Result<Self, Error>
    where
        I: IntoIterator<Item = (String, String)>,
    {
        Self::from_source(source::path_or_environment(path, environment)?)
    }

    fn from_source(source: Source) -> Result<Self, Error> {
        let mut findings = Findings {
            warnings: source.warnings,
            ..Findings::default()
        };
        let settings = Self::read(&mut findings, &Section::root(&source.root));
        let Findings {
            mut problems,
            mut warnings,
        } = findings;
        problems.sort_by(|a, b| a.place.order().cmp(&b.place.order()));
        warnings.sort_by(|a, b| a.place.order().cmp(&b.place.order()));
        match settings {
            Some(settings) if problems.is_empty() => Ok(Self {
                warnings,
                ..settings
            }),
            Some(_) | None => Err(Error::Invalid { problems }),
        }
    }

    fn read(findings: &mut Findings, root: &Section<'_>) -> Option<Self> {
        keys::check_all(findings, root, keys::TOP);
        let name = read_name(findings, root);
        let scope = findings.required_text(root, "scope", "write the name of the cluster");
        if let (Some(scope), Some(field)) = (&scope, root.field("scope")) {
            refuse_placeholder(findings, &field, scope);
        }
        let namespace = findings.optional_text(root, "namespace");
        let rest_api = RestApi::read(findings, root);
        let store = Store::read(findings, root);
        let bootstrap = Bootstrap::read(findings, root);
        let postgresql = Postgres::read(findings, root);
        let watchdog = Watchdog::read(findings, root);
        let tags = Tags::read(findings, root);
        let log = Log::read(findings, root);
        let ctl = findings.section(root, "ctl");
        keys::check_all(findings, &ctl, keys::CTL);
        let peer_authentication = BasicAuth::read(findings, &ctl);
        let rest_api = rest_api?;
        Some(Self {
            name: name?,
            scope: scope?,
            namespace: normal_namespace(namespace.as_deref().unwrap_or("service")),
            store: store?,
            bootstrap,
            postgresql: postgresql?,
            watchdog,
            tags,
            log,
            peer_authentication: peer_authentication.or_else(|| rest_api.authentication.clone()),
            rest_api,
            warnings: Vec::new(),
        })
    }
}

/// The name that Patroni writes where nobody may be a synchronous standby.
pub(crate) const RESERVED_NAME: &str = "__patroni_strict_sync_replica_placeholder__";

fn read_name(findings: &mut Findings, root: &Section<'_>) -> Option<String> {
    let postgresql = root.field("postgresql").map(|field| field.section());
    // Old files name the member in the section of its server.
    let old = postgresql
        .filter(|section| root.field("name").is_none() && section.field("name").is_some());
    let section = old.as_ref().unwrap_or(root);
    let advice = "write the name of this member, unique in its cluster";
    let name = findings.required_text(section, "name", advice)?;
    let field = section.field("name")?;
    if name == RESERVED_NAME {
        findings.invalid(&field, "this name is reserved, write another one");
    }
    refuse_placeholder(findings, &field, &name);
    Some(name)
}

/// Two members that both kept the `<NAME>` of an example would be one.
fn refuse_placeholder(findings: &mut Findings, field: &Field<'_>, text: &str) {
    if text.starts_with('<') && text.ends_with('>') {
        findings.invalid(
            field,
            format!("`{text}` is a placeholder, write the real name"),
        );
    }
}

/// `/service/`, `service` and `//service` are the same.
fn normal_namespace(text: &str) -> String {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    parts.join("/")
}
