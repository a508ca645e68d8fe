//! Lock files that a killed server left, where PostgreSQL would not start over them.
//!
//! It removes old lock files by itself, after checks of its own, with two
//! exceptions: one that names an existing process, be it an unreaped zombie or
//! somebody who got the same id; and an empty one, left by a server that was
//! killed between making the file and writing it. Invariant: nothing is removed
//! while a process of this server, or a user of its shared memory, is left.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::lock_file::{self, LockFile};
use super::{proc, reap};
use crate::error::{Error, Result};
use crate::options::Config;

/// Where the server's sockets are. Without a setting, where the usual builds
/// have them.
pub(super) fn socket_dirs(config: &Config) -> Vec<PathBuf> {
    let configured = config.parameters.get("unix_socket_directories");
    let folders = configured.map_or("/tmp,/var/run/postgresql", String::as_str);
    let folders = folders.split(',').map(str::trim);
    folders
        .filter(|folder| folder.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

/// Removes what is in the way of a start. The caller has seen that no process
/// works in the data directory.
pub(super) fn remove_locks(data_dir: &Path, socket_dirs: &[PathBuf], port: u16) -> Result<()> {
    let path = data_dir.join(lock_file::NAME);
    let lock = LockFile::read(data_dir).map_err(Error::io("cannot read", &path))?;
    match &lock {
        Some(lock) => remove_if_process_exists(&path, lock)?,
        None if is_own_and_empty(&path) => remove(&path)?,
        None => {}
    }
    let of_lock = lock
        .as_ref()
        .and_then(|lock| Some((lock.socket_dir.as_ref()?, lock.port?)));
    let of_lock = of_lock.map(|(folder, port)| (PathBuf::from(folder), port));
    let wanted = socket_dirs.iter().map(|folder| (folder.clone(), port));
    for (folder, port) in wanted.chain(of_lock) {
        let path = folder.join(format!(".s.PGSQL.{port}.lock"));
        if is_own_and_empty(&path) || names_data_dir(&path, data_dir) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove_if_process_exists(path: &Path, lock: &LockFile) -> Result<()> {
    if proc::stat(lock.pid).is_some_and(|stat| stat.is_zombie()) {
        reap(lock.pid);
    }
    if proc::stat(lock.pid).is_none() {
        return Ok(());
    }
    let table = Path::new("/proc/sysvipc/shm");
    let attached = lock.shared_memory.map(|segment| segment.attached());
    let attached = attached
        .transpose()
        .map_err(Error::io("cannot read", table))?;
    if let Some(count) = attached.flatten().filter(|count| *count > 0) {
        let what = format!("the shared memory of the last server has {count} users");
        return Err(Error::StillAlive { what });
    }
    remove(path)
}

fn is_own_and_empty(path: &Path) -> bool {
    let ours = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path)
        .is_ok_and(|file| file.is_file() && file.len() == 0 && file.uid() == ours)
}

/// The second line of a socket's lock is the data directory of its server.
fn names_data_dir(path: &Path, data_dir: &Path) -> bool {
    let Ok(text) = fs::read_to_string(path) else {
        return false;
    };
    let named = text
        .lines()
        .nth(1)
        .and_then(|named| fs::canonicalize(named.trim()).ok());
    named.is_some() && named == fs::canonicalize(data_dir).ok()
}

fn remove(path: &Path) -> Result<()> {
    tracing::warn!(path = %path.display(), "removing the lock file of a server that is gone");
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_that_are_empty_or_ours_go_and_those_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let data_dir = path("data");
        fs::create_dir(&data_dir).unwrap();
        fs::write(data_dir.join("postmaster.pid"), "").unwrap();
        fs::write(path(".s.PGSQL.1.lock"), "").unwrap();
        let ours = format!("4711\n{}\n", data_dir.display());
        fs::write(path(".s.PGSQL.2.lock"), ours).unwrap();
        fs::write(path(".s.PGSQL.3.lock"), "4711\n/somebody/else\n").unwrap();
        for port in 1..=3 {
            remove_locks(&data_dir, &[folder.path().to_owned()], port).unwrap();
        }
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        left.sort();
        assert_eq!(left, [".s.PGSQL.3.lock", "data"]);
        assert!(!data_dir.join("postmaster.pid").exists());
    }
}
