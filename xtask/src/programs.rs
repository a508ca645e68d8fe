//! `demo`, `bench`, `soak` and `sim`: build a program of the workspace and run
//! it.
//!
//! Invariant: the program has the terminal, its exit code is ours, and what
//! starts PostgreSQL is never root.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::account::Account;
use crate::cargo;
use crate::checkout;
use crate::child;
use crate::error::Error;
use crate::install::{self, Tool};
use crate::scratch::Scratch;

/// `cargo xtask demo`: quick to build, and needs nothing but PostgreSQL, unless another store than
/// the one in its own process is asked for.
pub(crate) fn demo(args: &[OsString]) -> Result<u8, Error> {
    let mut tools = vec![Tool::PostgreSql];
    let mut build = vec!["build", "--package", "herdsman-demo"];
    if args.iter().any(|arg| arg == "etcd" || arg == "zookeeper") {
        tools.extend([Tool::Protoc, Tool::ProtobufFiles]);
        build.push("--features=stores");
    }
    if args.iter().any(|arg| arg == "etcd") {
        tools.push(Tool::Etcd);
    }
    if args.iter().any(|arg| arg == "zookeeper") {
        tools.push(Tool::ZooKeeper);
    }
    install::ensure(&tools)?;
    let program = Program {
        profile: "debug",
        names: &["herdsman-demo"],
        build: &build,
    };
    program.run(args)
}

/// `cargo xtask bench` and `soak`: programs of the package of the tests, which
/// find the daemon that they examine next to themselves.
pub(crate) fn measure(name: &'static str, args: &[OsString]) -> Result<u8, Error> {
    install::ensure(install::ALL)?;
    let program = Program {
        profile: "release",
        names: &[name, "herdsman"],
        build: &[
            "build",
            "--release",
            "--package=herdsman",
            "--package=herdsman-tests",
            "--bin=herdsman",
            "--bin",
            name,
        ],
    };
    program.run(args)
}

/// `cargo xtask sim`: clusters that are simulated need nothing but Rust, and no
/// other user. Cargo keeps what is built with and without mutants side by side.
pub(crate) fn sim(args: &[OsString]) -> Result<u8, Error> {
    let mut build = vec![
        "build",
        "--release",
        "--package=herdsman-sim",
        "--bin",
        "sim",
    ];
    if args.iter().any(|arg| arg == "--mutants") {
        build.push("--features=mutants");
    }
    let program = Program {
        profile: "release",
        names: &["sim"],
        build: &build,
    };
    program.build()?;
    let status = child::run(Command::new(&program.built()?[0]).args(args))?;
    Ok(child::code(status))
}

struct Program<'a> {
    profile: &'static str,
    /// The program itself, then those it expects next to itself.
    names: &'a [&'a str],
    build: &'a [&'a str],
}

impl Program<'_> {
    fn run(&self, args: &[OsString]) -> Result<u8, Error> {
        // Before the build: what it creates has to be readable for others.
        let scratch = Account::needed()?.map(Scratch::create).transpose()?;
        self.build()?;
        let built = self.built()?;
        let mut command = match &scratch {
            None => Command::new(&built[0]),
            Some(scratch) => {
                println!("running as the user {}", scratch.account().name);
                for companion in &built[1..] {
                    scratch.copy_program(companion)?;
                }
                scratch.command(&scratch.copy_program(&built[0])?)
            }
        };
        let status = child::run(command.args(args))?;
        Ok(child::code(status))
    }

    fn build(&self) -> Result<(), Error> {
        let name = self.names[0];
        let is_absent = AtomicBool::new(false);
        let mut command = cargo::cargo(&checkout::root());
        let status = child::run_and_read(command.args(self.build), |line| {
            if line.contains("no bin target named") {
                is_absent.store(true, Ordering::SeqCst);
            }
        })?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Failed(if is_absent.into_inner() {
            format!("this checkout has no program '{name}' to build")
        } else {
            format!("building {name}")
        }))
    }

    /// Where cargo put the programs: it built this one for the same target
    /// directory and platform, with the profile dev.
    fn built(&self) -> Result<Vec<PathBuf>, Error> {
        let own = env::current_exe().map_err(Error::io("find this program"))?;
        let target = own.ancestors().nth(2).unwrap_or(&own);
        let dir = target.join(self.profile);
        Ok(self.names.iter().map(|name| dir.join(name)).collect())
    }
}
