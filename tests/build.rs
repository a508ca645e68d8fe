//! Asks cargo for the workspace's packages, for the tests in `it/tidy`.
//!
//! It is done while building because a test may run as a user who has neither
//! cargo nor its registry. A failure is written down in place of the answer:
//! it fails those tests, not the build.

#![allow(clippy::print_stdout, reason = "cargo reads the output")]

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let root = package.parent().expect("the package is in a workspace");
    watch(root);
    // What a build has downloaded is enough nearly always.
    let answer = metadata(root, &["--offline"]).or_else(|_| metadata(root, &[]));
    let output = PathBuf::from(variable("OUT_DIR")).join("metadata.json");
    fs::write(output, answer.unwrap_or_else(String::into_bytes)).expect("OUT_DIR is writable");
}

fn metadata(root: &Path, more: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new(variable("CARGO"))
        .current_dir(root)
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--all-features",
        ])
        .arg("--filter-platform")
        .arg(variable("TARGET"))
        .args(more)
        .output()
        .map_err(|error| format!("cargo metadata does not start: {error}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The answer changes with the lock file and the manifests, also with new ones.
fn watch(root: &Path) {
    // A watched file that does not exist would make every build a new one.
    for file in ["Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }
    for dir in [root, &root.join("examples")] {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let manifest = entry.path().join("Cargo.toml");
            if manifest.is_file() {
                println!("cargo::rerun-if-changed={}", manifest.display());
            }
        }
    }
}

fn variable(name: &str) -> OsString {
    env::var_os(name).expect("cargo sets this variable for build scripts")
}
