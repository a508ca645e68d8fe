//! Commands of the user's that make a standby or a new cluster, in place of PostgreSQL's own
//! programs.

use crate::yaml::Value;

use super::Parameter;
use super::reader::{Findings, Section};

/// A way to make a standby by a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaMethod {
    /// Its name, as listed in `create_replica_methods`.
    pub name: String,
    /// The command line; the name when nothing is configured.
    pub command: String,
    /// Whether it gets no arguments but those of the command line (no).
    pub no_params: bool,
    /// Whether it needs no running member to copy from (no).
    pub no_leader: bool,
    /// Whether what is in the data directory stays for it to work on (no).
    pub keep_data: bool,
    /// Its own arguments, `--name=value`, in the order written.
    pub arguments: Vec<(String, String)>,
}

impl ReplicaMethod {
    /// The method whose section nobody wrote: its name is its command.
    pub(super) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            command: name.to_owned(),
            no_params: false,
            no_leader: false,
            keep_data: false,
            arguments: Vec::new(),
        }
    }

    pub(super) fn read(findings: &mut Findings, section: &Section<'_>, name: &str) -> Self {
        let mut no = |key| findings.optional_boolean(section, key).unwrap_or(false);
        let (no_params, no_leader, keep_data) = (no("no_params"), no("no_leader"), no("keep_data"));
        let command = findings.optional_text(section, "command");
        let passed = |key: &str| !matches!(key, "command" | "no_params" | "recovery_conf");
        Self {
            command: command.unwrap_or_else(|| name.to_owned()),
            no_params,
            no_leader,
            keep_data,
            arguments: arguments(findings, section, passed),
            ..Self::named(name)
        }
    }
}

/// A way to make a new cluster by a command, for example from a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapMethod {
    /// Its name.
    pub name: String,
    /// The command line.
    pub command: String,
    /// Whether it is not told the cluster's name and the data directory (no).
    pub no_params: bool,
    /// Whether it writes the recovery settings itself (no).
    pub keep_existing_recovery_conf: bool,
    /// How to recover what it has restored.
    pub recovery_conf: Vec<Parameter>,
    /// Its own arguments, `--name=value`, in the order written.
    pub arguments: Vec<(String, String)>,
}

impl BootstrapMethod {
    /// Reads the section of a method; nothing without a command.
    pub(super) fn read(findings: &mut Findings, section: &Section<'_>, name: &str) -> Option<Self> {
        let command = findings.optional_text(section, "command")?;
        let mut no = |key| findings.optional_boolean(section, key).unwrap_or(false);
        let (no_params, keep) = (no("no_params"), no("keep_existing_recovery_conf"));
        let reserved = [
            "command",
            "no_params",
            "keep_existing_recovery_conf",
            "recovery_conf",
            "scope",
            "datadir",
        ];
        Some(Self {
            name: name.to_owned(),
            command,
            no_params,
            keep_existing_recovery_conf: keep,
            recovery_conf: Parameter::read_map(findings, section, "recovery_conf")
                .unwrap_or_default(),
            arguments: arguments(findings, section, |key| !reserved.contains(&key)),
        })
    }
}

/// The keys of a section as arguments, as Python prints their values. The switches that are for us
/// as well are 1 or 0, as scripts for Patroni expect them.
fn arguments(
    findings: &mut Findings,
    section: &Section<'_>,
    is_passed: impl Fn(&str) -> bool,
) -> Vec<(String, String)> {
    let mut arguments = Vec::new();
    for (key, field) in section.fields().filter(|(key, _)| is_passed(key)) {
        let text = match &field.node.value {
            Value::Null => None,
            Value::Bool(truth) if matches!(key, "no_leader" | "keep_data") => {
                Some(u8::from(*truth).to_string())
            }
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) => {
                field.node.python_text()
            }
            Value::List(_) | Value::Map(_) => {
                findings.wrong_type(&field, "a text, a number or a boolean");
                None
            }
        };
        arguments.extend(text.map(|text| (key.to_owned(), text)));
    }
    arguments
}
