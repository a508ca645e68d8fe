//! Where the programs under test are: the daemon that this build made, and PostgreSQL.

use std::path::{Path, PathBuf};

/// Names another daemon than the one beside the test binary.
const DAEMON_VARIABLE: &str = "HERDSMAN_BIN";
/// Names the folder of PostgreSQL's programs.
const POSTGRES_VARIABLE: &str = "HERDSMAN_TEST_PG_BIN";
/// Where Debian and its descendants put each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The daemon: `HERDSMAN_BIN`, or the one of the same build as this program.
///
/// # Panics
/// When it was not built.
pub(crate) fn daemon() -> PathBuf {
    if let Some(program) = std::env::var_os(DAEMON_VARIABLE) {
        return program.into();
    }
    let own = std::env::current_exe().expect("a running program has a path");
    // A test binary is in `deps` below the folder of the programs, another program is beside them.
    let beside = own.ancestors().skip(1).take(2);
    let mut found = beside.map(|folder| folder.join("herdsman"));
    found.find(|program| program.is_file()).unwrap_or_else(|| {
        panic!(
            "there is no daemon near {}: build it by `cargo build -p herdsman`, or name it by \
             {DAEMON_VARIABLE}",
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
