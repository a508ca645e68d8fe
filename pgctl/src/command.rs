//! Runs one PostgreSQL program and waits for its end.
//!
//! Invariant: when the future is dropped or the limit is over, the program and
//! everything it started is killed. Its words are in English (`LC_ALL=C`).

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::text;

/// What is kept of the output, to be read by us.
const KEPT_BYTES: usize = 1 << 20;
/// How many of the last lines go into an error.
const ERROR_LINES: usize = 12;

/// How long a program may take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// From start to end.
    Total(Duration),
    /// Between two words from it.
    Silence(Duration),
}

/// A program with its arguments.
#[derive(Debug)]
pub(crate) struct Tool {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    folder: Option<PathBuf>,
    input: Vec<u8>,
    surroundings: Surroundings,
}

/// The environment that a program inherits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surroundings {
    /// PostgreSQL's programs: English, and nothing that would change where they look.
    Clean,
    /// A command of the user's: as it is, without what is meant for us.
    Inherited,
}

/// Whether a variable of the environment is meant for us alone: passwords stand in some.
pub(crate) fn is_ours(name: &str) -> bool {
    name.starts_with("HERDSMAN_") || name.starts_with("PATRONI_")
}

impl Tool {
    pub(crate) fn new(name: impl Into<String>, program: PathBuf) -> Self {
        Self {
            name: name.into(),
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            input: Vec::new(),
            surroundings: Surroundings::Clean,
        }
    }

    /// A command of the user's: its environment is ours.
    pub(crate) fn of_the_user(mut self) -> Self {
        self.surroundings = Surroundings::Inherited;
        self
    }

    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Where it works; by default where we do.
    pub(crate) fn works_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// What it reads from its standard input. Not shown anywhere.
    pub(crate) fn input(mut self, input: Vec<u8>) -> Self {
        self.input = input;
        self
    }

    /// Runs it. Each line it writes, to either output, goes to `line`; what
    /// it wrote to its standard output is returned.
    pub(crate) async fn run(
        self,
        limit: Limit,
        mut line: impl FnMut(&str) + Send,
    ) -> Result<String> {
        let seen = |text: &str| {
            line(text);
            false
        };
        self.run_until(limit, seen).await
    }

    /// Runs it until a line is the one that was waited for: then it is killed,
    /// and that is a success.
    pub(crate) async fn run_until(
        self,
        limit: Limit,
        mut is_enough: impl FnMut(&str) -> bool + Send,
    ) -> Result<String> {
        let name = self.name.clone();
        let (mut running, input) = self.spawn()?;
        let mut lines = VecDeque::new();
        let ended = running
            .follow(input, limit, |text| {
                if is_enough(text) {
                    return true;
                }
                if !text.trim().is_empty() {
                    lines.push_back(text.to_owned());
                    if lines.len() > ERROR_LINES {
                        lines.pop_front();
                    }
                }
                false
            })
            .await;
        let (status, output) = ended.map_err(|failure| failure.into_error(&name, limit))?;
        let Some(status) = status.filter(|status| !status.success()) else {
            return Ok(output);
        };
        Err(Error::Command {
            program: name,
            status: status.to_string(),
            lines: lines.into(),
        })
    }

    fn spawn(self) -> Result<(Running, Vec<u8>)> {
        let mut command = Command::new(&self.program);
        // Nobody shall see our secrets.
        for (name, _) in std::env::vars_os() {
            if is_ours(&name.to_string_lossy()) {
                command.env_remove(&name);
            }
        }
        if self.surroundings == Surroundings::Clean {
            command
                .env("LC_ALL", "C")
                .env("LANG", "C")
                .env_remove("PGDATA")
                .env_remove("PGPASSWORD");
        }
        command
            .args(&self.arguments)
            .envs(self.environment)
            .stdin(if self.input.is_empty() {
                Stdio::null()
            } else {
                Stdio::piped()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let child = command
            .spawn()
            .map_err(Error::io("cannot run", &self.program))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok((Running { child, group }, self.input))
    }
}

enum Failure {
    Io(std::io::Error),
    TimedOut,
}

impl Failure {
    fn into_error(self, name: &str, limit: Limit) -> Error {
        match (self, limit) {
            (Self::Io(source), _) => Error::Io {
                what: "cannot talk to",
                path: name.into(),
                source,
            },
            (Self::TimedOut, Limit::Total(after)) => Error::TimedOut {
                what: name.to_owned(),
                after,
            },
            (Self::TimedOut, Limit::Silence(after)) => Error::TimedOut {
                what: format!("{name}, or a word from it,"),
                after,
            },
        }
    }
}

/// A program on its way, with its process group.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    async fn follow(
        &mut self,
        input: Vec<u8>,
        limit: Limit,
        mut is_enough: impl FnMut(&str) -> bool,
    ) -> Result<(Option<ExitStatus>, String), Failure> {
        let mut has_enough = false;
        let mut stdout = self.child.stdout.take().expect("stdout is piped");
        let mut stderr = self.child.stderr.take().expect("stderr is piped");
        let mut stdin = self.child.stdin.take();
        let (mut out_lines, mut err_lines) = (Lines::default(), Lines::default());
        let (mut out_open, mut err_open) = (true, true);
        let mut output = Vec::new();
        let mut deadline = Instant::now() + limit.duration();
        let feed = async {
            if let Some(pipe) = stdin.as_mut() {
                // A program that ends without reading all of it reports its reason itself.
                let _ = pipe.write_all(&input).await;
            }
            drop(stdin);
        };
        tokio::pin!(feed);
        let mut fed = false;
        while out_open || err_open {
            tokio::select! {
                () = &mut feed, if !fed => fed = true,
                chunk = read(&mut stdout), if out_open => {
                    let chunk = chunk.map_err(Failure::Io)?;
                    out_open = !chunk.is_empty();
                    let room = KEPT_BYTES.saturating_sub(output.len());
                    output.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    has_enough |= out_lines.push(&chunk, &mut is_enough);
                    limit.extend(&mut deadline);
                }
                chunk = read(&mut stderr), if err_open => {
                    let chunk = chunk.map_err(Failure::Io)?;
                    err_open = !chunk.is_empty();
                    has_enough |= err_lines.push(&chunk, &mut is_enough);
                    limit.extend(&mut deadline);
                }
                () = tokio::time::sleep_until(deadline) => return Err(Failure::TimedOut),
            }
            if has_enough {
                self.end().await.map_err(Failure::Io)?;
                return Ok((None, String::from_utf8_lossy(&output).into_owned()));
            }
        }
        let status = tokio::time::timeout_at(deadline, self.child.wait()).await;
        let status = status
            .map_err(|_| Failure::TimedOut)?
            .map_err(Failure::Io)?;
        self.group = None;
        Ok((Some(status), String::from_utf8_lossy(&output).into_owned()))
    }

    /// Kills it and waits for its death.
    async fn end(&mut self) -> std::io::Result<()> {
        if let Some(group) = self.group {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        self.child.wait().await?;
        self.group = None;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The group, because pg_basebackup and initdb have children of their
        // own. It is cleared once the leader is reaped, so the id is still ours.
        if let Some(group) = self.group {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

impl Limit {
    const fn duration(self) -> Duration {
        match self {
            Self::Total(duration) | Self::Silence(duration) => duration,
        }
    }

    fn extend(self, deadline: &mut Instant) {
        match self {
            Self::Total(_) => {}
            Self::Silence(duration) => *deadline = Instant::now() + duration,
        }
    }
}

async fn read(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut chunk = vec![0; 8192];
    let count = from.read(&mut chunk).await?;
    chunk.truncate(count);
    Ok(chunk)
}

/// Cuts a stream into lines, at line feeds and at the carriage returns with
/// which programs overwrite their progress. The end of the stream ends a line.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Tells whether one of the lines was enough.
    fn push(&mut self, chunk: &[u8], is_enough: &mut impl FnMut(&str) -> bool) -> bool {
        let mut has_enough = false;
        self.rest.extend_from_slice(chunk);
        if chunk.is_empty() && !self.rest.is_empty() {
            self.rest.push(b'\n');
        }
        while let Some(end) = self
            .rest
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'))
        {
            let whole: Vec<u8> = self.rest.drain(..=end).collect();
            has_enough |= is_enough(String::from_utf8_lossy(&whole[..end]).trim_end());
        }
        has_enough
    }
}

/// The tail of what a program or a server wrote to a file.
pub(crate) fn tail(content: &[u8]) -> Vec<String> {
    text::last_lines(&String::from_utf8_lossy(content), ERROR_LINES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Tool {
        Tool::new("sh", "/bin/sh".into()).arg("-c").arg(script)
    }

    #[tokio::test]
    async fn output_is_returned_and_each_line_is_seen() {
        let mut seen = Vec::new();
        let tool = shell("read x; echo out $x; printf 'a\\rb\\nend' >&2").input(b"word\n".to_vec());
        let limit = Limit::Total(Duration::from_secs(20));
        let output = tool
            .run(limit, |line| seen.push(line.to_owned()))
            .await
            .unwrap();
        assert_eq!(output, "out word\n");
        seen.sort();
        assert_eq!(seen, ["a", "b", "end", "out word"]);
    }

    #[tokio::test]
    async fn failure_carries_status_and_last_lines() {
        let limit = Limit::Total(Duration::from_secs(20));
        let error = shell("echo why >&2; exit 3")
            .run(limit, |_| {})
            .await
            .unwrap_err();
        let Error::Command { status, lines, .. } = error else {
            panic!("{error:?}");
        };
        assert!(status.contains('3'), "{status}");
        assert_eq!(lines, ["why"]);
    }

    #[tokio::test]
    async fn a_program_is_ended_once_it_has_said_enough() {
        let limit = Limit::Total(Duration::from_secs(20));
        let tool = shell("echo one; echo two; sleep 600");
        let output = tool.run_until(limit, |line| line == "two").await.unwrap();
        assert_eq!(output, "one\ntwo\n");
        let error = shell("echo one; exit 3").run_until(limit, |line| line == "two");
        assert!(matches!(error.await, Err(Error::Command { .. })));
    }

    #[tokio::test]
    async fn the_limit_kills_the_program_and_its_children() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let limit = Limit::Silence(Duration::from_millis(300));
        let tool = shell("sleep 600 & echo $!; wait");
        let error = tool
            .run(limit, move |line| {
                sender.send(line.parse::<u32>().unwrap()).unwrap()
            })
            .await
            .unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
        let grandchild = receiver.recv().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while crate::process::proc::stat(grandchild).is_some_and(|stat| !stat.is_zombie()) {
            assert!(Instant::now() < deadline, "the grandchild lives on");
            tokio::task::yield_now().await;
        }
    }
}
