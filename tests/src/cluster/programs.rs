//! Where the programs under test are: the daemon and the command line that this build made, and PostgreSQL.

use std::path::{Path, PathBuf};

/// Names another daemon than the one beside the test binary.
const DAEMON_VARIABLE: &str = "HERDSMAN_BIN";
/// Names another command line than the one beside the test binary.
const CONTROL_VARIABLE: &str = "HERDSMANCTL_BIN";
/// Names the folder of PostgreSQL's programs.
const POSTGRES_VARIABLE: &str = "HERDSMAN_TEST_PG_BIN";
/// Where Debian and its descendants put each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The daemon: `HERDSMAN_BIN`, or the one of the same build as this program.
///
/// # Panics
/// When it was not built.
pub(crate) fn daemon() -> PathBuf {
    let named = std::env::var_os(DAEMON_VARIABLE).map(PathBuf::from);
    named.unwrap_or_else(|| built("herdsman"))
}

/// The command line: `HERDSMANCTL_BIN`, or the one of the same build as this program.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn control() -> PathBuf {
    let named = std::env::var_os(CONTROL_VARIABLE).map(PathBuf::from);
    named.unwrap_or_else(|| built("herdsmanctl"))
}

/// A program of the same build as this one.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    // A test binary is in `deps` below the folder of the programs, another program is beside them.
    let beside = own.ancestors().skip(1).take(2);
    let mut found = beside.map(|folder| folder.join(name));
    found.find(|program| program.is_file()).unwrap_or_else(|| {
        panic!(
            "there is no {name} near {}: build it by `cargo build -p {name}`; {DAEMON_VARIABLE} \
             and {CONTROL_VARIABLE} may name other programs",
            own.display()
        )
    })
}

/// The folder of PostgreSQL's programs.
///
/// # Panics
/// When PostgreSQL is not installed.
#[must_use]
pub fn postgres_folder() -> PathBuf {
    if let Some(folder) = std::env::var_os(POSTGRES_VARIABLE) {
        return folder.into();
    }
    let newest = std::fs::read_dir(VERSIONS)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max();
    let newest = newest.unwrap_or_else(|| panic!("there is no PostgreSQL in {VERSIONS}"));
    Path::new(VERSIONS).join(newest.to_string()).join("bin")
}
