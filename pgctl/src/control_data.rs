//! The control file: what a cluster knows of itself while it is down.
//!
//! `pg_controldata` is right for every version but is a program to start. So
//! its answer is kept together with the bytes of the control file it was read
//! from, and asked for again only when these bytes have changed.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::lsn::Lsn;
use crate::timeline::Timeline;

/// What `pg_controldata` tells.
///
/// While the server runs, `state` and the checkpoint are current; the other
/// values are those of the last time it was started or stopped, because the
/// running server itself knows better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlData {
    /// The cluster's identifier, given by `initdb`.
    pub system_id: u64,
    /// The major version of the data directory, from its `PG_VERSION`.
    pub major_version: u32,
    /// How the server was last seen.
    pub state: ClusterState,
    /// The position of the last checkpoint's record.
    pub checkpoint: Lsn,
    /// The position from which recovery would begin.
    pub redo: Lsn,
    /// The timeline of the last checkpoint.
    pub timeline: Timeline,
    /// The timeline before it; the same one unless that checkpoint ended a recovery.
    pub previous_timeline: Timeline,
    /// A standby is consistent from here on; absent on a primary.
    pub min_recovery: Option<(Lsn, Timeline)>,
    /// It is a copy of another server that has not been replayed to where it is whole, which may
    /// need log from elsewhere.
    pub is_unfinished_copy: bool,
    /// Hint bits are logged, as `pg_rewind` needs.
    pub wal_log_hints: bool,
    /// Data pages have checksums.
    pub checksums: bool,
    /// The limits that a standby's own settings must reach, by parameter name.
    pub limits: BTreeMap<&'static str, u64>,
}

/// The state of a cluster as its control file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// Made, never started.
    StartingUp,
    /// A primary that was shut down in order.
    ShutDown,
    /// A standby that was shut down in order.
    ShutDownInRecovery,
    /// It was on its way down.
    ShuttingDown,
    /// It was recovering from a crash.
    InCrashRecovery,
    /// It was a running standby.
    InArchiveRecovery,
    /// It was a running primary.
    InProduction,
}

impl ControlData {
    /// The newest timeline that the server was on when the file was written.
    pub(crate) fn newest_timeline(&self) -> Timeline {
        let recovery = self.min_recovery.map(|(_, timeline)| timeline);
        recovery.map_or(self.timeline, |timeline| timeline.max(self.timeline))
    }
}

impl ClusterState {
    const ALL: [(u32, &'static str, Self); 7] = [
        (0, "starting up", Self::StartingUp),
        (1, "shut down", Self::ShutDown),
        (2, "shut down in recovery", Self::ShutDownInRecovery),
        (3, "shutting down", Self::ShuttingDown),
        (4, "in crash recovery", Self::InCrashRecovery),
        (5, "in archive recovery", Self::InArchiveRecovery),
        (6, "in production", Self::InProduction),
    ];

    fn of_text(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|s| s.1 == text).map(|s| s.2)
    }

    fn of_number(number: u32) -> Option<Self> {
        Self::ALL.iter().find(|s| s.0 == number).map(|s| s.2)
    }

    /// PostgreSQL's words for the state.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|s| s.2 == self)
            .map_or("unknown", |s| s.1)
    }
}

/// Parameter, and its name in the output of `pg_controldata`.
const LIMITS: [(&str, &str); 5] = [
    ("max_connections", "max_connections setting"),
    ("max_worker_processes", "max_worker_processes setting"),
    ("max_wal_senders", "max_wal_senders setting"),
    ("max_prepared_transactions", "max_prepared_xacts setting"),
    ("max_locks_per_transaction", "max_locks_per_xact setting"),
];

/// Reads the output of `pg_controldata`, written with `LC_ALL=C`.
pub(crate) fn parse(output: &str, major_version: u32) -> Result<ControlData> {
    let fields: BTreeMap<&str, &str> = output
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let reader = Reader { fields: &fields };
    let state_text = reader.text("Database cluster state")?;
    let min_recovery: Lsn = reader.value("Minimum recovery ending location")?;
    let min_recovery_timeline = reader.value("Min recovery ending loc's timeline")?;
    Ok(ControlData {
        system_id: reader.value("Database system identifier")?,
        major_version,
        state: ClusterState::of_text(state_text)
            .ok_or_else(|| unexpected(format!("database cluster state {state_text:?}")))?,
        checkpoint: reader.value("Latest checkpoint location")?,
        redo: reader.value("Latest checkpoint's REDO location")?,
        timeline: reader.value("Latest checkpoint's TimeLineID")?,
        previous_timeline: reader.value("Latest checkpoint's PrevTimeLineID")?,
        min_recovery: (min_recovery != Lsn::INVALID)
            .then_some((min_recovery, min_recovery_timeline)),
        is_unfinished_copy: reader.value::<Lsn>("Backup start location")? != Lsn::INVALID
            || reader.value::<Lsn>("Backup end location")? != Lsn::INVALID
            || reader.text("End-of-backup record required")? == "yes",
        wal_log_hints: reader.text("wal_log_hints setting")? == "on",
        checksums: reader.text("Data page checksum version")? != "0",
        limits: LIMITS
            .iter()
            .map(|(parameter, field)| Ok((*parameter, reader.value(field)?)))
            .collect::<Result<_>>()?,
    })
}

struct Reader<'a> {
    fields: &'a BTreeMap<&'a str, &'a str>,
}

impl<'a> Reader<'a> {
    fn text(&self, name: &str) -> Result<&'a str> {
        self.fields
            .get(name)
            .copied()
            .ok_or_else(|| unexpected(format!("no line {name:?}")))
    }

    fn value<T: std::str::FromStr>(&self, name: &str) -> Result<T> {
        let text = self.text(name)?;
        text.parse()
            .map_err(|_| unexpected(format!("{name} {text:?}")))
    }
}

fn unexpected(found: String) -> Error {
    Error::Unexpected {
        what: "output of pg_controldata",
        found,
    }
}

/// The leading fields of the control file. Their places are the same in every
/// version this crate works with (control versions 1300 and 1800), on a
/// little-endian machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leading {
    pub(crate) system_id: u64,
    pub(crate) state: ClusterState,
    checkpoint: Lsn,
    redo: Lsn,
    timeline: Timeline,
    previous_timeline: Timeline,
}

impl Leading {
    const KNOWN_VERSIONS: [u32; 2] = [1300, 1800];

    /// `None` for a layout we do not know.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        if cfg!(target_endian = "big") || !Self::KNOWN_VERSIONS.contains(&u32_at(8)?) {
            return None;
        }
        Some(Self {
            system_id: u64_at(0)?,
            state: ClusterState::of_number(u32_at(16)?)?,
            checkpoint: Lsn(u64_at(32)?),
            redo: Lsn(u64_at(40)?),
            timeline: Timeline(u32_at(48)?),
            previous_timeline: Timeline(u32_at(52)?),
        })
    }

    /// Brings the leading fields of an earlier answer up to date.
    pub(crate) fn refresh(self, data: &ControlData) -> ControlData {
        ControlData {
            system_id: self.system_id,
            state: self.state,
            checkpoint: self.checkpoint,
            redo: self.redo,
            timeline: self.timeline,
            previous_timeline: self.previous_timeline,
            ..data.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
pg_control version number:            1300
Catalog version number:               202209061
Database system identifier:           7300000000000000001
Database cluster state:               shut down in recovery
pg_control last modified:             Thu Jan  1 00:00:00 2026
Latest checkpoint location:           0/5000060
Latest checkpoint's REDO location:    0/5000028
Latest checkpoint's REDO WAL file:    000000020000000000000005
Latest checkpoint's TimeLineID:       2
Latest checkpoint's PrevTimeLineID:   1
Minimum recovery ending location:     0/50000D8
Min recovery ending loc's timeline:   2
Backup start location:                0/0
Backup end location:                  0/0
End-of-backup record required:        no
wal_log_hints setting:                on
max_connections setting:              120
max_worker_processes setting:         8
max_wal_senders setting:              10
max_prepared_xacts setting:           0
max_locks_per_xact setting:           64
Data page checksum version:           1
";

    #[test]
    fn every_fact_is_read() {
        let data = parse(OUTPUT, 15).unwrap();
        assert_eq!(data.system_id, 7_300_000_000_000_000_001);
        assert_eq!(data.state, ClusterState::ShutDownInRecovery);
        assert_eq!(data.state.as_str(), "shut down in recovery");
        assert_eq!(
            (data.checkpoint, data.redo),
            (Lsn(0x5000060), Lsn(0x5000028))
        );
        assert_eq!(
            (data.timeline, data.previous_timeline),
            (Timeline(2), Timeline(1))
        );
        assert_eq!(data.min_recovery, Some((Lsn(0x50000D8), Timeline(2))));
        assert!(data.wal_log_hints && data.checksums);
        assert_eq!(data.limits["max_connections"], 120);
        assert_eq!(data.limits["max_prepared_transactions"], 0);
    }

    #[test]
    fn a_copy_that_waits_for_the_end_of_its_backup_is_unfinished() {
        assert!(!parse(OUTPUT, 15).unwrap().is_unfinished_copy);
        for (line, other) in [
            ("Backup start location:                0/0", "0/5000028"),
            ("Backup end location:                  0/0", "0/5000028"),
            ("End-of-backup record required:        no", "yes"),
        ] {
            let name = line.split_once(':').unwrap().0;
            let copy = OUTPUT.replace(line, &format!("{name}: {other}"));
            assert!(parse(&copy, 15).unwrap().is_unfinished_copy, "{name}");
        }
    }

    #[test]
    fn a_missing_or_strange_line_is_an_error_that_names_it() {
        let without = OUTPUT.replace("Latest checkpoint's TimeLineID", "Something else");
        let error = parse(&without, 15).unwrap_err().to_string();
        assert!(error.contains("Latest checkpoint's TimeLineID"), "{error}");
        let strange = OUTPUT.replace("shut down in recovery", "asleep");
        let error = parse(&strange, 15).unwrap_err().to_string();
        assert!(error.contains("asleep"), "{error}");
    }

    #[test]
    fn leading_fields_refresh_an_older_answer() {
        let mut bytes = vec![0_u8; 512];
        bytes[0..8].copy_from_slice(&7_u64.to_le_bytes());
        bytes[8..12].copy_from_slice(&1300_u32.to_le_bytes());
        bytes[16..20].copy_from_slice(&6_u32.to_le_bytes());
        bytes[32..40].copy_from_slice(&0x6000060_u64.to_le_bytes());
        bytes[48..52].copy_from_slice(&3_u32.to_le_bytes());
        let data = Leading::read(&bytes)
            .unwrap()
            .refresh(&parse(OUTPUT, 15).unwrap());
        assert_eq!(
            (data.system_id, data.state),
            (7, ClusterState::InProduction)
        );
        assert_eq!(
            (data.checkpoint, data.timeline),
            (Lsn(0x6000060), Timeline(3))
        );
        assert_eq!(data.limits["max_connections"], 120);
    }

    #[test]
    fn an_unknown_layout_is_not_guessed_at() {
        assert_eq!(Leading::read(&[0; 512]), None);
        assert_eq!(Leading::read(&[1; 10]), None);
    }
}
