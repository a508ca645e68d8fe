//! Runs a program to its end, with the terminal and the signals it would have
//! had without us in between.
//!
//! Invariant: while a child runs, no ordinary signal ends this process before
//! the child: otherwise its clean-up would go on behind the shell's prompt, and
//! ours would not happen.

use std::ffi::c_int;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use crate::error::Error;

const SIGHUP: c_int = 1;
const SIGINT: c_int = 2;
const SIGQUIT: c_int = 3;
const SIGTERM: c_int = 15;

/// The process that signals are passed on to; zero when there is none.
static CHILD: AtomicI32 = AtomicI32::new(0);

// The standard library has no signal handling, and these two functions of the
// C library, which it links anyway, are all that is needed.
unsafe extern "C" {
    fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
    fn kill(pid: c_int, number: c_int) -> c_int;
}

extern "C" fn pass_on(number: c_int) {
    let child = CHILD.load(Ordering::SeqCst);
    // The terminal sends its keys' signals to the whole foreground group, so
    // the child has those already; a second one would mean "at once" to some.
    let is_from_terminal = matches!(number, SIGINT | SIGQUIT);
    if child > 0 && !is_from_terminal {
        // SAFETY: kill is async-signal-safe and takes plain numbers.
        unsafe {
            kill(child, number);
        }
    }
}

fn outlive_signals() {
    for number in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        // SAFETY: the handler only reads an atomic and calls kill. A handler,
        // unlike an ignored signal, is not inherited by the child.
        unsafe {
            signal(number, pass_on);
        }
    }
}

/// Runs the command on our terminal.
pub(crate) fn run(command: &mut Command) -> Result<ExitStatus, Error> {
    outlive_signals();
    let child = command.spawn().map_err(starting(command))?;
    wait(child).map_err(starting(command))
}

/// Runs the command, shows what it prints, and hands each line to `look`.
pub(crate) fn run_and_read(
    command: &mut Command,
    look: impl Fn(&str) + Sync,
) -> Result<ExitStatus, Error> {
    outlive_signals();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(starting(command))?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let stderr = child.stderr.take().expect("stderr is piped");
    let status = thread::scope(|scope| {
        scope.spawn(|| copy_lines(stdout, io::stdout(), &look));
        scope.spawn(|| copy_lines(stderr, io::stderr(), &look));
        wait(child)
    });
    status.map_err(starting(command))
}

fn starting(command: &Command) -> impl FnOnce(io::Error) -> Error + use<> {
    Error::io(format!("run {}", command.get_program().to_string_lossy()))
}

fn wait(mut child: Child) -> io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).expect("process ids of Linux fit in an i32");
    CHILD.store(pid, Ordering::SeqCst);
    let status = child.wait();
    CHILD.store(0, Ordering::SeqCst);
    status
}

fn copy_lines(from: impl Read, mut to: impl Write, look: &impl Fn(&str)) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        look(&String::from_utf8_lossy(&line));
        // Our own output may be closed (`| head`); the child is still read to
        // its end, so that it does not block on a full pipe.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        line.clear();
    }
}

/// The exit code a shell would report.
pub(crate) fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn exit_code_and_signal_are_reported_as_a_shell_does() {
        assert_eq!(code(sh("exit 7").status().unwrap()), 7);
        assert_eq!(code(sh("kill -TERM $$").status().unwrap()), 143);
    }

    #[test]
    fn both_outputs_are_read_line_by_line() {
        let lines = Mutex::new(Vec::new());
        let status = run_and_read(&mut sh("echo out; echo err >&2; exit 3"), |line| {
            lines.lock().unwrap().push(line.to_owned());
        });
        let mut lines = lines.into_inner().unwrap();
        lines.sort();
        assert_eq!(lines, ["err\n", "out\n"]);
        assert_eq!(status.unwrap().code(), Some(3));
    }

    #[test]
    fn absent_program_is_named() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"));
    }
}
