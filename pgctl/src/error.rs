//! What can go wrong with one PostgreSQL instance.
//!
//! Variants follow what the caller can do; [`Error::advice`] says it in one
//! word. No message carries a password: connection strings and statements are
//! never part of an error.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::Exit;
use crate::timeline::Timeline;
use crate::version::Version;

/// The result of this crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call on an [`Instance`](crate::Instance) did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// PostgreSQL programs are absent or cannot be executed.
    #[error("cannot find {} in {looked_in}: install PostgreSQL or set bin_dir", names.join(", "))]
    MissingBinaries {
        /// The programs that were not found.
        names: Vec<String>,
        /// The folder, or `PATH` with its value.
        looked_in: String,
    },
    /// The programs or the data directory are of a version we cannot work with.
    #[error("{what} is of PostgreSQL {found}: {supported}")]
    UnsupportedVersion {
        /// What has that version: the programs or the data directory.
        what: String,
        /// The version found.
        found: Version,
        /// The versions that would do, in words.
        supported: String,
    },
    /// The data directory belongs to another user than the one we run as.
    #[error("data directory {} belongs to user id {owner}, but this process runs as {ours}: run as its owner or change the owner", path.display())]
    WrongOwner {
        /// The data directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Our effective user.
        ours: u32,
    },
    /// This process runs as root, which PostgreSQL refuses to.
    #[error("PostgreSQL refuses to run as root: run as the user that owns the data directory")]
    RunsAsRoot,
    /// The data directory is open to others, which PostgreSQL refuses.
    #[error("data directory {} has mode {mode:04o}: change it to 0700 or 0750", path.display())]
    WrongMode {
        /// The data directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another program listens where the server should.
    #[error("{address} cannot be listened on: stop the other program or change postgresql.listen")]
    PortTaken {
        /// The address with its port.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The data directory holds something else than a cluster, or anything at
    /// all where an empty one is needed.
    #[error("{} is not empty and {what}: empty it or name another data directory", path.display())]
    NotEmpty {
        /// The data directory.
        path: PathBuf,
        /// What is there instead.
        what: String,
    },
    /// There is no cluster to work with: the directory is missing, empty, or
    /// left over from an interrupted clone or bootstrap.
    #[error("no usable cluster in {}: {what}", path.display())]
    NoCluster {
        /// The data directory.
        path: PathBuf,
        /// What is there instead.
        what: String,
    },

    /// The server runs, and the call needs it down.
    #[error("PostgreSQL is running with process id {pid}")]
    AlreadyRunning {
        /// The postmaster, or one of its remaining children.
        pid: u32,
    },
    /// Processes of the server are left although its postmaster is gone.
    #[error(
        "processes of the server are left without a postmaster: {}",
        crate::text::list(pids)
    )]
    Orphans {
        /// Some of the processes.
        pids: Vec<u32>,
    },
    /// The server is down, and the call needs it running.
    #[error("PostgreSQL is not running")]
    NotRunning,
    /// [`kill_all`](crate::Instance::kill_all) was called while this call was
    /// on its way, and went first.
    #[error("given up because the server is being killed")]
    PreEmpted,
    /// Processes that neither end nor can be proven gone.
    #[error("processes of the server do not end: {what}")]
    StillAlive {
        /// What is left, in words.
        what: String,
    },

    /// The number for a new timeline is not above the one that the server is on.
    #[error("timeline {wanted} cannot be begun: the server is on timeline {own}")]
    TimelinePassed {
        /// The number that was asked for.
        wanted: Timeline,
        /// The server's.
        own: Timeline,
    },
    /// There is a timeline of the wanted number or a higher one.
    #[error("timeline {wanted} cannot be begun: there is {}", path.display())]
    TimelineTaken {
        /// The number that was asked for.
        wanted: Timeline,
        /// The history file of the other timeline.
        path: PathBuf,
    },
    /// The server is a primary, but on another timeline than it was to begin.
    #[error("the primary is on timeline {found}, not on timeline {wanted}")]
    OtherTimeline {
        /// The number that was asked for.
        wanted: Timeline,
        /// The server's.
        found: Timeline,
    },

    /// The standby replays nothing more before it is restarted: the primary had more of these than it
    /// was started with.
    #[error("replay stands still until a restart, the primary has larger settings: {parameters}")]
    ReplayBlocked {
        /// Their names.
        parameters: String,
    },

    /// The data cannot be rewound; nothing of it was changed.
    #[error("the data cannot be rewound: {why}")]
    NotRewindable {
        /// What stands in the way, in words.
        why: String,
    },
    /// A rewind was begun and did not come to its end: what is left is useless.
    #[error("the rewind did not come to its end, its remains are useless: {why}")]
    Wrecked {
        /// What went wrong, in words.
        why: String,
    },

    /// The server ended while it was starting.
    #[error("PostgreSQL did not start: {exit}{}", crate::text::indented(log))]
    StartFailed {
        /// How the postmaster ended.
        exit: Exit,
        /// The last lines of its log, when it is ours to read.
        log: Vec<String>,
    },
    /// A PostgreSQL program reported failure.
    #[error("{program} failed: {status}{}", crate::text::indented(lines))]
    Command {
        /// The program's name.
        program: String,
        /// Its exit status in words.
        status: String,
        /// The last lines it wrote.
        lines: Vec<String>,
    },
    /// No end was seen before the deadline. What was asked for may still happen.
    #[error("{what} did not end within {after:?}")]
    TimedOut {
        /// What was being done.
        what: String,
        /// The limit that was given.
        after: Duration,
    },
    /// A server could not be reached, or ended the connection.
    #[error("cannot talk to PostgreSQL {to}: {message}")]
    Unreachable {
        /// Which server, as `host:port` or a socket folder.
        to: String,
        /// The cause in one line.
        message: String,
        /// SQLSTATE, if the server itself refused.
        code: Option<String>,
    },
    /// The server answered a statement with an error.
    #[error("{what}: {message} (SQLSTATE {code})")]
    Sql {
        /// What was being done.
        what: String,
        /// The server's message.
        message: String,
        /// Five characters that name the kind of error.
        code: String,
    },
    /// A file or the system refused.
    #[error("{what} {}", path.display())]
    Io {
        /// What was being done: `cannot write`, for example.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// PostgreSQL gave an answer that this crate does not understand.
    #[error("unexpected {what}: {found}")]
    Unexpected {
        /// What was being read.
        what: &'static str,
        /// What was found instead.
        found: String,
    },
}

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The same call may succeed later without anybody's help.
    Retry,
    /// Look at fresh facts before deciding again: what was asked for may have
    /// happened, or the state was another than assumed.
    Look,
    /// Somebody must change the machine or its configuration first.
    AskHuman,
}

impl Error {
    /// What the caller can do.
    #[must_use]
    pub const fn advice(&self) -> Advice {
        match self {
            Self::MissingBinaries { .. }
            | Self::UnsupportedVersion { .. }
            | Self::WrongOwner { .. }
            | Self::RunsAsRoot
            | Self::WrongMode { .. }
            | Self::PortTaken { .. }
            | Self::NotRewindable { .. }
            | Self::NotEmpty { .. } => Advice::AskHuman,
            Self::NoCluster { .. }
            | Self::Wrecked { .. }
            | Self::AlreadyRunning { .. }
            | Self::Orphans { .. }
            | Self::NotRunning
            | Self::PreEmpted
            | Self::StillAlive { .. }
            | Self::TimelinePassed { .. }
            | Self::TimelineTaken { .. }
            | Self::OtherTimeline { .. }
            | Self::ReplayBlocked { .. }
            | Self::TimedOut { .. }
            | Self::Unexpected { .. } => Advice::Look,
            Self::StartFailed { .. }
            | Self::Command { .. }
            | Self::Unreachable { .. }
            | Self::Sql { .. }
            | Self::Io { .. } => Advice::Retry,
        }
    }

    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}
