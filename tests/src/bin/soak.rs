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

use herdsman_tests::soak::Soak;

const USAGE: &str = "usage: soak [--minutes N] [--seed S] [--ttl T]

  --minutes N  no fault begins later (10)
  --seed S     chooses the faults; equal seeds choose equal ones (drawn)
  --ttl T      the lease in seconds (5)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let soak = match parse(&arguments) {
        Ok(Some(soak)) => soak,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("soak: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
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
