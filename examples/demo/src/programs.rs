//! Where the programs of PostgreSQL are on this machine.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::AnyError;

/// What a member cannot do without.
const NEEDED: [&str; 3] = ["postgres", "initdb", "pg_basebackup"];

/// Where Debian and its descendants put each version, outside of `PATH`.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The folder of PostgreSQL's programs: of `PATH`, or else the newest below `/usr/lib/postgresql`.
pub(crate) fn find() -> Result<PathBuf, AnyError> {
    let path = env::var_os("PATH").unwrap_or_default();
    find_in(&path, Path::new(VERSIONS)).ok_or_else(|| {
        let names = NEEDED.join(", ");
        format!("PostgreSQL is not installed: {names} are neither in PATH nor in {VERSIONS}/*/bin")
            .into()
    })
}

fn find_in(path: &OsStr, versions: &Path) -> Option<PathBuf> {
    let in_path = env::split_paths(path).find(|folder| is_complete(folder));
    in_path.or_else(|| newest_version(versions))
}

fn is_complete(folder: &Path) -> bool {
    NEEDED.iter().all(|program| folder.join(program).is_file())
}

fn newest_version(versions: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(versions).ok()?;
    let versions = versions.filter_map(|entry| {
        let entry = entry.ok()?;
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let folder = entry.path().join("bin");
        is_complete(&folder).then_some((version, folder))
    });
    versions.max().map(|(_, folder)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn install(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for program in NEEDED {
            fs::write(folder.join(program), "").unwrap();
        }
    }

    #[test]
    fn the_newest_complete_version_is_taken() {
        let root = tempfile::tempdir().unwrap();
        install(&root.path().join("9/bin"));
        install(&root.path().join("15/bin"));
        fs::create_dir_all(root.path().join("17/bin")).unwrap();
        let found = find_in(OsStr::new("/nowhere"), root.path());
        assert_eq!(found, Some(root.path().join("15/bin")));
    }

    #[test]
    fn the_search_path_goes_before_the_versions() {
        let root = tempfile::tempdir().unwrap();
        install(&root.path().join("15/bin"));
        let own = root.path().join("own");
        install(&own);
        assert_eq!(find_in(own.as_os_str(), root.path()), Some(own));
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(find_in(OsStr::new(""), root.path()), None);
    }
}
