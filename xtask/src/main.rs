//! Developer commands: `cargo xtask demo | test | sim | soak | bench | setup | help`.
//!
//! A bare Debian or Ubuntu machine with Rust is enough: what else is needed is
//! installed when we may, and named exactly when we may not.
//! Invariant: nothing that starts PostgreSQL is run as root, because
//! PostgreSQL refuses that; see [`scratch`] for how.

#![allow(
    clippy::print_stdout,
    reason = "a command line program whose product is its output"
)]

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

mod account;
mod cargo;
mod checkout;
mod child;
mod counts;
mod error;
mod explore;
mod install;
mod place;
mod programs;
mod runner;
mod scratch;
mod steps;
mod test;

use error::Error;

const HELP: &str = "\
usage: cargo xtask <command> [arguments]

  demo [args..]            watch a three-member cluster on this machine
  test [--fast] [filter..] every check and every test; with --fast or with
                           filters (as of cargo-nextest) only the tests
  sim [args..]             search simulated clusters for broken promises
  sim explore [args..]     search every order of events in a small cluster
  soak [args..]            faults on real servers for a long time
  bench [name] [args..]    measure, for example `bench failover`
  setup                    install what `test` needs, and nothing else
  help                     this text

Missing Debian packages are installed as root or by a sudo that asks for no
password; otherwise the command to run is printed. Started as root, all that
runs PostgreSQL runs as the user postgres, or nobody.
";

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<OsString> = args.collect();
    match run(&command.to_string_lossy(), &rest) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str, rest: &[OsString]) -> Result<u8, Error> {
    match command {
        "demo" => programs::demo(rest),
        "test" => test::test(rest),
        "sim" if rest.first().is_some_and(|word| word == explore::WORD) => {
            explore::explore(&rest[1..])
        }
        "sim" => programs::sim(rest),
        "soak" => programs::measure("soak", rest),
        "bench" => programs::measure("bench", rest),
        "setup" => install::ensure(install::ALL).map(|()| 0),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(0)
        }
        runner::COMMAND => Err(runner::run(rest)),
        other => Err(Error::Usage(format!("unknown command '{other}'\n\n{HELP}"))),
    }
}
