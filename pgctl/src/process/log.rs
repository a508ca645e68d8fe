//! The last words of a server that ended.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::command;

/// How much of the end of a file is read.
const TAIL_BYTES: u64 = 64 * 1024;

/// The last lines of its own output since `start`; and if the log collector took
/// over, those of its newest file.
pub(super) fn last_words(data_dir: &Path, log_file: Option<&Path>, start: u64) -> Vec<String> {
    let own = log_file.and_then(|path| read_end(path, start).ok());
    let mut lines = command::tail(&own.unwrap_or_default());
    let collected = lines.iter().any(|line| line.contains("logging collector"));
    if (lines.is_empty() || collected)
        && let Some(path) = collector_file(data_dir)
    {
        let more = read_end(&path, 0).unwrap_or_default();
        lines.extend(command::tail(&more));
    }
    lines
}

fn read_end(path: &Path, start: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(
        start.max(length.saturating_sub(TAIL_BYTES)),
    ))?;
    let mut content = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

/// The file that the log collector writes to, as it notes itself.
fn collector_file(data_dir: &Path) -> Option<PathBuf> {
    let note = fs::read_to_string(data_dir.join("current_logfiles")).ok()?;
    let path = note.lines().find_map(|line| line.strip_prefix("stderr "))?;
    Some(data_dir.join(path))
}
