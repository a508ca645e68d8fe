//! A program that keeps a cluster: ours, or the one it is compared with.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::cluster::{Builder, Cluster};

/// Names the program to compare with, when it is not the `patroni` of the search path.
const PATRONI_VARIABLE: &str = "PATRONI_BIN";
/// Patroni uses no shorter ones.
const SHORTEST_PATRONI_TTL: u64 = 20;

/// The timing that the members share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long the leader's lease lives.
    pub ttl_seconds: u64,
    /// The longest pause between two looks.
    pub loop_wait_seconds: u64,
    /// How long attempts of one call to the store go on.
    pub retry_timeout_seconds: u64,
}

impl Timing {
    /// What both programs use when nothing is configured.
    pub const DEFAULT: Self = Self {
        ttl_seconds: 30,
        loop_wait_seconds: 10,
        retry_timeout_seconds: 10,
    };

    /// The quickest that both programs accept, except for the lease.
    #[must_use]
    pub const fn quick(ttl_seconds: u64) -> Self {
        Self {
            ttl_seconds,
            loop_wait_seconds: 1,
            retry_timeout_seconds: 3,
        }
    }
}

/// A program under measurement.
#[derive(Clone, Debug)]
pub enum Contender {
    /// The daemon of this build.
    Herdsman,
    /// Patroni.
    Patroni(PathBuf),
}

impl Contender {
    /// Patroni, if it can be found and started.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub fn patroni() -> Result<Self, String> {
        let program = std::env::var_os(PATRONI_VARIABLE).map(PathBuf::from);
        let program = program.or_else(|| {
            let path = std::env::var_os("PATH")?;
            let mut candidates = std::env::split_paths(&path).map(|folder| folder.join("patroni"));
            candidates.find(|candidate| candidate.is_file())
        });
        let program = program
            .ok_or_else(|| format!("there is no patroni in PATH: name it by {PATRONI_VARIABLE}"))?;
        let contender = Self::Patroni(program);
        match contender.version() {
            Some(_) => Ok(contender),
            None => Err(format!(
                "patroni cannot be started: check {PATRONI_VARIABLE}"
            )),
        }
    }

    /// Its name in tables.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Herdsman => "herdsman",
            Self::Patroni(_) => "patroni",
        }
    }

    /// What it says about its version.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        match self {
            Self::Herdsman => Some(format!("herdsman {}", env!("CARGO_PKG_VERSION"))),
            Self::Patroni(program) => first_line(Command::new(program).arg("--version")),
        }
    }

    /// Whether it can run with a lease of this length.
    #[must_use]
    pub const fn accepts(&self, timing: Timing) -> bool {
        match self {
            Self::Herdsman => true,
            Self::Patroni(_) => timing.ttl_seconds >= SHORTEST_PATRONI_TTL,
        }
    }

    /// A cluster of three members that it keeps, with one server of the store.
    #[must_use]
    pub fn cluster(&self, timing: Timing) -> Builder {
        let builder = Cluster::builder()
            .ttl(timing.ttl_seconds)
            .config(&json!({
                "loop_wait": timing.loop_wait_seconds,
                "retry_timeout": timing.retry_timeout_seconds,
                "primary_start_timeout": 0,
            }))
            // What they write to the disk on the way is no part of a measurement.
            .allow_errors();
        match self {
            Self::Herdsman => builder,
            Self::Patroni(program) => builder.daemon(program, &[]),
        }
        .config(&Self::rejoin())
    }

    /// A member that was leader comes back by itself.
    fn rejoin() -> Value {
        json!({"postgresql": {
            "use_pg_rewind": true,
            "remove_data_directory_on_rewind_failure": true,
            "remove_data_directory_on_diverged_timelines": true,
        }})
    }
}

/// The first line that a program prints; nothing when it fails.
pub(super) fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().next()?.trim().to_owned();
    output.status.success().then_some(line)
}
