//! The hardware watchdog. Not driven yet: `required` stays visible so that
//! the core refuses to lead instead of pretending.

use std::path::PathBuf;

use crate::yaml::Value;

use super::reader::{Field, Findings, Section};
use super::{WarningKind, keys};

/// The section `watchdog`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// Whether a watchdog is wanted.
    pub mode: WatchdogMode,
    /// Its device file.
    pub device: PathBuf,
    /// Seconds between the end of the lease and the watchdog's reset; `-1`
    /// means half of the lease.
    pub safety_margin_seconds: i64,
}

/// Whether a watchdog is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchdogMode {
    /// No.
    Off,
    /// If there is one.
    Automatic,
    /// Without one this member must not lead.
    Required,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self {
            mode: WatchdogMode::Automatic,
            device: PathBuf::from("/dev/watchdog"),
            safety_margin_seconds: 5,
        }
    }
}

impl Watchdog {
    pub(super) fn read(findings: &mut Findings, root: &Section<'_>) -> Self {
        let section = findings.section(root, "watchdog");
        keys::check_all(findings, &section, keys::WATCHDOG);
        let mut watchdog = Self::default();
        if let Some(field) = section.field("mode") {
            watchdog.mode = WatchdogMode::read(findings, &field).unwrap_or(watchdog.mode);
        }
        if let Some(device) = findings.optional_path(&section, "device") {
            watchdog.device = device;
        }
        if let Some(margin) = findings.optional_integer(&section, "safety_margin") {
            watchdog.safety_margin_seconds = margin;
        }
        watchdog
    }
}

impl WatchdogMode {
    fn read(findings: &mut Findings, field: &Field<'_>) -> Option<Self> {
        // A plain `off` is a boolean in YAML 1.1.
        if field.node.value == Value::Bool(false) {
            return Some(Self::Off);
        }
        let word = findings.text(field)?.to_ascii_lowercase();
        Some(match word.as_str() {
            "off" | "false" | "disable" | "disabled" => Self::Off,
            "auto" | "automatic" => {
                findings.warn(field, WarningKind::NotServed);
                Self::Automatic
            }
            "require" | "required" => {
                let sentence = "no watchdog is driven yet, so this member will not lead";
                findings.warn(field, WarningKind::Note(sentence.to_owned()));
                Self::Required
            }
            _ => {
                findings.invalid(
                    field,
                    format!("`{word}` is not a mode, write off, automatic or required"),
                );
                return None;
            }
        })
    }
}
