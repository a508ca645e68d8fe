//! Emptying a data directory, with what it has elsewhere.
//!
//! Invariant: nothing that is not the server's is deleted, wherever a link leads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::remove_if_there;
use crate::error::{Error, Result};

pub(super) fn wipe_contents(data_dir: &Path) -> Result<()> {
    // Without its control file the directory cannot be taken for a cluster,
    // wherever the rest is interrupted.
    remove_if_there(&data_dir.join("global/pg_control"), |path| {
        fs::remove_file(path)
    })?;
    for target in link_targets(&data_dir.join("pg_tblspc")) {
        // A tablespace's folder may hold other things than the server's.
        empty_folder(&target, |name| name.starts_with("PG_"))?;
    }
    let wal = data_dir.join("pg_wal");
    if let Ok(target) = fs::read_link(&wal) {
        empty_folder(&data_dir.join(target), |_| true)?;
    }
    // The marks inside go last.
    empty_folder(data_dir, |name| !name.starts_with(".herdsman-"))
}

fn link_targets(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let target = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
    let found = entries.flatten().filter_map(target);
    found.map(|target| folder.join(target)).collect()
}

fn empty_folder(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("cannot read", folder)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(Error::io("cannot read", folder))?;
        if !wanted(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let path = entry.path();
        let kind = entry
            .file_type()
            .map_err(Error::io("cannot look at", &path))?;
        match kind.is_dir() {
            true => remove_if_there(&path, |path| fs::remove_dir_all(path))?,
            false => remove_if_there(&path, |path| fs::remove_file(path))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_directory::is_empty;

    #[test]
    fn wiping_follows_the_log_directory_and_tablespaces_and_spares_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for made in [
            "data/pg_tblspc",
            "data/base/1",
            "wal/sub",
            "space/PG_15_1/1",
        ] {
            fs::create_dir_all(path(made)).unwrap();
        }
        for made in [
            "data/base/1/f",
            "wal/000001",
            "wal/sub/f",
            "space/PG_15_1/1/f",
            "space/mine",
        ] {
            fs::write(path(made), "x").unwrap();
        }
        std::os::unix::fs::symlink(path("wal"), path("data/pg_wal")).unwrap();
        std::os::unix::fs::symlink(path("space"), path("data/pg_tblspc/16400")).unwrap();
        wipe_contents(&path("data")).unwrap();
        assert!(is_empty(&path("data")) && is_empty(&path("wal")));
        let left: Vec<_> = fs::read_dir(path("space")).unwrap().flatten().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].file_name(), "mine");
    }
}
