//! Being the first process of a container: the daemon runs as a child, signals go on to it, and
//! every process that lost its parent is buried here.
//!
//! The end of the daemon is the end of the container.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::signal::unix::{SignalKind, signal};

/// Whether this process is the first one.
pub(crate) fn is_needed() -> bool {
    std::process::id() == 1
}

/// Runs the daemon as a child until it ends.
pub(crate) fn run() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(watch()));
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("herdsman: cannot run as the first process: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn watch() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut user1 = signal(SignalKind::user_defined1())?;
    let mut user2 = signal(SignalKind::user_defined2())?;
    let mut children = signal(SignalKind::child())?;
    let child: Child = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .spawn()?;
    let daemon = Pid::from_child(&child);
    loop {
        let forwarded = tokio::select! {
            _ = hangup.recv() => Signal::HUP,
            _ = interrupt.recv() => Signal::INT,
            _ = quit.recv() => Signal::QUIT,
            _ = terminate.recv() => Signal::TERM,
            _ = user1.recv() => Signal::USR1,
            _ = user2.recv() => Signal::USR2,
            _ = children.recv() => {
                if let Some(code) = bury(daemon) {
                    return Ok(code);
                }
                continue;
            }
        };
        // The daemon may have ended in this moment: its end is noticed next.
        let _ = kill_process(daemon, forwarded);
    }
}

/// Buries every process that has ended; the daemon's exit code when it is among them.
fn bury(daemon: Pid) -> Option<ExitCode> {
    let mut code = None;
    while let Ok(Some((pid, status))) = waitpid(None, WaitOptions::NOHANG) {
        if pid == daemon {
            let status = std::process::ExitStatus::from_raw(status.as_raw());
            let number = status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
            code = Some(ExitCode::from(u8::try_from(number).unwrap_or(1)));
        }
    }
    code
}
