//! The source tree, and a copy of it for a user who cannot read the original.
//!
//! Tests read scripts and golden files of the tree when they run, under the
//! path that they were built with. If the unprivileged user cannot follow that
//! path, the tests are built from a copy.
//! Invariant: nothing is ever written to the original.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The root of the workspace. Cargo tells where this package is at run time;
/// what was true when it was compiled is the answer for a direct start.
pub(crate) fn root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().unwrap_or(&package).to_owned()
}

/// A directory for `root` that outlives this run, because what is built in it
/// makes the next run quick. Others can read it, and only we can write to it.
pub(crate) fn public_dir(root: &Path) -> Result<PathBuf, Error> {
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    let path = Path::new("/var/tmp").join(format!("herdsman-{:016x}", hasher.finish()));
    create_own_dir(&path)?;
    Ok(path)
}

fn create_own_dir(path: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::path("create", path)(error)),
    }
    // The name can be guessed: somebody may have put a link or a directory of
    // their own there, to have us build and run what they wrote.
    let found = fs::symlink_metadata(path).map_err(Error::path("look at", path))?;
    let own = fs::metadata("/proc/self").map_err(Error::io("look at /proc/self"))?;
    if !found.is_dir() || found.uid() != own.uid() {
        return Err(Error::Failed(format!(
            "{} belongs to somebody else: remove it first",
            path.display()
        )));
    }
    fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(Error::path("open", path))
}

/// Makes `to` equal to `from`, without what is built and what git keeps. Files
/// that did not change keep their times, so cargo rebuilds only what did.
pub(crate) fn mirror(from: &Path, to: &Path) -> Result<(), Error> {
    create_own_dir(to)?;
    let mut expected = BTreeSet::new();
    for name in names(from)? {
        let (source, copy) = (from.join(&name), to.join(&name));
        let found = fs::symlink_metadata(&source).map_err(Error::path("look at", &source))?;
        if found.is_dir() {
            if name != "target" && name != ".git" {
                mirror(&source, &copy)?;
                expected.insert(name);
            }
        } else if found.is_file() {
            mirror_file(&source, &found, &copy)?;
            expected.insert(name);
        }
    }
    for name in names(to)? {
        if !expected.contains(&name) {
            remove(&to.join(name))?;
        }
    }
    Ok(())
}

fn mirror_file(source: &Path, found: &fs::Metadata, copy: &Path) -> Result<(), Error> {
    let time = found.modified().map_err(Error::path("date", source))?;
    let is_same = fs::symlink_metadata(copy).is_ok_and(|old| {
        old.is_file() && old.len() == found.len() && old.modified().is_ok_and(|old| old == time)
    });
    if is_same {
        return Ok(());
    }
    // Removed first: a directory or a read-only file of the same name.
    if fs::symlink_metadata(copy).is_ok() {
        remove(copy)?;
    }
    fs::copy(source, copy).map_err(Error::path("copy", source))?;
    let is_executable = found.permissions().mode() & 0o100 != 0;
    let mode = if is_executable { 0o755 } else { 0o644 };
    File::open(copy)
        .and_then(|file| {
            file.set_modified(time)?;
            file.set_permissions(Permissions::from_mode(mode))
        })
        .map_err(Error::path("date", copy))
}

fn names(dir: &Path) -> Result<Vec<OsString>, Error> {
    let entries = fs::read_dir(dir).map_err(Error::path("list", dir))?;
    entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<_>>()
        .map_err(Error::path("list", dir))
}

fn remove(path: &Path) -> Result<(), Error> {
    let found = fs::symlink_metadata(path).map_err(Error::path("look at", path))?;
    if found.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
    .map_err(Error::path("remove", path))
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    struct Dirs(PathBuf);

    impl Dirs {
        fn new(test: &str) -> Self {
            let base = env::temp_dir().join(format!("xtask-{test}-{}", process::id()));
            fs::create_dir_all(base.join("from/src")).unwrap();
            Self(base)
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.join("from").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn mirror(&self) {
            mirror(&self.0.join("from"), &self.0.join("to")).unwrap();
        }

        fn copy(&self, name: &str) -> Option<String> {
            fs::read_to_string(self.0.join("to").join(name)).ok()
        }
    }

    impl Drop for Dirs {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn mirror_follows_changes_and_removals() {
        let dirs = Dirs::new("follow");
        dirs.write("src/a.rs", "one");
        dirs.write("src/b.rs", "two");
        dirs.mirror();
        assert_eq!(dirs.copy("src/a.rs").as_deref(), Some("one"));

        dirs.write("src/a.rs", "changed");
        fs::remove_file(dirs.0.join("from/src/b.rs")).unwrap();
        dirs.mirror();
        assert_eq!(dirs.copy("src/a.rs").as_deref(), Some("changed"));
        assert_eq!(dirs.copy("src/b.rs"), None);
    }

    #[test]
    fn mirror_leaves_out_what_is_built_and_what_git_keeps() {
        let dirs = Dirs::new("without");
        dirs.write("target/debug/x", "built");
        dirs.write(".git/config", "kept");
        dirs.write(".cargo/config.toml", "");
        dirs.mirror();
        assert_eq!(dirs.copy("target/debug/x"), None);
        assert_eq!(dirs.copy(".git/config"), None);
        assert_eq!(dirs.copy(".cargo/config.toml").as_deref(), Some(""));
    }

    #[test]
    fn mirror_keeps_times_and_makes_files_readable() {
        let dirs = Dirs::new("times");
        dirs.write("a.rs", "one");
        let source = dirs.0.join("from/a.rs");
        fs::set_permissions(&source, Permissions::from_mode(0o600)).unwrap();
        dirs.mirror();
        let (from, to) = (
            fs::metadata(&source).unwrap(),
            fs::metadata(dirs.0.join("to/a.rs")).unwrap(),
        );
        assert_eq!(from.modified().unwrap(), to.modified().unwrap());
        assert_eq!(to.permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn link_in_place_of_a_public_directory_is_refused() {
        let dirs = Dirs::new("link");
        let link = dirs.0.join("link");
        std::os::unix::fs::symlink(dirs.0.join("from"), &link).unwrap();
        assert!(create_own_dir(&link).is_err());
    }
}
