//! Runs the steps of a command one after the other, and sums up.
//!
//! Invariant: the first step that fails is the last that is run, and the last
//! line that is printed names it.

use std::io::{self, IsTerminal as _};
use std::process::{Command, ExitStatus};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::child;
use crate::counts::{Counts, Runner};
use crate::error::Error;

#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(&'static str, Duration)>,
    counts: Counts,
}

impl Steps {
    /// Runs a step that either works or not.
    pub(crate) fn run(&mut self, name: &'static str, command: &mut Command) -> Result<(), Error> {
        self.timed(name, command, |command, _| child::run(command))
    }

    /// Runs a step whose tests are counted.
    pub(crate) fn run_tests(
        &mut self,
        name: &'static str,
        runner: Runner,
        command: &mut Command,
    ) -> Result<(), Error> {
        if io::stderr().is_terminal() {
            // Reading along takes the terminal away from cargo.
            command.env("CARGO_TERM_COLOR", "always");
        }
        self.timed(name, command, |command, counts| {
            let read = Mutex::new(Counts::default());
            let status = child::run_and_read(command, |line| {
                let counted = Counts::of_line(line, runner);
                *read.lock().expect("a reader of lines never panics") += counted;
            });
            *counts += read.into_inner().expect("a reader of lines never panics");
            status
        })
    }

    fn timed(
        &mut self,
        name: &'static str,
        command: &mut Command,
        run: impl FnOnce(&mut Command, &mut Counts) -> Result<ExitStatus, Error>,
    ) -> Result<(), Error> {
        println!("\n==> {name}: {}", shown(command));
        let started = Instant::now();
        let status = run(command, &mut self.counts);
        let took = started.elapsed();
        println!("    {name} took {:.1} s", took.as_secs_f64());
        self.done.push((name, took));
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(Error::Failed(name.to_owned())),
            Err(error) => {
                eprintln!("{error}");
                Err(Error::Failed(name.to_owned()))
            }
        }
    }

    /// Prints the steps that were run, with their times, and the tests' counts.
    pub(crate) fn print_summary(&self, is_ok: bool) {
        println!();
        for (place, (name, took)) in self.done.iter().enumerate() {
            let is_failed = !is_ok && place + 1 == self.done.len();
            let word = if is_failed { "FAILED" } else { "ok" };
            println!("{name:<10} {:>8.1} s  {word}", took.as_secs_f64());
        }
        let total: Duration = self.done.iter().map(|(_, took)| *took).sum();
        println!("{:<10} {:>8.1} s", "total", total.as_secs_f64());
        println!("{}", self.counts);
    }
}

/// The command as a person would type it.
fn shown(command: &Command) -> String {
    let words = command.get_args().map(|arg| arg.to_string_lossy());
    words.fold("cargo".to_owned(), |line, word| line + " " + &word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_step_is_named_in_the_error() {
        let mut steps = Steps::default();
        assert!(steps.run("first", &mut Command::new("true")).is_ok());
        let error = steps.run("second", &mut Command::new("false")).unwrap_err();
        assert_eq!(error.to_string(), "failed: second");
    }
}
