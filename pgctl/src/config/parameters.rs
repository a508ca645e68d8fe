//! Server parameters: which go where.
//!
//! Managed parameters are given on the command line, so that `ALTER SYSTEM`
//! cannot override them. Recovery parameters have a section of their own.
//! Whether a name or value is one PostgreSQL accepts is not judged here.

use std::collections::{BTreeMap, BTreeSet};

use super::guc::Kind;
use crate::facts::PendingRestart;
use crate::options::Config;

/// Managed parameters in the order of the command line.
const MANAGED: [&str; 13] = [
    "listen_addresses",
    "port",
    "cluster_name",
    "wal_level",
    "hot_standby",
    "max_connections",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
    "track_commit_timestamp",
    "max_replication_slots",
    "max_worker_processes",
    "wal_log_hints",
];

/// Recovery parameters of every supported version. They are settings of a
/// standby, not of the cluster.
const RECOVERY: [&str; 16] = [
    "archive_cleanup_command",
    "primary_conninfo",
    "primary_slot_name",
    "promote_trigger_file",
    "recovery_end_command",
    "recovery_min_apply_delay",
    "recovery_target",
    "recovery_target_action",
    "recovery_target_inclusive",
    "recovery_target_lsn",
    "recovery_target_name",
    "recovery_target_time",
    "recovery_target_timeline",
    "recovery_target_xid",
    "restore_command",
    "trigger_file",
];

pub(super) fn is_recovery_parameter(name: &str) -> bool {
    RECOVERY
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a user's recovery setting is ours to decide.
pub(super) fn is_target_or_upstream(name: &str) -> bool {
    let of_ours = ["primary_conninfo", "primary_slot_name"];
    name.starts_with("recovery_target") || of_ours.contains(&name)
}

/// The parameters of a configuration, sorted out. Names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// For the main file, without the recovery ones.
    pub(crate) settings: BTreeMap<String, String>,
    /// Recovery settings that were given among the others.
    pub(crate) recovery: BTreeMap<String, String>,
}

impl Parameters {
    /// All of a configuration: where to listen is not the user's to override.
    pub(crate) fn of(config: &Config) -> Self {
        let mut parameters = Self::new(&config.parameters);
        for (name, value) in &config.recovery_conf {
            let name = name.to_ascii_lowercase();
            // What stands among the other parameters goes before.
            parameters
                .recovery
                .entry(name)
                .or_insert_with(|| value.clone());
        }
        parameters.rename_trigger();
        let ours = [
            ("listen_addresses", config.listen.listen_addresses()),
            ("port", config.listen.port().to_string()),
            ("cluster_name", config.cluster_name.clone()),
        ];
        for (name, value) in ours {
            parameters.settings.insert(name.to_owned(), value);
        }
        parameters
    }

    pub(super) fn new(given: &BTreeMap<String, String>) -> Self {
        let mut settings = BTreeMap::new();
        let mut recovery = BTreeMap::new();
        for (name, value) in given {
            let name = name.to_ascii_lowercase();
            let place = if is_recovery_parameter(&name) {
                &mut recovery
            } else {
                &mut settings
            };
            place.insert(name, value.clone());
        }
        keep_segments_to_size(&mut settings);
        Self { settings, recovery }
    }

    /// Version 12 gave the file that ends recovery another name; 16 has none.
    fn rename_trigger(&mut self) {
        if let Some(file) = self.recovery.remove("trigger_file") {
            self.recovery
                .entry("promote_trigger_file".to_owned())
                .or_insert(file);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.settings.len() + self.recovery.len()
    }

    /// All names.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let names = self.settings.keys().chain(self.recovery.keys());
        names.cloned().collect()
    }

    pub(crate) fn value(&self, name: &str) -> Option<&String> {
        self.settings.get(name).or_else(|| self.recovery.get(name))
    }

    /// This parameter alone.
    pub(crate) fn only(&self, name: &str) -> Self {
        let only = |map: &BTreeMap<String, String>| {
            let found = map.get_key_value(name).into_iter();
            found
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        };
        Self {
            settings: only(&self.settings),
            recovery: only(&self.recovery),
        }
    }

    /// Managed parameters that are set, for the command line, in its order.
    pub(crate) fn managed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        MANAGED.iter().filter_map(|name| {
            let value = self.settings.get(*name)?;
            Some((*name, value.as_str()))
        })
    }
}

/// Version 13 replaced `wal_keep_segments` by a size.
fn keep_segments_to_size(settings: &mut BTreeMap<String, String>) {
    let Some(segments) = settings.remove("wal_keep_segments") else {
        return;
    };
    if let Ok(segments) = segments.trim().parse::<u64>() {
        let size = format!("{}MB", segments.saturating_mul(16));
        settings.entry("wal_keep_size".to_owned()).or_insert(size);
    }
}

/// The condition under which a row of `pg_settings` may be of interest here.
pub(crate) fn managed_names() -> String {
    let names: Vec<String> = MANAGED.iter().map(|name| format!("'{name}'")).collect();
    names.join(",")
}

/// One row of `pg_settings`.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) name: String,
    /// In the parameter's own unit.
    pub(crate) setting: String,
    /// As `SHOW` writes it.
    pub(crate) shown: String,
    pub(crate) kind: Kind,
    /// Whether the server itself waits for a restart.
    pub(crate) server_waits: bool,
    /// What the files say last, when the server waits.
    pub(crate) in_file: Option<String>,
    /// What is used when nobody says anything.
    pub(crate) built_in: Option<String>,
}

/// What a restart would change: what the server knows of, and the managed
/// parameters, whose new value the server never sees in a file because the
/// command line comes before it.
pub(crate) fn pending_restart(
    parameters: &Parameters,
    found: impl IntoIterator<Item = Found>,
) -> Vec<PendingRestart> {
    found
        .into_iter()
        // A promoted server has no use for the settings of its recovery, and its next start in
        // either role brings its own.
        .filter(|found| !is_recovery_parameter(&found.name))
        .filter_map(|found| {
            let is_managed = MANAGED.contains(&found.name.as_str()) && found.name != "hot_standby";
            let wanted = parameters
                .settings
                .get(&found.name)
                .filter(|wanted| is_managed && !found.kind.is_same(wanted, &found.setting));
            let new_value = match wanted {
                Some(wanted) => Some(wanted.clone()),
                None if found.server_waits => {
                    Some(found.in_file.or(found.built_in).unwrap_or_default())
                }
                None => None,
            }?;
            Some(PendingRestart {
                new_value: found.kind.shown(&new_value),
                name: found.name,
                old_value: found.shown,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |pair: &(&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn names_are_lowered_and_recovery_settings_kept_apart() {
        let parameters = Parameters::new(&map(&[("Work_Mem", "1MB"), ("Restore_Command", "cp")]));
        assert_eq!(parameters.settings, map(&[("work_mem", "1MB")]));
        assert_eq!(parameters.recovery, map(&[("restore_command", "cp")]));
    }

    #[test]
    fn kept_segments_become_a_size_unless_one_is_given() {
        let of = |pairs| Parameters::new(&map(pairs)).settings;
        assert_eq!(
            of(&[("wal_keep_segments", "8")]),
            map(&[("wal_keep_size", "128MB")])
        );
        assert_eq!(
            of(&[("wal_keep_segments", "8"), ("wal_keep_size", "1GB")]),
            map(&[("wal_keep_size", "1GB")])
        );
    }

    #[test]
    fn managed_parameters_have_the_order_of_the_command_line() {
        let parameters = Parameters::new(&map(&[
            ("wal_log_hints", "on"),
            ("max_connections", "50"),
            ("work_mem", "1MB"),
            ("wal_level", "replica"),
        ]));
        let managed: Vec<_> = parameters.managed().collect();
        assert_eq!(
            managed,
            [
                ("wal_level", "replica"),
                ("max_connections", "50"),
                ("wal_log_hints", "on")
            ]
        );
    }

    fn found(name: &str, setting: &str, shown: &str, kind: (&str, &str), waits: bool) -> Found {
        Found {
            name: name.to_owned(),
            setting: setting.to_owned(),
            shown: shown.to_owned(),
            kind: Kind {
                vartype: kind.0.to_owned(),
                unit: (!kind.1.is_empty()).then(|| kind.1.to_owned()),
            },
            server_waits: waits,
            in_file: None,
            built_in: Some("try".to_owned()),
        }
    }

    #[test]
    fn restart_is_pending_for_what_the_server_or_the_command_line_holds_back() {
        let parameters = Parameters::new(&map(&[
            ("max_connections", "150"),
            ("wal_level", "hot_standby"),
            ("wal_log_hints", "true"),
            ("shared_buffers", "1048576kB"),
        ]));
        let integer = ("integer", "");
        let mut buffers = found("shared_buffers", "16384", "128MB", ("integer", "8kB"), true);
        buffers.in_file = Some("1048576kB".to_owned());
        let pending = pending_restart(
            &parameters,
            [
                found("max_connections", "100", "100", integer, false),
                found("wal_level", "replica", "replica", ("enum", ""), false),
                found("wal_log_hints", "on", "on", ("bool", ""), false),
                found("port", "5432", "5432", integer, false),
                buffers,
                found("huge_pages", "on", "on", ("enum", ""), true),
                found("recovery_target", "", "", ("string", ""), true),
            ],
        );
        let seen: Vec<_> = pending
            .iter()
            .map(|p| (p.name.as_str(), p.old_value.as_str(), p.new_value.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("max_connections", "100", "150"),
                ("shared_buffers", "128MB", "1GB"),
                ("huge_pages", "on", "try")
            ]
        );
    }
}
