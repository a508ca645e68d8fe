//! The command line, as an operator calls it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::programs;

/// The command line with a configuration.
#[derive(Debug)]
pub struct Control {
    configuration: PathBuf,
}

/// How it ended, and what it wrote.
#[derive(Debug)]
pub struct Ended {
    /// Its status; none when it was killed.
    pub code: Option<i32>,
    /// Its output.
    pub out: String,
    /// Its messages.
    pub err: String,
}

impl Control {
    /// With the file of a member, or any other.
    #[must_use]
    pub const fn with(configuration: PathBuf) -> Self {
        Self { configuration }
    }

    /// Runs a command that asks nothing.
    ///
    /// # Panics
    /// When the program was not built.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.answered(arguments, "")
    }

    /// Runs a command, and answers its questions.
    ///
    /// # Panics
    /// When the program was not built.
    #[must_use]
    pub fn answered(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = Command::new(programs::control());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("PATRONI") || text.starts_with("PG") || text == "DCS_URL" {
                command.env_remove(name);
            }
        }
        let child = command
            .arg("-c")
            .arg(&self.configuration)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("the program can be started");
        let mut stdin = child.stdin.take().expect("the input is a pipe");
        // It may end without having read everything.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("the program ends");
        let text = |bytes| String::from_utf8(bytes).expect("the program writes text");
        Ended {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}
