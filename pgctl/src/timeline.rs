//! Timelines: the branches of a cluster's write-ahead log.
//!
//! Invariant: a history is ordered by timeline, oldest first, and never names
//! the timeline it is the history of.

mod files;
mod unfinished;

use std::fmt;
use std::str::FromStr;

use crate::lsn::{Lsn, ParseValueError};

pub(crate) use files::HistoryFiles;
pub(crate) use unfinished::Unfinished;

/// The number of a branch of the write-ahead log. It starts at 1 and grows
/// with each promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeline(pub u32);

impl Timeline {
    /// The timeline of the first eight digits of a log file's name.
    pub(crate) fn of_wal_file(name: &str) -> Option<Self> {
        let digits = name.get(..8)?;
        u32::from_str_radix(digits, 16).ok().map(Self)
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Timeline {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse()
            .map(Self)
            .map_err(|_| ParseValueError::new("timeline", text))
    }
}

/// One line of a timeline's history: where a parent timeline was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryLine {
    /// The timeline that was left.
    pub timeline: Timeline,
    /// The position at which the next timeline branched off.
    pub switch_lsn: Lsn,
    /// PostgreSQL's words on why, for example `no recovery target specified`.
    pub reason: String,
}

/// Reads the content of a timeline history file.
///
/// # Errors
/// A line that is neither empty, a comment, nor `timeline lsn reason`.
pub fn parse_history(content: &str) -> Result<Vec<HistoryLine>, ParseValueError> {
    content
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(parse_line)
        .collect()
}

fn parse_line(line: &str) -> Result<HistoryLine, ParseValueError> {
    let error = || ParseValueError::new("line of a timeline history", line);
    let (timeline, rest) = line.split_once(char::is_whitespace).ok_or_else(error)?;
    let rest = rest.trim_start();
    let (lsn, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    Ok(HistoryLine {
        timeline: timeline.parse().map_err(|_| error())?,
        switch_lsn: lsn.parse().map_err(|_| error())?,
        reason: reason.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_keeps_order_position_and_reason() {
        let content = "1\t0/40159C0\tno recovery target specified\n\n2\t1/40159C0\tbefore 2000-01-01 00:00:00+00\n";
        let lines = parse_history(content).unwrap();
        assert_eq!(
            lines,
            [
                HistoryLine {
                    timeline: Timeline(1),
                    switch_lsn: Lsn(0x40159C0),
                    reason: "no recovery target specified".to_owned(),
                },
                HistoryLine {
                    timeline: Timeline(2),
                    switch_lsn: Lsn(0x1_0401_59C0),
                    reason: "before 2000-01-01 00:00:00+00".to_owned(),
                },
            ]
        );
    }

    #[test]
    fn broken_history_is_an_error_and_comments_are_not() {
        assert_eq!(parse_history("# remark\n"), Ok(Vec::new()));
        assert!(parse_history("1").is_err());
        assert!(parse_history("x 0/1 reason").is_err());
        assert!(parse_history("1 nowhere reason").is_err());
    }

    #[test]
    fn timeline_of_a_wal_file_is_its_first_eight_digits() {
        let name = "0000000A0000000100000002";
        assert_eq!(Timeline::of_wal_file(name), Some(Timeline(10)));
        assert_eq!(Timeline::of_wal_file("short"), None);
    }
}
