//! How cargo is called from within `cargo run`.
//!
//! Invariant: the inner cargo sees the environment that the person has, not
//! what the outer cargo added for this package; otherwise build scripts that
//! watch such variables would be rebuilt back and forth.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::Error;

/// A cargo command to be run in `root`.
pub(crate) fn cargo(root: &Path) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root).env_remove("CARGO");
    for (name, _) in env::vars_os() {
        let is_of_outer_cargo = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if is_of_outer_cargo {
            command.env_remove(name);
        }
    }
    command
}

/// Whether `cargo <subcommand>` is installed.
pub(crate) fn has_subcommand(root: &Path, subcommand: &str) -> bool {
    cargo(root)
        .args([subcommand, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The variable that names the program to start test binaries with.
pub(crate) fn runner_variable() -> Result<String, Error> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .map_err(Error::io("run rustc"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let triple = host_triple(&text)
        .ok_or_else(|| Error::Failed("rustc -vV does not name its host".to_owned()))?;
    Ok(variable_of(triple))
}

fn host_triple(rustc_version: &str) -> Option<&str> {
    let mut lines = rustc_version.lines();
    lines.find_map(|line| line.strip_prefix("host: "))
}

fn variable_of(triple: &str) -> String {
    let name = triple.replace(['-', '.'], "_").to_uppercase();
    format!("CARGO_TARGET_{name}_RUNNER")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runner_variable_is_the_host_triple_in_upper_case() {
        let version = "rustc 1.95.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\n";
        let triple = host_triple(version).unwrap();
        assert_eq!(
            variable_of(triple),
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER"
        );
    }

    #[test]
    fn rustc_without_a_host_line_has_no_triple() {
        assert_eq!(host_triple("rustc 1.95.0\n"), None);
    }
}
