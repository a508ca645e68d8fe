//! Promotions that did not get to their end.
//!
//! A promotion writes the history file of its number and copies the last log file before it writes
//! anything on the new timeline. A server that dies in between comes back as a standby that takes
//! this number for its target; promoted again, it takes the next one.
//!
//! Invariant: nothing is removed that holds a byte of the new timeline's own log, and nothing while
//! the server runs: a server whose target has no history file writes a history without ancestors.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::files::HistoryFiles;
use super::{Timeline, parse_history};
use crate::error::{Error, Result};
use crate::lsn::Lsn;

/// A timeline that was announced and not begun.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// Its number.
    pub(crate) timeline: Timeline,
    /// Copies of the log before it.
    copies: Vec<PathBuf>,
}

impl Unfinished {
    /// The newest timeline that there is a history of, if it is newer than the one that the server
    /// was on and nothing of it was written or received.
    pub(crate) fn find(
        files: &HistoryFiles,
        data_dir: &Path,
        own: Timeline,
    ) -> Result<Option<Self>> {
        let Some((timeline, content)) = files.newest_real()? else {
            return Ok(None);
        };
        let history = parse_history(&content).unwrap_or_default();
        let Some(switch) = history.last().filter(|_| timeline > own) else {
            return Ok(None);
        };
        let wal_dir = data_dir.join("pg_wal");
        let copies = copies(&wal_dir, timeline, switch.switch_lsn)
            .map_err(Error::io("cannot look at", &wal_dir))?;
        Ok(copies.map(|copies| Self { timeline, copies }))
    }

    /// Removes it. The history goes last, so that what a crash leaves is found again.
    pub(crate) fn remove(self, files: &mut HistoryFiles) -> Result<()> {
        for copy in &self.copies {
            fs::remove_file(copy).map_err(Error::io("cannot remove", copy))?;
        }
        tracing::info!(
            timeline = self.timeline.0,
            "history of a timeline removed of which there is nothing"
        );
        files.remove(self.timeline)
    }
}

/// The log files of a timeline, if they hold nothing from `switch` on.
fn copies(wal_dir: &Path, timeline: Timeline, switch: Lsn) -> io::Result<Option<Vec<PathBuf>>> {
    let prefix = format!("{:08X}", timeline.0);
    let mut copies = Vec::new();
    for entry in fs::read_dir(wal_dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(&prefix)) else {
            continue;
        };
        if rest == ".history" {
            continue;
        }
        if !is_copy(&entry.path(), rest, switch)? {
            return Ok(None);
        }
        copies.push(entry.path());
    }
    Ok(Some(copies))
}

/// Whether it is the log file of `switch`, with nothing from there on. `place` is the name without
/// the timeline.
fn is_copy(path: &Path, place: &str, switch: Lsn) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    if !size.is_power_of_two() || size > 1 << 32 {
        return Ok(false);
    }
    if place
        != format!(
            "{:08X}{:08X}",
            switch.0 >> 32,
            (switch.0 & 0xFFFF_FFFF) / size
        )
    {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(switch.0 % size))?;
    let mut buffer = [0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(true),
            count if buffer[..count].iter().all(|byte| *byte == 0) => {}
            _ => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 1 << 20;
    /// In the 18th file of the second 4 GiB.
    const SWITCH: &str = "1/1100020";
    const COPY: &str = "000000040000000100000011";

    /// What is found, and whether removing it leaves nothing of timeline 4.
    fn check(own: u32, files: &[(&str, Vec<u8>)]) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let wal_dir = folder.path().join("pg_wal");
        fs::create_dir(&wal_dir).unwrap();
        let history = format!("3\t{SWITCH}\tno recovery target specified\n");
        fs::write(wal_dir.join("00000004.history"), history).unwrap();
        fs::write(wal_dir.join("000000030000000100000011"), "3").unwrap();
        for (name, content) in files {
            fs::write(wal_dir.join(name), content).unwrap();
        }
        let mut histories = HistoryFiles::list(folder.path()).unwrap();
        let found = Unfinished::find(&histories, folder.path(), Timeline(own)).unwrap();
        let Some(unfinished) = found else {
            return false;
        };
        assert_eq!(unfinished.timeline, Timeline(4));
        unfinished.remove(&mut histories).unwrap();
        assert_eq!(fs::read_dir(&wal_dir).unwrap().count(), 1);
        true
    }

    fn segment(at: usize, byte: u8) -> Vec<u8> {
        let mut bytes = vec![0; SIZE];
        bytes[at] = byte;
        bytes
    }

    #[test]
    fn a_history_with_nothing_or_only_a_copy_behind_it_is_unfinished() {
        assert!(check(3, &[]));
        assert!(check(3, &[(COPY, segment(0x1F, 1))]));
    }

    #[test]
    fn a_byte_of_the_new_timeline_makes_it_begun() {
        assert!(!check(3, &[(COPY, segment(0x20, 1))]));
        assert!(!check(3, &[(COPY, segment(SIZE - 1, 1))]));
        let next = "000000040000000100000012";
        assert!(!check(3, &[(next, segment(0, 0))]));
        assert!(!check(
            3,
            &[("000000040000000100000011.partial", Vec::new())]
        ));
    }

    #[test]
    fn the_timeline_that_the_server_was_on_is_never_unfinished() {
        assert!(!check(4, &[]));
        assert!(!check(5, &[]));
    }
}
