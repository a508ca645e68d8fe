//! Where the daemon's log goes: to a file of the configured folder, or to standard error.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Mutex;

use herdsman_agent::settings::{Log, LogLevel};
use tracing_subscriber::EnvFilter;

use crate::rotating::{Limits, Rotating};

/// Begins to log. The level of the configuration can be refined by the variable `HERDSMAN_LOG`.
pub(crate) fn begin(log: &Log) -> io::Result<()> {
    let level = match log.level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warn",
        LogLevel::Error => "error",
    };
    // The libraries below us have much to say that only their authors want to read.
    let default = format!("{level},h2=warn,hyper=warn,tower=warn,tonic=warn,tokio_postgres=warn");
    let filter =
        EnvFilter::try_from_env("HERDSMAN_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false);
    match &log.dir {
        Some(dir) => {
            let path = Path::new(dir).join("herdsman.log");
            let limits = Limits {
                bytes: log.file_size,
                copies: log.file_num,
                mode: log.mode,
            };
            let file = Rotating::open(path.clone(), limits).map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("log.dir: cannot write {}: {error}", path.display()),
                )
            })?;
            logger.with_ansi(false).with_writer(Mutex::new(file)).init();
        }
        None => logger
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr)
            .init(),
    }
    Ok(())
}
