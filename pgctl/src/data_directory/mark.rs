//! Marks: a data directory that is being made, and by what.
//!
//! A mark is a file beside the directory, because the programs that fill it
//! want it empty; or inside, if the folder above cannot be written to.
//! Invariant: a mark beside names the directory it is meant for by identity.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{is_empty, remove_if_there};
use crate::config::write_atomically;
use crate::error::{Error, Result};
use crate::facts::Leftover;
use crate::process::proc::DirectoryId;

/// Whether a mark is in place, or must be put inside once a program that wants
/// an empty directory has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marked {
    Beside,
    NotYet,
}

impl Leftover {
    const ALL: [Self; 2] = [Self::Clone, Self::Bootstrap];

    const fn mark_name(self) -> &'static str {
        match self {
            Self::Clone => ".herdsman-clone",
            Self::Bootstrap => ".herdsman-bootstrap",
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Bootstrap => "bootstrap",
        }
    }
}

fn mark_path(data_dir: &Path, kind: Leftover) -> PathBuf {
    let mut path = data_dir.as_os_str().to_owned();
    path.push(kind.mark_name());
    path.into()
}

/// The identity of the directory is in the mark, so that a mark that was
/// forgotten does not condemn another directory which took the place.
pub(super) fn identity(data_dir: &Path) -> Option<String> {
    let id = DirectoryId::of(data_dir).ok()?;
    Some(format!("{}:{}\n", id.device, id.inode))
}

pub(super) fn marks_on(data_dir: &Path) -> impl Iterator<Item = Leftover> {
    let identity = identity(data_dir);
    Leftover::ALL.into_iter().filter(move |kind| {
        let beside = fs::read_to_string(mark_path(data_dir, *kind)).ok();
        let is_meant = beside.is_some() && beside == identity;
        is_meant || data_dir.join(kind.mark_name()).exists()
    })
}

pub(super) fn mark_beside(data_dir: &Path, kind: Leftover) -> Result<Marked> {
    if !data_dir.exists() {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir);
        made.map_err(Error::io("cannot make", data_dir))?;
    } else if is_empty(data_dir) {
        // PostgreSQL's programs would do the same later.
        let mode = fs::metadata(data_dir).map_or(0, |data| data.permissions().mode() & 0o777);
        if !matches!(mode, 0o700 | 0o750) {
            let changed = fs::set_permissions(data_dir, fs::Permissions::from_mode(0o700));
            changed.map_err(Error::io("cannot change the mode of", data_dir))?;
        }
    }
    let content = identity(data_dir).unwrap_or_default();
    match write_atomically(&mark_path(data_dir, kind), content.as_bytes(), 0o600) {
        Ok(_) => Ok(Marked::Beside),
        Err(Error::Io { source, .. }) if is_refusal(&source) => Ok(Marked::NotYet),
        Err(error) => Err(error),
    }
}

fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem)
}

pub(super) fn mark_inside(data_dir: &Path, kind: Leftover) -> Result<()> {
    write_atomically(&data_dir.join(kind.mark_name()), b"", 0o600)?;
    Ok(())
}

pub(super) fn remove_marks(data_dir: &Path) -> Result<()> {
    for kind in Leftover::ALL {
        for path in [mark_path(data_dir, kind), data_dir.join(kind.mark_name())] {
            remove_if_there(&path, |path| fs::remove_file(path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_directory::{Seen, look};
    use crate::facts::DataDirectory;

    fn seen(data_dir: &Path) -> DataDirectory {
        match look(data_dir) {
            Seen::Other(other) => other,
            Seen::Cluster { .. } => panic!("not a cluster"),
        }
    }

    #[test]
    fn a_mark_shows_until_it_is_removed_and_only_for_its_directory() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        assert_eq!(
            mark_beside(&data_dir, Leftover::Clone).unwrap(),
            Marked::Beside
        );
        let leftover = DataDirectory::Leftover(Leftover::Clone);
        assert_eq!(seen(&data_dir), leftover);
        fs::rename(&data_dir, folder.path().join("old")).unwrap();
        fs::create_dir(&data_dir).unwrap();
        assert_eq!(seen(&data_dir), DataDirectory::Empty);
        mark_inside(&data_dir, Leftover::Bootstrap).unwrap();
        assert_eq!(
            seen(&data_dir),
            DataDirectory::Leftover(Leftover::Bootstrap)
        );
        remove_marks(&data_dir).unwrap();
        assert_eq!(seen(&data_dir), DataDirectory::Empty);
    }
}
