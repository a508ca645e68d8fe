//! Files of the member's own that a rewind replaces by those of its source.
//!
//! `pg_rewind` empties them first and fills them last, and removes what the
//! source does not have. Invariant: they are kept beside the data directory
//! before its first change, so that an interruption does not lose them.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::write_atomically;
use crate::error::{Error, Result};

/// Beside the data directory.
const FOLDER: &str = ".herdsman-rewind.files";
/// Larger files are logs and the like, no configuration.
const LARGEST_BYTES: u64 = 4 << 20;

/// What the server writes for itself at the top of its data directory.
const SERVERS_OWN: [&str; 10] = [
    "PG_VERSION",
    "postmaster.pid",
    "postmaster.opts",
    "backup_label",
    "backup_label.old",
    "tablespace_map",
    "tablespace_map.old",
    "backup_manifest",
    "current_logfiles",
    "recovery.signal",
];

/// Configuration, keys and the like, with the folders they are in.
#[derive(Debug)]
pub(super) struct KeptFiles {
    data_dir: PathBuf,
    folder: PathBuf,
}

impl KeptFiles {
    /// Copies them beside the data directory.
    pub(super) fn keep(data_dir: &Path) -> Result<Self> {
        let kept = Self::beside(data_dir);
        kept.forget()?;
        make_folder(&kept.folder)?;
        for path in files_below(data_dir, Path::new(""))? {
            copy(&data_dir.join(&path), &kept.folder.join(&path))?;
        }
        Ok(kept)
    }

    /// What an interrupted rewind has kept.
    pub(super) fn left_beside(data_dir: &Path) -> Result<Option<Self>> {
        let kept = Self::beside(data_dir);
        match fs::metadata(&kept.folder) {
            Ok(_) => Ok(Some(kept)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("cannot look at", &kept.folder)(error)),
        }
    }

    fn beside(data_dir: &Path) -> Self {
        let mut folder = data_dir.as_os_str().to_owned();
        folder.push(FOLDER);
        Self {
            data_dir: data_dir.to_owned(),
            folder: folder.into(),
        }
    }

    /// Puts them back where they were.
    pub(super) fn restore(&self) -> Result<()> {
        for path in files_below(&self.folder, Path::new(""))? {
            copy(&self.folder.join(&path), &self.data_dir.join(&path))?;
        }
        Ok(())
    }

    /// They are not needed any more.
    pub(super) fn forget(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("cannot remove", &self.folder)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The regular files that are not the server's, as paths below `root`.
fn files_below(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let place = root.join(folder);
    let is_top = folder.as_os_str().is_empty();
    let mut found = Vec::new();
    let entries = fs::read_dir(&place).map_err(Error::io("cannot read", &place))?;
    for entry in entries {
        let entry = entry.map_err(Error::io("cannot read", &place))?;
        let path = entry.path();
        let name = entry.file_name();
        if is_top && is_servers(&name.to_string_lossy()) {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).map_err(Error::io("cannot look at", &path))?;
        let below = folder.join(&name);
        if metadata.is_dir() {
            found.extend(files_below(root, &below)?);
        } else if metadata.is_file() && metadata.len() <= LARGEST_BYTES {
            found.push(below);
        }
    }
    Ok(found)
}

fn is_servers(name: &str) -> bool {
    let is_folder = matches!(name, "base" | "global" | "log") || name.starts_with("pg_");
    // Two files of the configuration begin like the server's folders.
    let is_configuration = name.ends_with(".conf");
    (is_folder && !is_configuration)
        || SERVERS_OWN.contains(&name)
        || name.starts_with(".s.PGSQL.")
        || name.ends_with(".tmp")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).map_err(Error::io("cannot read", from))?;
    let metadata = fs::metadata(from).map_err(Error::io("cannot look at", from))?;
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    write_atomically(to, &content, metadata.permissions().mode() & 0o777)?;
    Ok(())
}

fn make_folder(folder: &Path) -> Result<()> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.map_err(Error::io("cannot make", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_own_files_come_back_and_the_servers_stay() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let path = |name: &str| data_dir.join(name);
        for made in ["base/1", "pg_wal", "conf.d"] {
            fs::create_dir_all(path(made)).unwrap();
        }
        let own = [
            "postgresql.conf",
            "pg_hba.conf",
            "conf.d/a.conf",
            "server.key",
        ];
        let servers = [
            "PG_VERSION",
            "base/1/1259",
            "pg_wal/1",
            "standby.signal.tmp",
        ];
        for name in own.iter().chain(&servers) {
            fs::write(path(name), "mine").unwrap();
        }
        fs::set_permissions(path("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let kept = KeptFiles::keep(&data_dir).unwrap();
        for name in own.iter().chain(&servers) {
            fs::write(path(name), "").unwrap();
        }
        fs::remove_dir_all(path("conf.d")).unwrap();
        fs::remove_file(path("server.key")).unwrap();
        drop(kept);
        let kept = KeptFiles::left_beside(&data_dir).unwrap().unwrap();
        kept.restore().unwrap();
        for name in own {
            assert_eq!(fs::read_to_string(path(name)).unwrap(), "mine", "{name}");
        }
        for name in servers {
            assert_eq!(fs::read_to_string(path(name)).unwrap(), "", "{name}");
        }
        let mode = fs::metadata(path("server.key")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        kept.forget().unwrap();
        assert!(KeptFiles::left_beside(&data_dir).unwrap().is_none());
    }
}
