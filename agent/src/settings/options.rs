//! Options of PostgreSQL programs: `initdb`, `pg_basebackup`, `pg_rewind`.
//! Options that the agent sets itself are dropped with a warning.

use std::fmt;

use crate::yaml::Value;

use super::WarningKind;
use super::reader::{Field, Findings};

/// One long option of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOption {
    /// The name without dashes: `data-checksums`.
    pub name: String,
    /// The value, if it takes one.
    pub value: Option<String>,
}

impl CommandOption {
    /// The option as one argument: `--encoding=UTF8`.
    #[must_use]
    pub fn to_argument(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for CommandOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "--{}={value}", self.name),
            None => write!(f, "--{}", self.name),
        }
    }
}

/// A program with options of the user's.
#[derive(Clone, Copy)]
pub(super) enum Program {
    Initdb,
    Basebackup,
    Rewind,
}

impl Program {
    /// Options that the agent sets itself, or that would break it.
    fn forbidden(self) -> &'static [&'static str] {
        match self {
            Self::Initdb => &["pgdata", "nosync", "pwfile", "sync-only", "version"],
            Self::Basebackup => &[
                "pgdata",
                "format",
                "wal-method",
                "xlog-method",
                "gzip",
                "version",
                "compress",
                "dbname",
                "host",
                "port",
                "username",
                "password",
            ],
            Self::Rewind => &[
                "target-pgdata",
                "source-pgdata",
                "source-server",
                "write-recovery-conf",
                "dry-run",
                "restore-target-wal",
                "config-file",
                "no-ensure-shutdown",
                "version",
                "help",
            ],
        }
    }

    /// Reads a map of options, or a list of names and one-entry maps.
    pub(super) fn read(self, findings: &mut Findings, field: &Field<'_>) -> Vec<CommandOption> {
        let mut options = Vec::new();
        match &field.node.value {
            Value::Map(_) => {
                for (name, value) in field.section().fields() {
                    options.extend(self.option(findings, name, &value));
                }
            }
            Value::List(_) => {
                for item in field.items().unwrap_or_default() {
                    options.extend(self.item(findings, &item));
                }
            }
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) => {
                findings.wrong_type(field, "a list of options");
            }
        }
        options
    }

    fn item(self, findings: &mut Findings, item: &Field<'_>) -> Option<CommandOption> {
        if let Value::Text(name) = &item.node.value {
            return self.allowed(findings, item, name, None);
        }
        let mut entries = item.section().fields();
        match (entries.next(), entries.next()) {
            (Some((name, value)), None) => self.option(findings, name, &value),
            _ => {
                findings.wrong_type(item, "an option, or one `option: value`");
                None
            }
        }
    }

    fn option(
        self,
        findings: &mut Findings,
        name: &str,
        value: &Field<'_>,
    ) -> Option<CommandOption> {
        if value.node.value == Value::Null {
            return None;
        }
        let text = findings.text(value)?;
        (!text.is_empty()).then_some(())?;
        self.allowed(findings, value, name, Some(unquoted(&text)))
    }

    fn allowed(
        self,
        findings: &mut Findings,
        field: &Field<'_>,
        name: &str,
        value: Option<String>,
    ) -> Option<CommandOption> {
        let is_server_compression = name == "compress"
            && value
                .as_deref()
                .is_some_and(|value| value.starts_with("server-"));
        if self.forbidden().contains(&name) && !is_server_compression {
            let sentence = format!("the option {name} is set by the agent, it is left out");
            findings.warn(field, WarningKind::Adjusted(sentence));
            return None;
        }
        Some(CommandOption {
            name: name.to_owned(),
            value,
        })
    }
}

/// Takes away the quotes of a value that is wholly in quotes: no shell reads
/// these options.
fn unquoted(text: &str) -> String {
    for quote in ['\'', '"'] {
        let inner = text
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner.filter(|inner| !inner.contains(quote)) {
            return inner.to_owned();
        }
    }
    text.to_owned()
}
