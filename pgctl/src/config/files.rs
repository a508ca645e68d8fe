//! Files that are replaced at once, with the modes PostgreSQL wants.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// The mode of files beside the server's own: readable by the group if the data
/// directory is. Our files follow it wherever they are, because a connection
/// string may hold the secret of a key.
pub(crate) fn file_mode(data_dir: &Path) -> Result<u32> {
    let metadata = fs::metadata(data_dir).map_err(Error::io("cannot look at", data_dir))?;
    let group_may_read = metadata.permissions().mode() & 0o050 == 0o050;
    Ok(if group_may_read { 0o640 } else { 0o600 })
}

/// Writes a file unless it has this content and mode already. Returns whether
/// it did. A crash leaves the old content or the new one.
/// It blocks.
///
/// # Errors
/// [`Error::Io`] when it cannot be written; what was there stays.
pub fn write_atomically(path: &Path, content: &[u8], mode: u32) -> Result<bool> {
    if is_the_same(path, content, mode) {
        return Ok(false);
    }
    let temporary = temporary_beside(path);
    let written = write_new(&temporary, content, mode)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_folder_of(path));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(Error::io("cannot write", path)(error));
    }
    Ok(true)
}

fn is_the_same(path: &Path, content: &[u8], mode: u32) -> bool {
    let has_mode = fs::symlink_metadata(path)
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o777 == mode);
    has_mode && fs::read(path).is_ok_and(|found| found == content)
}

fn temporary_beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{count}.tmp", std::process::id()));
    name.into()
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    // Something of that name can only be left from an earlier process.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    // The creation mode is cut by the umask.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes the names in the folder of a file durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_once_with_its_mode_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(write_atomically(&path, b"new", 0o600).unwrap());
        assert!(!write_atomically(&path, b"new", 0o600).unwrap());
        assert!(write_atomically(&path, b"new", 0o640).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = write_atomically(Path::new("/nowhere/a.conf"), b"", 0o600).unwrap_err();
        assert!(error.to_string().contains("/nowhere/a.conf"), "{error}");
    }

    #[test]
    fn mode_follows_the_data_directory() {
        let folder = tempfile::tempdir().unwrap();
        let with = |mode| {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            file_mode(folder.path()).unwrap()
        };
        assert_eq!(with(0o700), 0o600);
        assert_eq!(with(0o750), 0o640);
    }
}
