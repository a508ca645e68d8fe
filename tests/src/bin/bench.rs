//! How long is a cluster without a primary, and what does it cost while it is idle?
//!
//! Started by `cargo xtask bench failover`, which builds the daemon under test for release.

#![allow(
    clippy::print_stdout,
    reason = "a command line program whose product is its output"
)]

use std::process::ExitCode;

use herdsman_tests::bench::{Contender, Measure, Plan, dcs, machine_facts};

const USAGE: &str =
    "usage: bench dcs\n       bench [failover] [--runs N] [--against patroni] [--ttl T,..] [--only M,..]

  --runs N           how often each thing is measured (5)
  --against patroni  the same of Patroni, named by PATRONI_BIN or found in PATH
  --ttl T,..         the leases in seconds with which a host is lost (5,20)
  --only M,..        of crash, switchover, busy-switchover, stall, host, return, idle

dcs: what the stores themselves cost, without PostgreSQL: renewals with and without a hung server,
and the time from the loss of a holder's host until the next has its lock";

/// Leases with which a host is lost.
const TTLS: [u64; 2] = [5, 20];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "dcs") {
        for fact in machine_facts(&[]) {
            println!("{fact}");
        }
        dcs::measure(|line| println!("{line}"));
        return ExitCode::SUCCESS;
    }
    let plan = match parse(&arguments) {
        Ok(Some(plan)) => plan,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("bench: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if cfg!(debug_assertions) {
        eprintln!("bench: this is not a release build: start it by `cargo xtask bench`");
    }
    for fact in machine_facts(&plan.contenders) {
        println!("{fact}");
    }
    println!();
    let report = plan.run(|progress| eprintln!("{progress}"));
    println!("{}", report.render());
    if report.is_on_target() {
        ExitCode::SUCCESS
    } else {
        println!("a target is missed");
        ExitCode::FAILURE
    }
}

/// The plan, or nothing when help is asked for.
fn parse(arguments: &[String]) -> Result<Option<Plan>, String> {
    let mut contenders = vec![Contender::Herdsman];
    let (mut runs, mut ttls) = (5, TTLS.to_vec());
    let mut only: Option<Vec<String>> = None;
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        let mut value = || {
            rest.next()
                .ok_or_else(|| format!("{argument} needs a value"))
        };
        match argument {
            "failover" => {}
            "--help" | "-h" => return Ok(None),
            "--runs" => runs = number(value()?)?,
            "--ttl" => ttls = value()?.split(',').map(number).collect::<Result<_, _>>()?,
            "--only" => only = Some(value()?.split(',').map(str::to_owned).collect()),
            "--against" => match value()? {
                "patroni" => contenders.push(Contender::patroni()?),
                other => return Err(format!("`{other}` is no program that can be compared with")),
            },
            other => return Err(format!("`{other}` is not understood")),
        }
    }
    if runs == 0 {
        return Err("there must be a run".to_owned());
    }
    Ok(Some(Plan {
        contenders,
        measures: measures(only.as_deref(), &ttls)?,
        runs,
    }))
}

fn measures(only: Option<&[String]>, ttls: &[u64]) -> Result<Vec<Measure>, String> {
    let all = [
        "crash",
        "switchover",
        "busy-switchover",
        "stall",
        "host",
        "return",
        "idle",
    ]
    .map(str::to_owned);
    let mut measures = Vec::new();
    for name in only.unwrap_or(&all) {
        match name.as_str() {
            "crash" => measures.push(Measure::Crash),
            "switchover" => measures.push(Measure::Switchover),
            "busy-switchover" => measures.push(Measure::BusySwitchover),
            "stall" => measures.push(Measure::Stall),
            "host" => measures.extend(
                ttls.iter()
                    .map(|&ttl_seconds| Measure::HostLoss { ttl_seconds }),
            ),
            "return" => measures.push(Measure::Return),
            "idle" => measures.push(Measure::Idle),
            other => return Err(format!("`{other}` is no measurement")),
        }
    }
    Ok(measures)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number"))
}
