//! One file for each command; what they have in common is opened here.

mod list;
mod pause;
mod switchover;
mod version;
mod why;

use std::io;

use crate::arguments::{Arguments, Command};
use crate::configuration;
use crate::error::Error;

/// Does what the command line asks for.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    if let Command::Version = arguments.command {
        return version::run(&mut out);
    }
    let settings = configuration::read(&arguments)?;
    match &arguments.command {
        Command::List(list) => list::run(&settings, list, &mut out).await,
        Command::Switchover(switchover) => switchover::run(&settings, switchover, &mut out).await,
        Command::Pause(pause) => {
            pause::run(&settings, pause, pause::Wanted::Paused, &mut out).await
        }
        Command::Resume(resume) => {
            pause::run(&settings, resume, pause::Wanted::Managed, &mut out).await
        }
        Command::Why(why) => why::run(&settings, why, &mut out).await,
        Command::Version => Ok(()),
    }
}
