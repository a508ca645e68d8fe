//! Which broken promise does some order of events in a small world lead to?
//!
//! `cargo xtask sim explore` runs it; `--help` tells how it is asked.

#![expect(
    clippy::print_stdout,
    reason = "a command line program whose product is its output"
)]

use std::process::ExitCode;
use std::time::Instant;

use herdsman_sim::explore::{Bounds, Kind, Report, explore};

const HELP: &str = "\
usage: explore [--members 2|3] [--faults N] [--only KIND,..] [--rows 0|1]
               [--delays N|any] [--swaps N|any] [--fine]
               [--limit STATES] [--depth STEPS] [--mutant NAME] [--quiet]

Searches every order of events in a small cluster for a broken promise.

  --faults   how many things may go wrong (1)
  --only     which: server agent cut freeze freeze-server mute linger move
  --rows     how many rows a client writes (1)
  --delays   how often time may pass although something could happen (0)
  --swaps    how often something may happen out of the usual order (any)
  --limit    end after so many states (1000000)
  --depth    end after so many steps from the beginning
  --fine     let publications, slots and checkpoints take their time as well
  --mutant   break a rule of the machines; needs the feature `mutants`
  --quiet    tell only the end
";

struct Asked {
    bounds: Bounds,
    is_quiet: bool,
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let asked = match read(&mut args) {
        Ok(asked) => asked,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let Some(asked) = asked else {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    };
    let begun = Instant::now();
    let report = explore(&asked.bounds, |report| {
        if !asked.is_quiet {
            println!("{}", line(report, begun));
        }
    });
    match report {
        Ok(report) => tell(&report, begun),
        Err(_) => {
            eprintln!("under these rules no cluster comes to rest: there is nothing to begin with");
            ExitCode::FAILURE
        }
    }
}

fn read(args: &mut impl Iterator<Item = String>) -> Result<Option<Asked>, String> {
    let mut bounds = Bounds::default();
    let mut is_quiet = false;
    while let Some(name) = args.next() {
        match name.as_str() {
            "--help" | "-h" => return Ok(None),
            "--fine" => {
                bounds.is_fine = true;
                continue;
            }
            "--quiet" => {
                is_quiet = true;
                continue;
            }
            _ => {}
        }
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        let wrong = || format!("{name} {value}: not understood\n\n{HELP}");
        match name.as_str() {
            "--members" => {
                let number = value.parse().ok();
                bounds.members = number.filter(|it| (2..=3).contains(it)).ok_or_else(wrong)?;
            }
            "--faults" => bounds.faults = value.parse().map_err(|_| wrong())?,
            "--rows" => {
                let number = value.parse().ok();
                bounds.rows = number.filter(|it| *it <= 1).ok_or_else(wrong)?;
            }
            "--only" => {
                let kinds: Option<Vec<Kind>> = value.split(',').map(Kind::named).collect();
                bounds.kinds = kinds.ok_or_else(wrong)?;
            }
            "--swaps" if value == "any" => bounds.swaps = None,
            "--swaps" => bounds.swaps = Some(value.parse().map_err(|_| wrong())?),
            "--delays" if value == "any" => bounds.delays = None,
            "--delays" => bounds.delays = Some(value.parse().map_err(|_| wrong())?),
            "--limit" => bounds.states = value.parse().map_err(|_| wrong())?,
            "--depth" => bounds.depth = Some(value.parse().map_err(|_| wrong())?),
            "--mutant" => set_mutant(&mut bounds, &value)?,
            _ => return Err(wrong()),
        }
    }
    Ok(Some(Asked { bounds, is_quiet }))
}

#[cfg(feature = "mutants")]
fn set_mutant(bounds: &mut Bounds, name: &str) -> Result<(), String> {
    let mutant = name.parse::<herdsman_ha_core::Mutant>();
    bounds.mutant = Some(mutant.map_err(|error| error.to_string())?);
    Ok(())
}

#[cfg(not(feature = "mutants"))]
fn set_mutant(_: &mut Bounds, name: &str) -> Result<(), String> {
    Err(format!(
        "{name}: this program was built without the feature `mutants`"
    ))
}

fn line(report: &Report, begun: Instant) -> String {
    let millis = u64::try_from(begun.elapsed().as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    let states = u64::try_from(report.states).unwrap_or(u64::MAX);
    format!(
        "depth {:>3}  {:>9} states  {:>10} transitions  {:>7}.{:03} s  {:>6} states/s  {} MiB",
        report.depth,
        states,
        report.transitions,
        millis / 1000,
        millis % 1000,
        states * 1000 / millis,
        memory_mib(),
    )
}

fn tell(report: &Report, begun: Instant) -> ExitCode {
    println!("{}", line(report, begun));
    let (steps, remembered) = report.steps;
    println!("the machines took {steps} steps, {remembered} more were remembered");
    let leaders: Vec<String> = report.leaders.iter().map(ToString::to_string).collect();
    let whole = report.whole;
    println!(
        "the cluster was whole in {whole} states, led by {}",
        leaders.join(" or ")
    );
    let Some(found) = &report.found else {
        let end = if report.is_complete {
            "every state was met: no promise is broken"
        } else {
            "the search has ended at its bound: no promise is broken so far"
        };
        println!("{end}");
        return ExitCode::SUCCESS;
    };
    println!();
    print!("{found}");
    ExitCode::FAILURE
}

/// The most memory that this process ever held, where the system tells.
fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
