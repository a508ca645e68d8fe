//! A program that runs beside a test and whose words are read along.
//!
//! Invariant: it ends with its [`Program`], whatever the test does.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::{LONG, built_program, wait_for};

/// How often new lines are looked for.
const STEP: Duration = Duration::from_millis(10);

/// A running program.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts a program of the workspace, from the same build as the test, and reads along.
    ///
    /// # Panics
    /// When it was not built, or cannot be started.
    #[must_use]
    pub fn built(name: &str, arguments: &[&str]) -> Self {
        Self::start(&built_program(name), |command| {
            command.args(arguments);
        })
    }

    /// Starts it and reads along.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(path: &Path, prepare: impl FnOnce(&mut Command)) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut run = Command::new(path);
        run.stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        prepare(&mut run);
        let child = run.spawn();
        let mut child =
            child.unwrap_or_else(|error| panic!("cannot start {}: {error}", path.display()));
        let said = Arc::default();
        if let Some(output) = child.stdout.take() {
            read_along(output, &said);
        }
        if let Some(errors) = child.stderr.take() {
            read_along(errors, &said);
        }
        Self {
            name: name.into_owned(),
            child,
            said,
        }
    }

    /// All lines up to now, of both outputs.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.said().clone()
    }

    /// How many lines there are: a place from which [`wait_for_line`](Self::wait_for_line) looks.
    #[must_use]
    pub fn place(&self) -> usize {
        self.said().len()
    }

    /// Waits for a line after the first `skip` ones.
    ///
    /// # Panics
    /// When none comes in time; with all that was said.
    pub fn wait_for_line(&self, skip: usize, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + LONG;
        loop {
            let said = self.lines();
            if let Some(line) = said.iter().skip(skip).find(|line| is_it(line)) {
                return line.clone();
            }
            let (name, all) = (&self.name, said.join("\n"));
            assert!(
                Instant::now() < deadline,
                "{name} never said {what}:\n{all}"
            );
            std::thread::sleep(STEP);
        }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process has been waited for.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a child that nobody waited for is there");
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let name = self.name.clone();
        wait_for(&format!("{name} to end"), || {
            self.child.try_wait().expect("a child can be waited for")
        })
    }

    fn said(&self) -> MutexGuard<'_, Vec<String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_along(output: impl Read + Send + 'static, said: &Arc<Mutex<Vec<String>>>) {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            said.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    });
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
