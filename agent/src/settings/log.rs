//! Where the log goes and how much of it.

use std::path::PathBuf;

use super::keys;
use super::reader::{Findings, Section};

/// The section `log`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The least severe level to write.
    pub level: LogLevel,
    /// The folder of the log file; the standard error stream when absent.
    pub dir: Option<PathBuf>,
}

/// How severe a line must be to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Decisions.
    #[default]
    Info,
    /// What a human should look at soon.
    Warning,
    /// What is broken. `FATAL` and `CRITICAL` are read as this.
    Error,
}

impl Log {
    pub(super) fn read(findings: &mut Findings, root: &Section<'_>) -> Self {
        let section = findings.section(root, "log");
        keys::check_all(findings, &section, keys::LOG);
        let mut log = Self {
            level: LogLevel::default(),
            dir: findings.optional_path(&section, "dir"),
        };
        let Some(field) = section.field("level") else {
            return log;
        };
        let Some(word) = findings.text(&field) else {
            return log;
        };
        match LogLevel::from_word(&word) {
            Some(level) => log.level = level,
            None => findings.invalid(
                &field,
                format!("`{word}` is not a level, write DEBUG, INFO, WARNING or ERROR"),
            ),
        }
        log
    }
}

impl LogLevel {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_uppercase().as_str() {
            "DEBUG" => Self::Debug,
            "INFO" => Self::Info,
            "WARN" | "WARNING" => Self::Warning,
            "ERROR" | "FATAL" | "CRITICAL" => Self::Error,
            _ => return None,
        })
    }
}
