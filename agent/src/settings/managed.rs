//! The parameters that must be alike on all members, or that the agent owns.
//! They come from the dynamic configuration alone and are checked here.

use super::reader::{Findings, Section};
use super::{WarningKind, scalar};

/// A managed parameter.
pub(super) struct Managed {
    pub(super) name: &'static str,
    /// What is used without a valid value; `None` is filled in elsewhere.
    pub(super) default: Option<&'static str>,
    rule: Rule,
}

enum Rule {
    /// Nobody may set it: it follows from other settings.
    Never,
    WalLevel,
    /// Only "on" is accepted.
    AlwaysOn,
    Boolean,
    AtLeast(i64),
    MegabytesAtLeast(i64),
}

const fn managed(name: &'static str, default: Option<&'static str>, rule: Rule) -> Managed {
    Managed {
        name,
        default,
        rule,
    }
}

/// In the order of the server's command line.
pub(super) static MANAGED: [Managed; 15] = [
    managed("listen_addresses", None, Rule::Never),
    managed("port", None, Rule::Never),
    managed("cluster_name", None, Rule::Never),
    managed("wal_level", Some("replica"), Rule::WalLevel),
    managed("hot_standby", Some("on"), Rule::AlwaysOn),
    managed("max_connections", Some("100"), Rule::AtLeast(25)),
    managed("max_wal_senders", Some("10"), Rule::AtLeast(3)),
    managed("max_prepared_transactions", Some("0"), Rule::AtLeast(0)),
    managed("max_locks_per_transaction", Some("64"), Rule::AtLeast(32)),
    managed("track_commit_timestamp", Some("off"), Rule::Boolean),
    managed("max_replication_slots", Some("10"), Rule::AtLeast(4)),
    managed("max_worker_processes", Some("8"), Rule::AtLeast(2)),
    managed("wal_log_hints", Some("on"), Rule::Boolean),
    managed("wal_keep_segments", None, Rule::AtLeast(1)),
    managed("wal_keep_size", None, Rule::MegabytesAtLeast(16)),
];

/// Finds a parameter by its name in lower case.
pub(super) fn find(name: &str) -> Option<&'static Managed> {
    MANAGED.iter().find(|managed| managed.name == name)
}

/// Warns of each managed parameter in a map of parameters.
pub(super) fn warn(findings: &mut Findings, section: &Section<'_>, key: &str, kind: &WarningKind) {
    let Some(parameters) = section.field(key) else {
        return;
    };
    for (name, field) in parameters.section().fields() {
        if find(&name.to_ascii_lowercase()).is_some() {
            findings.warn(&field, kind.clone());
        }
    }
}

impl Managed {
    /// Whether no configuration may set it.
    pub(super) fn is_derived(&self) -> bool {
        matches!(self.rule, Rule::Never)
    }

    /// The text to use for a value, or `None` when the value is not accepted.
    pub(super) fn accept(&self, value: &str) -> Option<String> {
        match self.rule {
            Rule::Never => None,
            Rule::WalLevel => match value.to_ascii_lowercase().as_str() {
                "hot_standby" | "replica" => Some("replica".to_owned()),
                "logical" => Some("logical".to_owned()),
                _ => None,
            },
            Rule::AlwaysOn => (scalar::boolean(value)?).then(|| "on".to_owned()),
            Rule::Boolean => {
                let truth = scalar::boolean(value)?;
                Some(if truth { "on" } else { "off" }.to_owned())
            }
            Rule::AtLeast(minimum) => {
                let number = scalar::integer(value)?;
                (number >= minimum).then(|| number.to_string())
            }
            Rule::MegabytesAtLeast(minimum) => {
                let megabytes = scalar::megabytes(value)?;
                (megabytes >= minimum).then(|| value.trim().to_owned())
            }
        }
    }

    /// What a value must be, for a message.
    pub(super) fn expectation(&self) -> String {
        match self.rule {
            Rule::Never => "it follows from the settings of each member".to_owned(),
            Rule::WalLevel => "it must be replica or logical".to_owned(),
            Rule::AlwaysOn => "it must be on".to_owned(),
            Rule::Boolean => "it must be on or off".to_owned(),
            Rule::AtLeast(minimum) => format!("it must be at least {minimum}"),
            Rule::MegabytesAtLeast(minimum) => format!("it must be at least {minimum}MB"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_accepted_from_the_minimum_on() {
        let table = [
            ("max_connections", "24", None),
            ("max_connections", "25", Some("25")),
            ("max_wal_senders", "2", None),
            ("max_wal_senders", "3", Some("3")),
            ("wal_keep_segments", "0", None),
            ("wal_keep_segments", "1", Some("1")),
            ("wal_keep_size", "15", None),
            ("wal_keep_size", "16", Some("16")),
            ("wal_keep_size", "1GB", Some("1GB")),
            ("wal_keep_size", "16 pages", None),
            ("max_prepared_transactions", "-1", None),
            ("max_prepared_transactions", "0", Some("0")),
            ("max_locks_per_transaction", "31", None),
            ("max_locks_per_transaction", "32", Some("32")),
            ("max_replication_slots", "3", None),
            ("max_replication_slots", "4", Some("4")),
            ("max_worker_processes", "1", None),
            ("max_worker_processes", "2", Some("2")),
            ("max_worker_processes", "many", None),
            ("wal_level", "HOT_STANDBY", Some("replica")),
            ("wal_level", "Logical", Some("logical")),
            ("wal_level", "minimal", None),
            ("hot_standby", "yes", Some("on")),
            ("hot_standby", "off", None),
            ("track_commit_timestamp", "True", Some("on")),
            ("track_commit_timestamp", "maybe", None),
            ("wal_log_hints", "off", Some("off")),
            ("port", "5433", None),
            ("listen_addresses", "*", None),
            ("cluster_name", "x", None),
        ];
        for (name, value, expected) in table {
            let managed = find(name).unwrap();
            assert_eq!(managed.accept(value).as_deref(), expected, "{name}={value}");
        }
    }
}
