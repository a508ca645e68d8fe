//! One file for each command; what they have in common is opened here.

mod conversion;
mod dsn;
mod edit_config;
mod failover;
mod flush;
mod history;
mod list;
mod movement;
mod pause;
mod query;
mod reinit;
mod reload;
mod remove;
mod restart;
mod selection;
mod show_config;
mod switchover;
mod topology;
mod version;
mod why;

use std::io;

use crate::arguments::{Arguments, Command};
use crate::configuration;
use crate::error::Error;

/// Does what the command line asks for.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    if let Command::Version(version) = &arguments.command {
        version::own(&mut out)?;
        if version.cluster.is_none() {
            return Ok(());
        }
    }
    let settings = configuration::read(&arguments)?;
    match &arguments.command {
        Command::List(list) => list::run(&settings, list, &mut out).await,
        Command::Topology(topology) => topology::run(&settings, topology, &mut out).await,
        Command::History(history) => history::run(&settings, history, &mut out).await,
        Command::Failover(failover) => failover::run(&settings, failover, &mut out).await,
        Command::ShowConfig(show) => show_config::run(&settings, show, &mut out).await,
        Command::EditConfig(edit) => edit_config::run(&settings, edit, &mut out).await,
        Command::Query(query) => query::run(&settings, query, &mut out).await,
        Command::Dsn(dsn) => dsn::run(&settings, dsn, &mut out).await,
        Command::Switchover(switchover) => switchover::run(&settings, switchover, &mut out).await,
        Command::Restart(restart) => restart::run(&settings, restart, &mut out).await,
        Command::Reload(reload) => reload::run(&settings, reload, &mut out).await,
        Command::Reinit(reinit) => reinit::run(&settings, reinit, &mut out).await,
        Command::Flush(flush) => {
            let target = flush.target().unwrap_or_else(|error| error.exit());
            flush::run(&settings, flush, target, &mut out).await
        }
        Command::Remove(remove) => remove::run(&settings, remove, &mut out).await,
        Command::Pause(pause) => {
            pause::run(&settings, pause, pause::Wanted::Paused, &mut out).await
        }
        Command::Resume(resume) => {
            pause::run(&settings, resume, pause::Wanted::Managed, &mut out).await
        }
        Command::DemoteCluster(demote) => conversion::demote(&settings, demote, &mut out).await,
        Command::PromoteCluster(promote) => conversion::promote(&settings, promote, &mut out).await,
        Command::Why(why) => why::run(&settings, why, &mut out).await,
        Command::Version(version) => version::run(&settings, version, &mut out).await,
    }
}
