//! Searches simulated clusters for runs in which something that must hold does not.
//!
//! Started by `cargo xtask sim`, which builds it for release.

#![expect(
    clippy::print_stdout,
    reason = "a command line program whose product is its output"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use herdsman_sim::outcome::Outcome;
use herdsman_sim::run::{Lines, run};
use herdsman_sim::schedule::{Schedule, Swarm};
use herdsman_sim::script;
use herdsman_sim::search::{Repeat, Search, Subject, Sums, attempt, render, search};

mod arguments;
mod failure;
mod mutants;
mod table;

use arguments::{Arguments, Mutation, USAGE};

/// A step makes and drops many small things: this allocator plays a seventh more of them than the
/// one of the system does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let arguments = match arguments::parse(&words) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("sim: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if cfg!(debug_assertions) {
        eprintln!("sim: this is not a release build: start it by `cargo xtask sim`");
    }
    let result = perform(arguments);
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("sim: {problem}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was found that should not be.
fn perform(mut arguments: Arguments) -> Result<bool, String> {
    if let Some(path) = &arguments.script {
        return play_script(path);
    }
    let Some(mutation) = arguments.mutation.take() else {
        return Ok(if arguments.seeds.is_some() {
            explore(&arguments)
        } else {
            one(&arguments)
        });
    };
    if !cfg!(feature = "mutants") {
        return Err("this build breaks no rules: use `cargo xtask sim --mutants`".to_owned());
    }
    let subjects = match &mutation {
        Mutation::All => Subject::all(),
        Mutation::One(name) => vec![mutants::named(name)?],
    };
    match subjects[..] {
        // One seed of one mutant, as the command of a replay says it.
        [subject] if arguments.has_seed && arguments.seeds.is_none() => {
            arguments.wish = subject.wish(&arguments.wish);
            Ok(one(&arguments))
        }
        _ => mutants::perform(&arguments, &subjects),
    }
}

/// A script, with its outputs as they are.
fn play_script(path: &Path) -> Result<bool, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    let played = script::run(&text)?;
    print!("{}", played.text);
    for problem in &played.problems {
        println!("{problem}");
    }
    Ok(played.problems.is_empty())
}

/// What the search plays.
fn play(schedule: &Schedule) -> Outcome {
    run(schedule, Lines::None)
}

/// A single seed, shown whatever it comes to.
fn one(arguments: &Arguments) -> bool {
    let seed = arguments.first_seed;
    println!("seed {seed}: {}", Swarm::of(seed, &arguments.wish));
    let schedule = Schedule::generate(seed, &arguments.wish);
    let repeat = if arguments.is_twice {
        Repeat::Twice
    } else {
        Repeat::Once
    };
    let outcome = attempt(&play, &schedule, repeat);
    let Some(violation) = &outcome.violation else {
        failure::print_lines(arguments, &schedule);
        println!(
            "{} faults, {} s, {} steps, hash {:016x}: nothing is violated",
            schedule.faults.len(),
            outcome.simulated.as_secs(),
            outcome.steps,
            outcome.hash
        );
        for (remark, count) in &outcome.remarks {
            println!("remark {remark}: {count}");
        }
        return true;
    };
    failure::show(arguments, &schedule, violation);
    false
}

/// Many seeds.
fn explore(arguments: &Arguments) -> bool {
    let count = arguments.seeds.unwrap_or(1);
    let first = arguments.first_seed;
    let plan = Search {
        seeds: first..first.saturating_add(count),
        wish: arguments.wish.clone(),
        threads: arguments.threads,
        keeps_going: arguments.keeps_going,
        twice_every: if arguments.is_twice { 1 } else { 64 },
    };
    let sums = search(&plan, &play, &mut |sums| {
        eprintln!("{}", progress(sums, count))
    });
    // The first of each kind is worth reading, of the others the seed is.
    let mut shown = BTreeSet::new();
    for found in &sums.found {
        let violation = &found.violation;
        if shown.insert(violation.invariant) {
            failure::show(arguments, &found.schedule, violation);
            println!();
        } else {
            let (seed, invariant) = (found.schedule.seed, violation.invariant);
            println!("seed {seed}: {invariant}: {}", violation.text);
        }
    }
    print!("{}", render(&sums));
    sums.found.is_empty()
}

fn progress(sums: &Sums, count: u64) -> String {
    format!(
        "{} of {count} seeds, {} simulated hours, {} hours per core-minute, {} violations",
        sums.seeds,
        sums.simulated.as_secs() / 3600,
        sums.hours_per_core_minute(),
        sums.found.len()
    )
}
