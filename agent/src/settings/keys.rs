//! Every key that Patroni knows, by section, and what we do with it. A key
//! that a reader serves must stand here as served, or it is named as unknown.

use crate::yaml::{Node, Value};

use super::reader::{Findings, Section};
use super::{ProblemKind, WarningKind};

/// What happens to a key.
#[derive(Clone, Copy)]
pub(super) enum Standing {
    /// A reader takes it.
    Served,
    /// Nobody takes it yet.
    NotServed,
    /// Only the dynamic configuration may hold it.
    OnlyDynamic,
    /// To go on without it would be wrong; the sentence says what to do.
    Refused(&'static str),
}

use Standing::{NotServed, OnlyDynamic, Refused, Served};

pub(super) type Keys = [(&'static str, Standing)];

const CITUS: &str =
    "Citus is not served yet, and its keys lie elsewhere in the store; remove the section";

/// What whoever only controls a cluster cannot pass over at the top of a file.
pub(super) const CONTROL: &Keys = &[("citus", Refused(CITUS))];

pub(super) const TOP: &Keys = &[
    ("name", Served),
    ("scope", Served),
    ("namespace", Served),
    ("restapi", Served),
    ("etcd3", Served),
    ("etcd", Served),
    ("zookeeper", Served),
    ("consul", Served),
    ("kubernetes", Served),
    ("exhibitor", Served),
    ("raft", Served),
    ("bootstrap", Served),
    ("postgresql", Served),
    ("watchdog", Served),
    ("tags", Served),
    ("log", Served),
    ("ctl", Served),
    ("citus", Refused(CITUS)),
    ("thread_pool_size", NotServed),
    ("thread_stack_size", NotServed),
    ("ttl", OnlyDynamic),
    ("loop_wait", OnlyDynamic),
    ("retry_timeout", OnlyDynamic),
    ("standby_cluster", OnlyDynamic),
    ("maximum_lag_on_failover", OnlyDynamic),
    ("maximum_lag_on_syncnode", OnlyDynamic),
    ("max_timelines_history", OnlyDynamic),
    ("primary_start_timeout", OnlyDynamic),
    ("master_start_timeout", OnlyDynamic),
    ("primary_stop_timeout", OnlyDynamic),
    ("master_stop_timeout", OnlyDynamic),
    ("synchronous_mode", OnlyDynamic),
    ("synchronous_mode_strict", OnlyDynamic),
    ("synchronous_node_count", OnlyDynamic),
    ("failsafe_mode", OnlyDynamic),
    ("check_timeline", OnlyDynamic),
    ("pause", OnlyDynamic),
    ("member_slots_ttl", OnlyDynamic),
    ("slots", OnlyDynamic),
    ("ignore_slots", OnlyDynamic),
];

const TLS: &str = "TLS is not served yet; remove it, or keep this member on Patroni until it is";

pub(super) const REST_API: &Keys = &[
    ("listen", Served),
    ("connect_address", Served),
    ("authentication", Served),
    ("certfile", Refused(TLS)),
    (
        "allowlist",
        Refused(
            "an allow list is not served yet, and without it everybody could change the cluster; \
             remove it and use authentication",
        ),
    ),
    ("keyfile", NotServed),
    ("keyfile_password", NotServed),
    ("cafile", NotServed),
    ("ciphers", NotServed),
    ("verify_client", NotServed),
    (
        "allowlist_include_members",
        Refused(
            "an allow list is not served yet, and without it everybody could change the cluster; \
             remove it and use authentication",
        ),
    ),
    ("http_extra_headers", NotServed),
    ("https_extra_headers", NotServed),
    ("request_queue_size", NotServed),
    ("thread_pool_size", NotServed),
    ("server_tokens", NotServed),
];

pub(super) const BASIC_AUTH: &Keys = &[("username", Served), ("password", Served)];

pub(super) const CTL: &Keys = &[
    ("authentication", Served),
    ("insecure", NotServed),
    ("cacert", NotServed),
    ("certfile", NotServed),
    ("keyfile", NotServed),
    ("keyfile_password", NotServed),
];

pub(super) const ZOOKEEPER: &Keys = &[
    ("hosts", Served),
    ("port", Served),
    ("use_ssl", Served),
    ("set_acls", Served),
    ("auth_data", Served),
    // Without use_ssl they mean nothing.
    ("cacert", Served),
    ("cert", Served),
    ("key", Served),
    ("key_password", Served),
    ("verify", Served),
];

pub(super) const ETCD: &Keys = &[
    ("host", Served),
    ("hosts", Served),
    ("url", Served),
    ("proxy", Served),
    ("port", Served),
    ("protocol", Served),
    ("username", Served),
    ("password", Served),
    ("use_proxies", Served),
    ("srv", Served),
    ("discovery_srv", Served),
    ("srv_domain", Served),
    ("srv_suffix", Served),
    ("cacert", Served),
    ("cert", Served),
    ("key", Served),
    // Patroni has no such key here, but encrypted keys are nothing that only ZooKeeper has.
    ("key_password", Served),
];

pub(super) const POSTGRESQL: &Keys = &[
    ("name", Served),
    ("listen", Served),
    ("connect_address", Served),
    ("proxy_address", Served),
    ("data_dir", Served),
    ("config_dir", Served),
    ("pgpass", Served),
    ("authentication", Served),
    ("replication", Served),
    ("superuser", Served),
    ("pg_rewind", Served),
    ("parameters", Served),
    ("use_slots", OnlyDynamic),
];

/// Keys of `postgresql` that the dynamic configuration may hold as well.
pub(super) const SHARED_POSTGRESQL: &Keys = &[
    ("config_base_name", Served),
    ("custom_conf", Served),
    ("bin_dir", Served),
    ("bin_name", Served),
    ("database", Served),
    ("pg_hba", Served),
    ("pg_ident", Served),
    ("recovery_conf", Served),
    ("basebackup", Served),
    ("use_unix_socket", Served),
    ("use_unix_socket_repl", Served),
    ("pg_ctl_timeout", Served),
    ("use_pg_rewind", Served),
    ("remove_data_directory_on_rewind_failure", Served),
    ("remove_data_directory_on_diverged_timelines", Served),
    ("remove_data_directory_on_missing_wal", Served),
    ("rewind", Served),
    ("callbacks", Served),
    ("create_replica_methods", Served),
    ("create_replica_method", Served),
    ("pre_promote", Served),
    ("before_stop", Served),
    ("krbsrvname", NotServed),
    ("parameters_primary", Served),
    ("parameters_replica", Served),
    ("parameters_standby_leader", Served),
    ("pg_hba_primary", Served),
    ("pg_hba_replica", Served),
    ("pg_hba_standby_leader", Served),
    ("pg_ident_primary", Served),
    ("pg_ident_replica", Served),
    ("pg_ident_standby_leader", Served),
];

/// Keys of the dynamic configuration.
pub(super) const DYNAMIC: &Keys = &[
    ("ttl", Served),
    ("loop_wait", Served),
    ("retry_timeout", Served),
    ("maximum_lag_on_failover", Served),
    ("maximum_lag_on_syncnode", Served),
    ("max_timelines_history", Served),
    ("check_timeline", Served),
    ("primary_start_timeout", Served),
    ("master_start_timeout", Served),
    ("primary_stop_timeout", Served),
    ("master_stop_timeout", Served),
    ("primary_race_backoff", NotServed),
    ("synchronous_mode", Served),
    ("synchronous_mode_strict", Served),
    ("synchronous_node_count", Served),
    ("failsafe_mode", Served),
    ("standby_cluster", Served),
    ("member_slots_ttl", Served),
    ("slots", Served),
    ("permanent_slots", Served),
    ("permanent_replication_slots", Served),
    ("ignore_slots", Served),
    ("postgresql", Served),
    ("pause", Served),
];

pub(super) const STANDBY_CLUSTER: &Keys = &[
    ("host", Served),
    ("port", Served),
    ("primary_slot_name", Served),
    ("create_replica_methods", Served),
    ("create_replica_method", Served),
    ("restore_command", Served),
    ("archive_cleanup_command", Served),
    ("recovery_min_apply_delay", Served),
];

pub(super) const CALLBACKS: &Keys = &[
    ("on_start", Served),
    ("on_stop", Served),
    ("on_restart", Served),
    ("on_reload", Served),
    ("on_role_change", Served),
];

pub(super) const BOOTSTRAP: &Keys = &[
    ("dcs", Served),
    ("method", Served),
    ("initdb", Served),
    ("pg_hba", Served),
    ("post_bootstrap", Served),
    ("post_init", Served),
    ("users", Served),
];

pub(super) const WATCHDOG: &Keys = &[
    ("mode", Served),
    ("device", Served),
    ("safety_margin", Served),
    ("driver", NotServed),
];

pub(super) const LOG: &Keys = &[
    ("level", Served),
    ("dir", Served),
    ("type", NotServed),
    ("traceback_level", NotServed),
    ("format", NotServed),
    ("dateformat", NotServed),
    ("static_fields", NotServed),
    ("max_queue_size", NotServed),
    ("file_num", Served),
    ("file_size", Served),
    ("mode", Served),
    ("loggers", NotServed),
    ("deduplicate_heartbeat_logs", NotServed),
];

/// Keys that examples show without the section around them.
const MISPLACED: &[(&str, &str)] = &[
    ("dcs", "bootstrap.dcs"),
    ("initdb", "bootstrap.initdb"),
    ("authentication", "postgresql.authentication"),
    ("parameters", "postgresql.parameters"),
    ("pg_hba", "postgresql.pg_hba"),
    ("hosts", "etcd3.hosts"),
    ("postgresql.tags", "tags"),
    ("postgresql.initdb", "bootstrap.initdb"),
];

/// Names every key of a section that nobody takes, and refuses those that
/// must not be passed over. Keys for which `is_known` holds are left to their
/// reader.
pub(super) fn check(
    findings: &mut Findings,
    section: &Section<'_>,
    tables: &[&Keys],
    is_known: impl Fn(&str, &Node) -> bool,
) {
    let entries = section.node().map_or(&[][..], Node::entries);
    for entry in entries {
        let place = &entry.key.place;
        let key = match &entry.key.value {
            Value::Text(key) => key.clone(),
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::List(_)
            | Value::Map(_) => entry.key.python_text().unwrap_or_default(),
        };
        let path = section.path_of(&key);
        let standing = tables
            .iter()
            .copied()
            .flatten()
            .find(|(known, _)| *known == key);
        match standing {
            Some((_, Served)) => {}
            Some((_, NotServed | Refused(_) | OnlyDynamic)) if asks_for_nothing(&entry.value) => {}
            Some((_, NotServed)) => findings.warn_at(place, &path, WarningKind::NotServed),
            Some((_, OnlyDynamic)) => findings.warn_at(place, &path, WarningKind::OnlyDynamic),
            Some((_, Refused(sentence))) => {
                findings.problem_at(place, &path, ProblemKind::NotServed((*sentence).to_owned()));
            }
            None if is_known(&key, &entry.value) => {}
            None => {
                let similar = match MISPLACED.iter().find(|(name, _)| *name == path) {
                    Some((_, home)) => Some((*home).to_owned()),
                    None => similar(&key, tables).map(|known| section.path_of(known)),
                };
                findings.warn_at(place, &path, WarningKind::Unknown { similar });
            }
        }
    }
}

/// The check for a section without keys of a free choice.
pub(super) fn check_all(findings: &mut Findings, section: &Section<'_>, table: &Keys) {
    check(findings, section, &[table], |_, _| false);
}

/// Null, `false` and what is empty ask for what happens anyway.
fn asks_for_nothing(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Integer(_) | Value::Float(_) => false,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
    }
}

/// The nearest known key, if it is near enough to be a slip.
fn similar(key: &str, tables: &[&Keys]) -> Option<&'static str> {
    let limit = if key.chars().count() < 5 { 1 } else { 2 };
    tables
        .iter()
        .copied()
        .flatten()
        .map(|(known, _)| (distance(key, known), *known))
        .min()
        .filter(|(distance, _)| *distance <= limit)
        .map(|(_, known)| known)
}

/// How many letters must be changed, added or taken away.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        assert_eq!(similar("bin_dri", &[SHARED_POSTGRESQL]), Some("bin_dir"));
        assert_eq!(similar("data_dirs", &[POSTGRESQL]), Some("data_dir"));
        assert_eq!(similar("fencing", &[TOP]), None);
        assert_eq!(similar("dcs", &[TOP]), None);
    }
}
