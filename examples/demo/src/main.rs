//! What does a failover look like? Three members on this machine, a client that writes, a kill,
//! and every decision with its reason.
//!
//! This file knows arguments and exit codes; `demo` is the beginning and the end of a run.

mod audit;
mod chance;
mod client;
mod cluster;
mod configuration;
mod demo;
mod ledger;
mod member;
mod ports;
mod programs;
mod recorder;
mod screen;
mod stage;
mod stay;
mod story;
mod table;
mod text;
mod timeline;
mod writer;

use std::io::Write;
use std::process::ExitCode;

use demo::{Afterwards, Ended};

const USAGE: &str = "usage: herdsman-demo [--stay | --help]

Three PostgreSQL servers with their agents begin in a temporary folder, a client writes a row every
10 ms, the primary is killed, it comes back, and the leadership is moved to it again. Each step is
shown with its milliseconds, its reason and the rows that were lost. It takes less than a minute.

  --stay   keep the cluster running afterwards, with commands to try, until Ctrl-C
  --help   this text

The store lives in this process, everything listens on 127.0.0.1 only, and everything is removed at
the end. PostgreSQL must be installed, and must not be started by root.
Exit code: 0 when everything happened, 1 when something did not, 130 after Ctrl-C.";

/// Errors that end the run; whoever reads them is a person.
type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => run(Afterwards::End),
        ["--stay"] => run(Afterwards::Stay),
        ["--help" | "-h"] => {
            // Nobody may be reading.
            let _ = writeln!(std::io::stdout(), "{USAGE}");
            ExitCode::SUCCESS
        }
        unknown => {
            eprintln!(
                "herdsman-demo: `{}` is not understood\n{USAGE}",
                unknown.join(" ")
            );
            ExitCode::from(2)
        }
    }
}

fn run(afterwards: Afterwards) -> ExitCode {
    match demo::run(afterwards) {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("herdsman-demo: {error}");
            ExitCode::FAILURE
        }
    }
}
