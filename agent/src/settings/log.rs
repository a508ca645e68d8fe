//! Where the log goes and how much of it.

use std::path::PathBuf;

use super::keys;
use super::reader::{Findings, Section};

/// The section `log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least severe level to write.
    pub level: LogLevel,
    /// The folder of the log file; the standard error stream when absent.
    pub dir: Option<PathBuf>,
    /// How many bytes a file may have before it is set aside (25000000); zero: any.
    pub file_size: u64,
    /// How many of those that were set aside are kept (4); zero: none is set aside.
    pub file_num: u32,
    /// The permissions of the files.
    pub mode: Option<u32>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: LogLevel::default(),
            dir: None,
            file_size: 25_000_000,
            file_num: 4,
            mode: None,
        }
    }
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
        let usual = Self::default();
        let size = findings.optional_integer(&section, "file_size");
        let count = findings.optional_integer(&section, "file_num");
        let mode = findings.optional_integer(&section, "mode");
        let mut log = Self {
            dir: findings.optional_path(&section, "dir"),
            file_size: size.map_or(usual.file_size, |size| u64::try_from(size).unwrap_or(0)),
            file_num: count.map_or(usual.file_num, |count| u32::try_from(count).unwrap_or(0)),
            mode: mode.and_then(|mode| u32::try_from(mode).ok()),
            ..usual
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
