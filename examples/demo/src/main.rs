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
mod store;
mod story;
mod table;
mod text;
mod timeline;
mod writer;

use std::io::Write;
use std::process::ExitCode;

use demo::{Afterwards, Ended};
use store::Kind;

const USAGE: &str = "usage: herdsman-demo [--dcs STORE] [--stay | --help]

Three PostgreSQL servers with their agents begin in a temporary folder, a client writes a row every
10 ms, the primary is killed, it comes back, and the leadership is moved to it again. Each step is
shown with its milliseconds, its reason and the rows that were lost. It takes less than a minute.

  --dcs STORE  memory, in this process; or etcd or zookeeper, three servers that the demo starts
               (what is installed, in a program that was built with the feature `stores`)
  --stay       keep the cluster running afterwards, with commands to try, until Ctrl-C
  --help       this text

Everything listens on 127.0.0.1 only, and everything is removed at the end. PostgreSQL must be
installed, and must not be started by root.
Exit code: 0 when everything happened, 1 when something did not, 130 after Ctrl-C.";

/// Errors that end the run; whoever reads them is a person.
type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match parse(&arguments) {
        Ok(Some((kind, afterwards))) => run(kind, afterwards),
        Ok(None) => {
            // Nobody may be reading.
            let _ = writeln!(std::io::stdout(), "{USAGE}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("herdsman-demo: {problem}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// What is asked for; none: help.
fn parse(arguments: &[String]) -> Result<Option<(Kind, Afterwards)>, String> {
    let (mut kind, mut afterwards) = (Kind::Memory, Afterwards::End);
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--help" | "-h" => return Ok(None),
            "--stay" => afterwards = Afterwards::Stay,
            "--dcs" => kind = words.next().ok_or("`--dcs` names no store")?.parse()?,
            unknown => return Err(format!("`{unknown}` is not understood")),
        }
    }
    Ok(Some((kind, afterwards)))
}

fn run(kind: Kind, afterwards: Afterwards) -> ExitCode {
    match demo::run(kind, afterwards) {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("herdsman-demo: {error}");
            ExitCode::FAILURE
        }
    }
}
