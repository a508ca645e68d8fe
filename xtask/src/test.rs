//! `cargo xtask test`: everything that has to hold before a change is merged.
//!
//! Invariant: there is no other gate; what the continuous integration runs is
//! this command without arguments.

use std::ffi::OsString;

use crate::counts::Runner;
use crate::error::Error;
use crate::install;
use crate::place::Place;
use crate::steps::Steps;

pub(crate) fn test(args: &[OsString]) -> Result<u8, Error> {
    let scope = Scope::of(args);
    install::ensure(install::ALL)?;
    let place = Place::find()?;
    let mut steps = Steps::default();
    let result = run(&place, &mut steps, &scope);
    steps.print_summary(result.is_ok());
    result.map(|()| 0)
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Scope {
    Everything,
    /// The tests alone, and of these only some if there are filters.
    Tests {
        filters: Vec<OsString>,
    },
}

impl Scope {
    fn of(args: &[OsString]) -> Self {
        let is_fast = args.iter().any(|arg| arg == "--fast");
        let others = args.iter().filter(|arg| *arg != "--fast");
        let filters: Vec<OsString> = others.cloned().collect();
        if is_fast || !filters.is_empty() {
            Self::Tests { filters }
        } else {
            Self::Everything
        }
    }
}

fn run(place: &Place, steps: &mut Steps, scope: &Scope) -> Result<(), Error> {
    match scope {
        Scope::Tests { filters } => tests(place, steps, filters),
        Scope::Everything => {
            checks(place, steps)?;
            tests(place, steps, &[])?;
            doctests(place, steps)
        }
    }
}

fn checks(place: &Place, steps: &mut Steps) -> Result<(), Error> {
    steps.run("fmt", place.cargo_in_checkout().args(["fmt", "--check"]))?;
    steps.run(
        "clippy",
        place
            .cargo()
            .args(["clippy", "--workspace", "--all-targets", "--all-features"])
            .args(["--", "-D", "warnings"]),
    )?;
    // As `cargo xtask demo` builds it: without a store that is a program of its own.
    steps.run(
        "demo",
        place
            .cargo()
            .args(["clippy", "--package", "herdsman-demo"])
            .args(["--", "-D", "warnings"]),
    )?;
    steps.run(
        "doc",
        place
            .cargo()
            .args(["doc", "--workspace", "--no-deps", "--all-features"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn tests(place: &Place, steps: &mut Steps, filters: &[OsString]) -> Result<(), Error> {
    // End-to-end tests start the programs of other packages, which cargo does
    // not build for them. Tests are built along with them: what only tests need
    // of tokio and others makes another set of features, and programs alone
    // would be built without it, and half of the workspace then once more.
    steps.run(
        "build",
        place
            .cargo()
            .args(["build", "--workspace", "--all-features"])
            .args(["--bins", "--tests"]),
    )?;
    let mut command = place.cargo_tests();
    let runner = if place.has_subcommand("nextest") {
        command.args(["nextest", "run", "--config-file", "xtask/nextest.toml"]);
        Runner::Nextest
    } else {
        // The kinds of targets that nextest runs as well: all but doctests.
        command.args(["test", "--lib", "--bins", "--tests", "--examples"]);
        Runner::Harness
    };
    command.args(["--workspace", "--all-features", "--no-fail-fast"]);
    steps.run_tests("tests", runner, command.args(filters))
}

fn doctests(place: &Place, steps: &mut Steps) -> Result<(), Error> {
    let mut command = place.cargo_tests();
    command.args(["test", "--doc", "--workspace", "--all-features"]);
    steps.run_tests("doctests", Runner::Harness, &mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(args: &[&str]) -> Scope {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        Scope::of(&args)
    }

    #[test]
    fn no_argument_means_everything() {
        assert_eq!(scope(&[]), Scope::Everything);
    }

    #[test]
    fn fast_means_all_tests_and_nothing_else() {
        assert_eq!(scope(&["--fast"]), Scope::Tests { filters: vec![] });
    }

    #[test]
    fn filters_are_passed_on_with_their_options() {
        let filters = vec!["-E".into(), "test(lease)".into()];
        assert_eq!(scope(&["-E", "test(lease)"]), Scope::Tests { filters });
    }
}
