//! Shows what was found: shrunk, printed, and written down as a script.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use herdsman_sim::outcome::Violation;
use herdsman_sim::run::{Lines, run};
use herdsman_sim::schedule::{Focus, Schedule, Wish};
use herdsman_sim::search::{Repeat, Subject, attempt, owed_to_the_mutant};
use herdsman_sim::shrink::{Shrunk, shrink};
use herdsman_sim::timeline::{Story, decisions, everything, script, timeline};

use super::Arguments;

/// So many runs may make a schedule smaller.
const RUNS: u32 = 3000;

/// Shrinks, prints and writes down.
pub(crate) fn show(arguments: &Arguments, schedule: &Schedule, violation: &Violation) {
    let shrunk = if arguments.is_shrunk {
        let begin = Instant::now();
        let shrunk = smallest(schedule, violation, RUNS);
        let took = begin.elapsed().as_millis();
        eprintln!("shrunk by {} runs in {took} ms", shrunk.runs);
        shrunk
    } else {
        Shrunk {
            schedule: schedule.clone(),
            violation: violation.clone(),
            runs: 0,
        }
    };
    let path = match write(&shrunk) {
        Ok(path) => path.display().to_string(),
        Err(error) => format!("not written: {error}"),
    };
    let outcome = attempt(
        &|schedule: &Schedule| run(schedule, Lines::Kept),
        &shrunk.schedule,
        Repeat::Once,
    );
    println!();
    print!(
        "{}",
        timeline(&Story {
            schedule: &shrunk.schedule,
            violation: &shrunk.violation,
            lines: &outcome.lines,
            faults_before: schedule.faults.len(),
            replay: &replay(schedule),
            script: &path,
        })
    );
    print_lines(arguments, &shrunk.schedule);
}

/// The smallest schedule with the same violation; of a mutant, one that shows it and nothing else.
pub(crate) fn smallest(schedule: &Schedule, violation: &Violation, runs: u32) -> Shrunk {
    let repeat = Repeat::for_seeing(violation);
    let play = |schedule: &Schedule| owed_to_the_mutant(&super::play, schedule);
    let fails = |schedule: &Schedule| attempt(&play, schedule, repeat).violation;
    shrink(schedule, violation, runs, &fails)
}

/// Everything, or the decisions of one member, if that is asked for.
pub(crate) fn print_lines(arguments: &Arguments, schedule: &Schedule) {
    if !arguments.shows_everything && arguments.decisions_of.is_none() {
        return;
    }
    let kept = |schedule: &Schedule| run(schedule, Lines::Kept);
    let lines = attempt(&kept, schedule, Repeat::Once).lines;
    if arguments.shows_everything {
        println!("\n{}", everything(&lines, schedule.options.nodes));
    }
    if let Some(node) = arguments.decisions_of {
        println!("\ndecisions of {node}:\n{}", decisions(&lines, node));
    }
}

/// The command that finds the same again.
fn replay(schedule: &Schedule) -> String {
    let options = &schedule.options;
    let mut command = format!("cargo xtask sim --seed {}", schedule.seed);
    let minutes = options.safety.as_secs() / 60;
    if options.safety != Wish::default().safety {
        command += &format!(" --minutes {minutes}");
    }
    let driver = options.driver_mutant.map(|mutant| mutant.name());
    let mutant = options.mutant.or(driver);
    command += &wished(schedule, mutant);
    if let Some(name) = mutant {
        command += &format!(" --mutants {name}");
    }
    command
}

/// What was wished for, as far as the seed alone does not give the same; a mutant brings its own
/// focus.
fn wished(schedule: &Schedule, mutant: Option<&str>) -> String {
    let options = &schedule.options;
    let subject = Subject::all()
        .into_iter()
        .find(|subject| Some(subject.name()) == mutant);
    let plain = Wish {
        safety: options.safety,
        mutant: options.mutant,
        driver_mutant: options.driver_mutant,
        ..Wish::default()
    };
    let plain = subject.map_or_else(|| plain.clone(), |subject| subject.wish(&plain));
    let either = [None, Some(options.flavour)];
    let modes = [(false, false), (true, false), (false, true), (true, true)];
    let timings = [None, Some((options.ttl, options.loop_wait))];
    let worlds = either.map(|flavour| modes.map(|modes| (flavour, modes)));
    let worlds = timings.map(|timings| worlds.map(|worlds| worlds.map(|world| (timings, world))));
    for (timings, (flavour, (synchronous, failsafe))) in worlds.into_iter().flatten().flatten() {
        let with_flavour = Wish {
            timings,
            flavour,
            synchronous: synchronous || plain.synchronous,
            failsafe: failsafe || plain.failsafe,
            ..plain.clone()
        };
        let foci = Focus::ALL.iter().copied().map(Some);
        for focus in [plain.focus].into_iter().chain(foci) {
            let wish = Wish {
                focus,
                ..with_flavour.clone()
            };
            if Schedule::generate(schedule.seed, &wish) != *schedule {
                continue;
            }
            let mut words = String::new();
            if let Some(flavour) = flavour {
                words += &format!(" --flavour {}", flavour.name());
            }
            if synchronous && !plain.synchronous {
                words += " --sync";
            }
            if failsafe && !plain.failsafe {
                words += " --failsafe";
            }
            if let Some((ttl, loop_wait)) = timings {
                words += &format!(" --timings {}/{}", ttl.as_secs(), loop_wait.as_secs());
            }
            if let Some(focus) = focus.filter(|_| focus != plain.focus) {
                words += &format!(" --focus {focus}");
            }
            return words;
        }
    }
    String::new()
}

/// Beside what was built, where nothing is kept for ever.
fn write(shrunk: &Shrunk) -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2);
    let dir = target.map_or_else(|| PathBuf::from("target/sim"), |dir| dir.join("sim"));
    std::fs::create_dir_all(&dir)?;
    let path = dir.join(format!("{}.txt", shrunk.schedule.seed));
    std::fs::write(&path, script(&shrunk.schedule, &shrunk.violation))?;
    let here = std::env::current_dir()?;
    Ok(path
        .strip_prefix(here)
        .map_or_else(|_| path.clone(), Path::to_owned))
}
