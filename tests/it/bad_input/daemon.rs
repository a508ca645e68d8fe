//! The daemon as a child of the test, with what it says.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::member::{Member, SECRETS};

/// Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(10);

/// How a daemon ended that was to be refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: i32,
    /// What it wrote beside its log, line by line.
    pub(super) lines: Vec<String>,
    /// Its log.
    pub(super) log: Vec<String>,
}

impl Refusal {
    /// Exactly this many problems are told, in lines that contain these words.
    pub(super) fn tells(&self, problems: &[&[&str]]) {
        assert_eq!(self.code, 1, "exit code; {:#?}", self.lines);
        assert_eq!(self.lines.len(), problems.len(), "{:#?}", self.lines);
        for (line, words) in self.lines.iter().zip(problems) {
            for word in *words {
                assert!(line.contains(word), "no {word:?} in {line:?}");
            }
        }
        let prefix = "herdsman: ";
        assert!(self.lines[0].starts_with(prefix), "{:#?}", self.lines);
    }
}

/// A running daemon; it is killed when it goes out of scope.
pub(super) struct Daemon {
    process: Child,
    folder: TempDir,
}

impl Daemon {
    /// Starts the daemon with the member's configuration.
    pub(super) fn start(member: &Member) -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files can be made");
        let path = folder.path().join("n1.yml");
        std::fs::write(&path, &member.configuration).expect("the folder is writable");
        Self::with_arguments(folder, &[path.to_str().expect("a temporary path is text")])
    }

    fn with_arguments(folder: TempDir, arguments: &[&str]) -> Self {
        let log = File::create(folder.path().join("log")).expect("the folder is writable");
        let process = Command::new(program())
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log)
            .spawn()
            .expect("the daemon can be started");
        Self { process, folder }
    }

    /// Everything that it wrote.
    pub(super) fn output(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("it was made")
    }

    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Waits for its end.
    fn exit_code(&mut self) -> i32 {
        let status = wait("end of the daemon", || {
            self.process.try_wait().ok().flatten()
        });
        status.code().expect("it ends by itself, not by a signal")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.output());
        }
    }
}

/// Starts the daemon and waits for its end.
pub(super) fn refused(member: &Member) -> Refusal {
    ended(Daemon::start(member))
}

/// Starts the daemon with these arguments alone and waits for its end.
pub(super) fn refused_arguments(arguments: &[&str]) -> Refusal {
    let folder = tempfile::tempdir().expect("a folder for temporary files can be made");
    ended(Daemon::with_arguments(folder, arguments))
}

fn ended(mut daemon: Daemon) -> Refusal {
    let code = daemon.exit_code();
    let output = daemon.output();
    for secret in SECRETS {
        assert!(!output.contains(secret), "{secret} was told: {output}");
    }
    // A line of the log begins with the time.
    let is_log = |line: &str| line.starts_with("20") && line.get(10..11) == Some("T");
    let all = output.lines().map(str::to_owned);
    let (log, lines) = all.partition(|line| is_log(line));
    Refusal { code, lines, log }
}

/// The daemon of this build: beside the folder of the test binaries.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("HERDSMAN_BIN") {
        return path.into();
    }
    let own = std::env::current_exe().expect("a test knows its own path");
    let folder = own.ancestors().nth(2).expect("cargo builds in folders");
    let path = folder.join("herdsman");
    assert!(
        path.exists(),
        "{} is not built: run the tests by `cargo xtask test`",
        path.display()
    );
    path
}

/// Waits until something is there.
pub(super) fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(STEP);
    }
}

/// The status of an answer to a GET, if there is an answer.
pub(super) fn status(address: SocketAddr, path: &str) -> Option<u16> {
    let limit = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, limit).ok()?;
    stream.set_read_timeout(Some(limit)).ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}
