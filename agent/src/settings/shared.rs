//! Keys of `postgresql` that both the file and the dynamic configuration may
//! hold. One reader serves both, so that they cannot come to differ.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::yaml::{Node, Value};

use super::options::Program;
use super::reader::{Findings, Section};
use super::{CommandOption, Overlays, Parameter, ProblemKind, ReplicaMethod, keys};

/// What one source says about the keys that both sources may hold; `None`
/// where it is silent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SharedPostgres {
    /// The stem of the main configuration file's name.
    pub config_base_name: Option<String>,
    /// A file to include instead of the original configuration.
    pub custom_conf: Option<PathBuf>,
    /// The folder of PostgreSQL's programs.
    pub bin_dir: Option<PathBuf>,
    /// Other names of programs, by their usual name.
    pub bin_name: Option<BTreeMap<String, String>>,
    /// The database that the agent connects to.
    pub database: Option<String>,
    /// All lines of `pg_hba.conf`.
    pub pg_hba: Option<Vec<String>>,
    /// All lines of `pg_ident.conf`.
    pub pg_ident: Option<Vec<String>>,
    /// What single roles have apart.
    pub overlays: Overlays,
    /// Extra recovery settings of a standby.
    pub recovery_conf: Option<Vec<Parameter>>,
    /// Options of `pg_basebackup`.
    pub basebackup: Option<Vec<CommandOption>>,
    /// Options of `pg_rewind`.
    pub rewind: Option<Vec<CommandOption>>,
    /// Whether the agent connects through the server's Unix socket.
    pub use_unix_socket: Option<bool>,
    /// The same for local replication connections.
    pub use_unix_socket_repl: Option<bool>,
    /// How long a start may take until the server answers.
    pub pg_ctl_timeout: Option<Duration>,
    /// Whether `pg_rewind` may be used.
    pub use_pg_rewind: Option<bool>,
    /// Whether a failed rewind may be followed by a new copy.
    pub remove_data_directory_on_rewind_failure: Option<bool>,
    /// Whether diverged data may be replaced by a new copy.
    pub remove_data_directory_on_diverged_timelines: Option<bool>,
    /// Whether a standby that misses WAL may be replaced by a new copy.
    pub remove_data_directory_on_missing_wal: Option<bool>,
    /// Scripts to run at events, by event.
    pub callbacks: Option<BTreeMap<String, String>>,
    /// Ways to make a standby, in order of preference.
    pub create_replica_methods: Option<Vec<String>>,
    /// Sections of ways to make a standby by a command, by name.
    pub replica_methods: BTreeMap<String, ReplicaMethod>,
    /// A command that can veto a promotion.
    pub pre_promote: Option<String>,
    /// A command to run before a stop.
    pub before_stop: Option<String>,
}

impl SharedPostgres {
    /// Reads the section `postgresql` of either source.
    pub(super) fn read(findings: &mut Findings, section: &Section<'_>) -> Self {
        let f = findings;
        let create_replica_methods = create_replica_methods(f, section);
        let replica_methods = replica_methods(f, section);
        Self {
            config_base_name: f.optional_text(section, "config_base_name"),
            custom_conf: f.optional_path(section, "custom_conf"),
            bin_dir: f.optional_path(section, "bin_dir"),
            bin_name: names(f, section, "bin_name"),
            database: f.optional_text(section, "database"),
            pg_hba: f.optional_lines(section, "pg_hba"),
            pg_ident: f.optional_lines(section, "pg_ident"),
            overlays: Overlays::read(f, section),
            recovery_conf: Parameter::read_map(f, section, "recovery_conf"),
            basebackup: options(f, section, "basebackup", Program::Basebackup),
            rewind: options(f, section, "rewind", Program::Rewind),
            use_unix_socket: f.optional_boolean(section, "use_unix_socket"),
            use_unix_socket_repl: f.optional_boolean(section, "use_unix_socket_repl"),
            pg_ctl_timeout: timeout(f, section),
            use_pg_rewind: f.optional_boolean(section, "use_pg_rewind"),
            remove_data_directory_on_rewind_failure: f
                .optional_boolean(section, "remove_data_directory_on_rewind_failure"),
            remove_data_directory_on_diverged_timelines: f
                .optional_boolean(section, "remove_data_directory_on_diverged_timelines"),
            remove_data_directory_on_missing_wal: f
                .optional_boolean(section, "remove_data_directory_on_missing_wal"),
            callbacks: callbacks(f, section),
            create_replica_methods,
            replica_methods,
            pre_promote: f.optional_text(section, "pre_promote"),
            before_stop: f.optional_text(section, "before_stop"),
        }
    }

    /// Whether a key of `postgresql` is the section of a method to make
    /// standbys, or of one that nobody chose.
    pub(super) fn is_method_section(section: &Section<'_>, key: &str, value: &Node) -> bool {
        let is_listed = ["create_replica_methods", "create_replica_method"]
            .iter()
            .filter_map(|name| section.field(name)?.items())
            .flatten()
            .any(|item| matches!(&item.node.value, Value::Text(name) if name == key));
        is_listed || value.get("command").is_some()
    }
}

fn create_replica_methods(findings: &mut Findings, section: &Section<'_>) -> Option<Vec<String>> {
    let key = ["create_replica_methods", "create_replica_method"]
        .into_iter()
        .find(|key| section.field(key).is_some())?;
    findings.optional_lines(section, key)
}

/// Every section that is a method: those listed here, and those that have a command, which the
/// other source may list.
fn replica_methods(
    findings: &mut Findings,
    section: &Section<'_>,
) -> BTreeMap<String, ReplicaMethod> {
    let sections = section.fields().filter(|(name, field)| {
        *name != "basebackup"
            && matches!(field.node.value, Value::Map(_))
            && SharedPostgres::is_method_section(section, name, field.node)
    });
    let sections: Vec<_> = sections.collect();
    sections
        .into_iter()
        .map(|(name, field)| {
            let method = ReplicaMethod::read(findings, &field.section(), name);
            (name.to_owned(), method)
        })
        .collect()
}

fn options(
    findings: &mut Findings,
    section: &Section<'_>,
    key: &str,
    program: Program,
) -> Option<Vec<CommandOption>> {
    let field = section.field(key)?;
    Some(program.read(findings, &field))
}

fn callbacks(findings: &mut Findings, section: &Section<'_>) -> Option<BTreeMap<String, String>> {
    let callbacks = names(findings, section, "callbacks")?;
    let section = section.field("callbacks")?.section();
    keys::check_all(findings, &section, keys::CALLBACKS);
    Some(callbacks)
}

fn names(
    findings: &mut Findings,
    section: &Section<'_>,
    key: &str,
) -> Option<BTreeMap<String, String>> {
    section.field(key)?;
    let section = findings.section(section, key);
    section.node()?;
    let mut names = BTreeMap::new();
    for (name, field) in section.fields() {
        if field.node.value != Value::Null {
            let text = findings.text(&field);
            names.extend(text.map(|text| (name.to_owned(), text)));
        }
    }
    Some(names)
}

fn timeout(findings: &mut Findings, section: &Section<'_>) -> Option<Duration> {
    let seconds = findings.optional_integer(section, "pg_ctl_timeout")?;
    let timeout = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    if let (None, Some(field)) = (timeout, section.field("pg_ctl_timeout")) {
        let sentence = format!("{seconds} is not a timeout, write at least 1 second");
        findings.problem(&field, ProblemKind::Invalid(sentence));
    }
    timeout.map(Duration::from_secs)
}
