//! Does a cluster survive whatever happens to it, for as long as one cares to watch?
//!
//! Started by `cargo xtask soak`, which builds the daemon under test for release.

#![allow(
    clippy::print_stdout,
    reason = "a command line program whose product is its output"
)]

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Duration;

use herdsman_dcs::faults::{Fault, Store};
use herdsman_tests::drill::{Drill, Stage};
use herdsman_tests::soak::Soak;
use herdsman_tests::soak::failsafe::run as run_failsafe;
use herdsman_tests::soak::stores::run as run_stores;
use herdsman_tests::soak::synchronous::run as run_synchronous;

const USAGE: &str = "usage: soak [--minutes N] [--seed S] [--ttl T]
       soak drills [--rounds N] [--ttl T]
       soak sync [--times N]
       soak failsafe
       soak stores [etcd] [zookeeper] [--seconds N] [--step-clock]

  sync         only: the leader of a synchronous cluster is killed, frozen and cut from the store
  --times N    how many times each (20)
  failsafe     only: the store of a cluster in failsafe mode is away for a minute, on both stores

  stores       only: what a holder of the lock goes through on each store, fault after fault
  --seconds N  how long each fault lasts (20)
  --step-clock only: the wall clock of this machine is set forwards and backwards by an hour, each
               for half of the time; started as root, not by cargo xtask, on a machine of its own

  --minutes N  no fault begins later (10)
  --seed S     chooses the faults; equal seeds choose equal ones (drawn)
  --ttl T      the lease in seconds (5)

drills: each of the drills of docs/balancer.md behind HAProxy and PgBouncer

  --rounds N   how often (3)
  --ttl T      the lease in seconds (30)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == "drills"
    {
        return match parse_drills(rest) {
            Ok((rounds, ttl_seconds)) => drills(rounds, ttl_seconds),
            Err(problem) => refuse(&problem),
        };
    }
    if arguments.first().is_some_and(|first| first == "sync") {
        return synchronous(&arguments[1..]);
    }
    if arguments.first().is_some_and(|first| first == "failsafe") {
        return match catch_unwind(|| run_failsafe(|progress| println!("{progress}"))) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    if arguments.first().is_some_and(|first| first == "stores") {
        return stores(&arguments[1..]);
    }
    let soak = match parse(&arguments) {
        Ok(Some(soak)) => soak,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => return refuse(&problem),
    };
    let (minutes, seed) = (soak.duration.as_secs() / 60, soak.seed);
    println!("{minutes} minutes, seed {seed}");
    // A cluster that does not recover panics, after it has shown its logs.
    match catch_unwind(|| soak.run(|progress| println!("{progress}"))) {
        Ok(summary) => {
            println!("\n{}", summary.render());
            ExitCode::SUCCESS
        }
        Err(_) => {
            println!("\nfailed: run it again by --seed {seed}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(problem: &str) -> ExitCode {
    eprintln!("soak: {problem}\n{USAGE}");
    ExitCode::from(2)
}

/// Every drill in each round; something that is not as it must be panics, with the logs shown.
fn drills(rounds: u64, ttl_seconds: u64) -> ExitCode {
    println!("{rounds} rounds, ttl {ttl_seconds} s");
    let stage = Stage::start(ttl_seconds);
    for round in 1..=rounds {
        for drill in Drill::ALL {
            println!("{round}: {}", stage.run(drill));
        }
    }
    ExitCode::SUCCESS
}

/// How many rounds, and the lease.
fn parse_drills(arguments: &[String]) -> Result<(u64, u64), String> {
    let (mut rounds, mut ttl_seconds) = (3, 30);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next().and_then(|text| text.parse::<u64>().ok());
        let value = value.ok_or_else(|| format!("{argument} needs a number"));
        match argument.as_str() {
            "--rounds" => rounds = value?,
            "--ttl" => ttl_seconds = value?,
            other => return Err(format!("`{other}` is not understood")),
        }
    }
    Ok((rounds, ttl_seconds))
}

fn synchronous(arguments: &[String]) -> ExitCode {
    let times = match arguments {
        [] => 20,
        [option, times] if option == "--times" && times.parse::<u32>().is_ok() => {
            times.parse().unwrap_or_default()
        }
        _ => {
            eprintln!("soak: sync takes --times and a number\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match catch_unwind(|| run_synchronous(times, |progress| println!("{progress}"))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn stores(arguments: &[String]) -> ExitCode {
    let (mut stores, mut lasts) = (Vec::new(), Duration::from_secs(20));
    let mut faults = Fault::ALL.to_vec();
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        match argument {
            "etcd" => stores.push(Store::Etcd),
            "zookeeper" => stores.push(Store::ZooKeeper),
            "--seconds" => match rest.next().and_then(|text| text.parse().ok()) {
                Some(seconds) => lasts = Duration::from_secs(seconds),
                None => return refuse("--seconds needs a number"),
            },
            "--step-clock" => faults = vec![Fault::ClockStepped],
            other => return refuse(&format!("`{other}` is not understood")),
        }
    }
    if stores.is_empty() {
        stores = vec![Store::Etcd, Store::ZooKeeper];
    }
    match run_stores(&stores, &faults, lasts, |line| println!("{line}")) {
        0 => ExitCode::SUCCESS,
        failed => {
            println!("{failed} courses were not as they must be");
            ExitCode::FAILURE
        }
    }
}

/// What to do, or nothing when help is asked for.
fn parse(arguments: &[String]) -> Result<Option<Soak>, String> {
    let mut soak = Soak {
        // The keys of a hash map are drawn from the system.
        seed: RandomState::new().build_hasher().finish() >> 32,
        duration: Duration::from_secs(600),
        ttl_seconds: 5,
    };
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        let mut value = || {
            let text = rest.next();
            let text = text.ok_or_else(|| format!("{argument} needs a value"))?;
            text.parse::<u64>()
                .map_err(|_| format!("`{text}` is not a number"))
        };
        match argument {
            "--help" | "-h" => return Ok(None),
            "--minutes" => soak.duration = Duration::from_secs(60 * value()?),
            "--seed" => soak.seed = value()?,
            "--ttl" => soak.ttl_seconds = value()?,
            other => return Err(format!("`{other}` is not understood")),
        }
    }
    Ok(Some(soak))
}
