//! The mark of a rewind: from before its first change until its last.
//!
//! `pg_rewind` deletes what its source does not have, so the mark is always
//! beside the directory. Invariant: data that carries it is never started.

use std::fs;
use std::path::{Path, PathBuf};

use super::mark::identity;
use super::remove_if_there;
use crate::config::write_atomically;
use crate::error::{Error, Result};
use crate::facts::Wreck;

/// The mark itself.
const MARK: &str = ".herdsman-rewind";

/// What is beside the data directory under this name.
fn beside(data_dir: &Path, name: &str) -> PathBuf {
    let mut path = data_dir.as_os_str().to_owned();
    path.push(name);
    path.into()
}

/// The wreck in a directory, if its mark is meant for it.
pub(crate) fn wreck_on(data_dir: &Path) -> Option<Wreck> {
    let text = fs::read_to_string(beside(data_dir, MARK)).ok()?;
    let identity = identity(data_dir)?;
    let mut lines = text.lines();
    (lines.next() == Some(identity.trim_end())).then(|| Wreck {
        system_id: lines
            .next()
            .and_then(|id| id.parse().ok())
            .unwrap_or_default(),
        why: lines.next().map(str::to_owned),
    })
}

/// Says that a rewind begins.
///
/// # Errors
/// [`Error::NotRewindable`] where the folder above cannot be written to: without
/// the mark an interruption would leave data that looks whole.
pub(crate) fn mark_wreck(data_dir: &Path, system_id: u64) -> Result<()> {
    write(data_dir, system_id, None).map_err(|error| Error::NotRewindable {
        why: format!("its mark cannot be put beside the data directory: {error}"),
    })
}

/// Keeps why the rewind failed.
pub(crate) fn note_failure(data_dir: &Path, system_id: u64, why: &str) -> Result<()> {
    write(data_dir, system_id, Some(why))
}

fn write(data_dir: &Path, system_id: u64, why: Option<&str>) -> Result<()> {
    let identity = identity(data_dir).unwrap_or_default();
    let why = why.map(|why| why.replace('\n', " ")).unwrap_or_default();
    let end = if why.is_empty() { "" } else { "\n" };
    let text = format!("{identity}{system_id}\n{why}{end}");
    write_atomically(&beside(data_dir, MARK), text.as_bytes(), 0o600)?;
    Ok(())
}

/// The rewind has come to its end, or what it left is gone.
pub(crate) fn forget_wreck(data_dir: &Path) -> Result<()> {
    remove_if_there(&beside(data_dir, MARK), |path| fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_directory::{Seen, look};
    use crate::facts::DataDirectory;

    #[test]
    fn a_wreck_is_known_by_its_mark_and_only_in_its_directory() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        fs::create_dir(&data_dir).unwrap();
        fs::write(data_dir.join("PG_VERSION"), "15\n").unwrap();
        mark_wreck(&data_dir, 7).unwrap();
        let wreck = |why: Option<&str>| Wreck {
            system_id: 7,
            why: why.map(str::to_owned),
        };
        assert_eq!(wreck_on(&data_dir), Some(wreck(None)));
        let Seen::Other(seen) = look(&data_dir) else {
            panic!("a wreck is no cluster");
        };
        assert_eq!(seen, DataDirectory::Wreck(wreck(None)));
        note_failure(&data_dir, 7, "no\nspace").unwrap();
        assert_eq!(wreck_on(&data_dir), Some(wreck(Some("no space"))));
        fs::rename(&data_dir, folder.path().join("old")).unwrap();
        fs::create_dir(&data_dir).unwrap();
        assert_eq!(wreck_on(&data_dir), None);
    }

    #[test]
    fn without_a_place_for_the_mark_nothing_is_begun() {
        let error = mark_wreck(Path::new("/proc/nowhere"), 7).unwrap_err();
        assert!(matches!(error, Error::NotRewindable { .. }), "{error:?}");
    }
}
