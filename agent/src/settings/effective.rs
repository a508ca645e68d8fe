//! The `postgresql` section in force: defaults, over them the dynamic
//! configuration, over it the file. A pure function of both.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use herdsman_ha_core::{Rules, SynchronousMode};

use crate::yaml::Value;

use super::parameters::{dynamic_postgresql, dynamic_tree, passed_over};
use super::reader::{Findings, Section};
use super::{
    CommandOption, Overlays, Parameter, ProblemKind, ReplicaMethod, Settings, SharedPostgres,
    StandbySource, Warning, WarningKind, keys,
};

/// The keys of `postgresql` that are in force for this member, apart from
/// parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectivePostgres {
    /// The stem of the main configuration file's name (`postgresql`).
    pub config_base_name: String,
    /// A file to include instead of the original configuration.
    pub custom_conf: Option<PathBuf>,
    /// The folder of PostgreSQL's programs; the search path when absent.
    pub bin_dir: Option<PathBuf>,
    /// Other names of programs, by their usual name.
    pub bin_name: BTreeMap<String, String>,
    /// The database that the agent connects to (`postgres`).
    pub database: String,
    /// All lines of `pg_hba.conf`; the file is left alone when absent.
    pub pg_hba: Option<Vec<String>>,
    /// All lines of `pg_ident.conf`; the file is left alone when absent.
    pub pg_ident: Option<Vec<String>>,
    /// What single roles have apart.
    pub overlays: Overlays,
    /// Extra recovery settings of a standby.
    pub recovery_conf: Vec<Parameter>,
    /// Options of `pg_basebackup`.
    pub basebackup: Vec<CommandOption>,
    /// Options of `pg_rewind`.
    pub rewind: Vec<CommandOption>,
    /// Whether the agent connects through the server's Unix socket (no).
    pub use_unix_socket: bool,
    /// The same for local replication connections (no).
    pub use_unix_socket_repl: bool,
    /// How long a start may take until the server answers (60 s).
    pub pg_ctl_timeout: Duration,
    /// Whether `pg_rewind` may be used (no).
    pub use_pg_rewind: bool,
    /// Whether members get replication slots (yes). Only the dynamic
    /// configuration can say no.
    pub use_slots: bool,
    /// Whether a failed rewind may be followed by a new copy (no).
    pub remove_data_directory_on_rewind_failure: bool,
    /// Whether diverged data may be replaced by a new copy (no).
    pub remove_data_directory_on_diverged_timelines: bool,
    /// Commands to run at events, by event.
    pub callbacks: BTreeMap<String, String>,
    /// Ways to make a standby, in order; `pg_basebackup` where a way is none.
    pub replica_methods: Vec<Option<ReplicaMethod>>,
    /// A command that must end with 0 before a standby is promoted.
    pub pre_promote: Option<String>,
    /// A command to run before each stop of the server.
    pub before_stop: Option<String>,
    /// Whether a standby that misses WAL may be replaced by a new copy (no).
    pub remove_data_directory_on_missing_wal: bool,
    /// How long a stop in order may take before everything is dropped; none: 30 s. Only in
    /// synchronous mode, as in Patroni.
    pub stop_timeout: Option<Duration>,
    /// What the section `standby_cluster` says of servers and copies; none: there is no standby
    /// cluster.
    pub standby_source: Option<StandbySource>,
    /// What the dynamic configuration holds that is not in force.
    pub warnings: Vec<Warning>,
}

impl EffectivePostgres {
    /// Lays the file of this member over the dynamic configuration of its
    /// cluster (the whole `/config` object). A value that cannot be used is
    /// passed over with a warning: a bad edit must not stop a running cluster.
    #[must_use]
    pub fn new(settings: &Settings, dynamic: &serde_json::Value) -> Self {
        let mut findings = Findings::default();
        let whole = dynamic;
        let node = dynamic_postgresql(dynamic);
        let section = Section::at(&node, "postgresql".to_owned());
        let root = dynamic_tree(whole);
        let top = Section::at(&root, String::new());
        keys::check(&mut findings, &top, &[keys::DYNAMIC], |_, _| false);
        check_keys(&mut findings, &section);
        let use_slots = findings.optional_boolean(&section, "use_slots");
        let dynamic = SharedPostgres::read(&mut findings, &section);
        let standby_source = StandbySource::read(&mut findings, whole);
        let local = settings.postgresql.shared.clone();
        let replica_methods = replica_methods(&local, &dynamic, standby_source.as_ref());
        let no = |local: Option<bool>, dynamic: Option<bool>| local.or(dynamic).unwrap_or(false);
        Self {
            config_base_name: local
                .config_base_name
                .or(dynamic.config_base_name)
                .unwrap_or_else(|| "postgresql".to_owned()),
            custom_conf: local.custom_conf.or(dynamic.custom_conf),
            bin_dir: local.bin_dir.or(dynamic.bin_dir),
            bin_name: local.bin_name.or(dynamic.bin_name).unwrap_or_default(),
            database: local
                .database
                .or(dynamic.database)
                .unwrap_or_else(|| "postgres".to_owned()),
            pg_hba: local.pg_hba.or(dynamic.pg_hba),
            pg_ident: local.pg_ident.or(dynamic.pg_ident),
            overlays: local.overlays.or(dynamic.overlays),
            recovery_conf: recovery_conf(
                local
                    .recovery_conf
                    .or(dynamic.recovery_conf)
                    .unwrap_or_default(),
                standby_source.as_ref(),
            ),
            basebackup: local.basebackup.or(dynamic.basebackup).unwrap_or_default(),
            rewind: local.rewind.or(dynamic.rewind).unwrap_or_default(),
            use_unix_socket: no(local.use_unix_socket, dynamic.use_unix_socket),
            use_unix_socket_repl: no(local.use_unix_socket_repl, dynamic.use_unix_socket_repl),
            pg_ctl_timeout: local
                .pg_ctl_timeout
                .or(dynamic.pg_ctl_timeout)
                .unwrap_or(Duration::from_secs(60)),
            use_pg_rewind: no(local.use_pg_rewind, dynamic.use_pg_rewind),
            use_slots: use_slots.unwrap_or(true),
            remove_data_directory_on_rewind_failure: no(
                local.remove_data_directory_on_rewind_failure,
                dynamic.remove_data_directory_on_rewind_failure,
            ),
            remove_data_directory_on_diverged_timelines: no(
                local.remove_data_directory_on_diverged_timelines,
                dynamic.remove_data_directory_on_diverged_timelines,
            ),
            callbacks: local.callbacks.or(dynamic.callbacks).unwrap_or_default(),
            replica_methods,
            pre_promote: local.pre_promote.or(dynamic.pre_promote),
            before_stop: local.before_stop.or(dynamic.before_stop),
            remove_data_directory_on_missing_wal: no(
                local.remove_data_directory_on_missing_wal,
                dynamic.remove_data_directory_on_missing_wal,
            ),
            standby_source,
            stop_timeout: stop_timeout(&mut findings, whole, &top),
            warnings: passed_over(findings),
        }
    }
}

impl EffectivePostgres {
    /// Whether one of the ways to make a standby needs no running member.
    #[must_use]
    pub fn copies_without_leader(&self) -> bool {
        let mut methods = self.replica_methods.iter().flatten();
        methods.any(|method| method.no_leader)
    }
}

fn stop_timeout(
    findings: &mut Findings,
    whole: &serde_json::Value,
    top: &Section<'_>,
) -> Option<Duration> {
    let is_on = Rules::read(whole).0.synchronous_mode != SynchronousMode::Off;
    let key = ["primary_stop_timeout", "master_stop_timeout"]
        .into_iter()
        .find(|key| top.field(key).is_some())?;
    let seconds = u64::try_from(findings.optional_integer(top, key)?).ok()?;
    (is_on && seconds > 0).then(|| Duration::from_secs(seconds))
}

/// In a standby cluster the archive of its section is every member's.
fn recovery_conf(mut given: Vec<Parameter>, source: Option<&StandbySource>) -> Vec<Parameter> {
    let Some(source) = source else { return given };
    let archive = [
        ("restore_command", &source.restore_command),
        ("archive_cleanup_command", &source.archive_cleanup_command),
    ];
    for (name, value) in archive {
        if value.is_some() {
            given.retain(|parameter| parameter.name != name);
            given.push(Parameter {
                name: name.to_owned(),
                value: value.clone(),
            });
        }
    }
    given
}

/// The file's section of a method goes before that of the cluster.
fn replica_methods(
    local: &SharedPostgres,
    dynamic: &SharedPostgres,
    standby_source: Option<&StandbySource>,
) -> Vec<Option<ReplicaMethod>> {
    let listed = standby_source.and_then(|source| source.create_replica_methods.as_ref());
    let listed = listed.or(local.create_replica_methods.as_ref());
    let listed = listed.or(dynamic.create_replica_methods.as_ref());
    let method = |name: &String| {
        let sections = [&local.replica_methods, &dynamic.replica_methods];
        let found = sections.iter().find_map(|methods| methods.get(name));
        let usual = name == "basebackup";
        (!usual).then(|| found.cloned().unwrap_or_else(|| ReplicaMethod::named(name)))
    };
    let methods: Vec<_> = listed.into_iter().flatten().map(method).collect();
    if methods.is_empty() {
        return vec![None];
    }
    methods
}

/// Keys that only the file of a member may hold are named, as are those that
/// nobody takes.
fn check_keys(findings: &mut Findings, section: &Section<'_>) {
    if let Some(node) = section.node()
        && !matches!(node.value, Value::Map(_) | Value::Null)
    {
        let (expected, found) = ("a map", node.kind());
        let kind = ProblemKind::WrongType { expected, found };
        findings.problem_at(section.place(), "postgresql", kind);
    }
    for (key, field) in section.fields() {
        if ONLY_LOCAL.contains(&key) {
            findings.warn(&field, WarningKind::OnlyLocal);
        }
    }
    keys::check(
        findings,
        section,
        &[keys::SHARED_POSTGRESQL],
        |key, value| {
            let is_taken = matches!(key, "parameters" | "use_slots") || ONLY_LOCAL.contains(&key);
            is_taken || SharedPostgres::is_method_section(section, key, value)
        },
    );
}

const ONLY_LOCAL: [&str; 7] = [
    "connect_address",
    "proxy_address",
    "listen",
    "config_dir",
    "data_dir",
    "pgpass",
    "authentication",
];
