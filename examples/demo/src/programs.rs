//! Where the programs of PostgreSQL are on this machine.

use std::env;
use std::path::{Path, PathBuf};

use crate::AnyError;

/// What a member cannot do without.
const NEEDED: [&str; 3] = ["postgres", "initdb", "pg_basebackup"];

/// Where Debian and its descendants put each version, outside of `PATH`.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The folder of PostgreSQL's programs: of `PATH`, or else the newest below `/usr/lib/postgresql`.
pub(crate) fn find() -> Result<PathBuf, AnyError> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).find(|folder| is_complete(folder)).or_else(newest_version).ok_or_else(
        || {
            format!(
                "PostgreSQL is not installed: {} are neither in PATH nor in {VERSIONS}/*/bin",
                NEEDED.join(", ")
            )
            .into()
        },
    )
}

fn is_complete(folder: &Path) -> bool {
    NEEDED.iter().all(|program| folder.join(program).is_file())
}

fn newest_version() -> Option<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).ok()?;
    let versions = versions.filter_map(|entry| {
        let entry = entry.ok()?;
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let folder = entry.path().join("bin");
        is_complete(&folder).then_some((version, folder))
    });
    versions.max().map(|(_, folder)| folder)
}
