//! The table of broken rules, and whether each is noticed.

use herdsman_sim::search::{Caught, Search, Subject, mutants};

use super::{Arguments, failure, play, table};

/// Each must be noticed within so many seeds.
const SEEDS: u64 = 2000;

/// To tell how many faults it takes, not to find the very smallest schedule.
const RUNS: u32 = 400;

pub(crate) fn named(name: &str) -> Result<Subject, String> {
    let found = Subject::all()
        .into_iter()
        .find(|subject| subject.name() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = Subject::all()
            .iter()
            .map(|subject| subject.name())
            .collect();
        format!("`{name}` is no mutant; there are: {}", names.join(" "))
    })
}

/// Prints the table; tells whether all were noticed.
pub(crate) fn perform(arguments: &Arguments, subjects: &[Subject]) -> Result<bool, String> {
    let is_whole = subjects == Subject::all();
    if arguments.is_written && !is_whole {
        return Err("--write is for all mutants at once".to_owned());
    }
    let first = arguments.first_seed;
    let plan = Search {
        seeds: first..first + arguments.seeds.unwrap_or(SEEDS),
        wish: arguments.wish.clone(),
        threads: arguments.threads,
        keeps_going: false,
        twice_every: 0,
    };
    println!(
        "{:<36} {:>6} {:>6}  {:<42} {:>9} {:>8}",
        "mutant", "seed", "faults", "invariant", "simulated", "wall"
    );
    let mut tell = |caught: &Caught| println!("{}", row(arguments, caught));
    let caught = mutants(subjects, &plan, &play, &mut tell);
    if let [only] = &caught[..]
        && let Some(found) = &only.found
    {
        failure::show(arguments, &found.schedule, &found.violation);
    }
    let survivors: Vec<&str> = caught
        .iter()
        .filter(|caught| caught.found.is_none())
        .map(|caught| caught.subject.name())
        .collect();
    let noticed = caught.len() - survivors.len();
    println!("\n{noticed} of {} mutants are noticed", caught.len());
    if !survivors.is_empty() {
        println!("survivors: {}", survivors.join(" "));
    }
    if arguments.is_written {
        let path = table::write(&caught).map_err(|error| format!("docs/mutants.md: {error}"))?;
        println!("written: {}", path.display());
    }
    Ok(survivors.is_empty())
}

fn row(arguments: &Arguments, caught: &Caught) -> String {
    let (mut seed, mut faults) = ("-".to_owned(), "-".to_owned());
    let mut invariant = "SURVIVED".to_owned();
    let expected = caught.subject.expected();
    if let Some(found) = &caught.found {
        seed = found.schedule.seed.to_string();
        let count = if arguments.is_shrunk {
            let shrunk = failure::smallest(&found.schedule, &found.violation, RUNS);
            shrunk.schedule.faults.len()
        } else {
            found.schedule.faults.len()
        };
        faults = count.to_string();
        found.violation.invariant.clone_into(&mut invariant);
    }
    if invariant != expected {
        invariant += &format!(" ({expected})");
    }
    // A seed that violates something anyway is worth more than a mutant that is noticed.
    let anyway = caught.also_without();
    if anyway > 0 {
        invariant += &format!("; {anyway} seeds violate it without the mutant too");
    }
    format!(
        "{:<36} {seed:>6} {faults:>6}  {invariant:<42} {:>8}s {:>6}ms",
        caught.subject.name(),
        caught.simulated().as_secs(),
        caught.sums.wall.as_millis(),
    )
}
