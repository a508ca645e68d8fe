//! How do I look at a cluster, and how do I ask it for something?
//!
//! The commands and their output are those of `patronictl`, so that hands and scripts that know it
//! can go on. What differs is said where it differs; above all, a command that did not do what it
//! was asked for ends with a status other than 0.

mod arguments;
mod choice;
mod clock;
mod cluster;
mod commands;
mod configuration;
mod difference;
mod error;
mod members;
mod prompt;
mod rest;
mod schedule;
mod sheet;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::Arguments;
use error::Error;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(arguments)),
        Err(error) => Err(Error::Output(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough of it.
        Err(Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", error.line());
            ExitCode::FAILURE
        }
    }
}
