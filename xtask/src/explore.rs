//! `cargo xtask sim explore`: every order of events in a small cluster.
//!
//! Invariant: its exit code is ours, and nothing but Rust is needed.

use std::ffi::OsString;

use crate::cargo;
use crate::checkout;
use crate::child;
use crate::error::Error;

/// The word after `sim` that asks for it.
pub(crate) const WORD: &str = "explore";

/// Builds the program and runs it with these arguments.
pub(crate) fn explore(args: &[OsString]) -> Result<u8, Error> {
    let mut command = cargo::cargo(&checkout::root());
    command.args(["run", "--quiet", "--release", "--package=herdsman-sim"]);
    if args.iter().any(|arg| arg == "--mutant") {
        command.arg("--features=mutants");
    }
    command.args(["--bin", "explore", "--"]).args(args);
    let status = child::run(&mut command)?;
    Ok(child::code(status))
}
