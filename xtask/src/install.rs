//! What has to be on the machine besides Rust: found by the files themselves,
//! installed from Debian's packages when absent.
//!
//! Invariant: installing starts no service and creates no database cluster,
//! now or at the next boot; see `install.sh`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::account;
use crate::child;
use crate::error::Error;

const SCRIPT: &str = include_str!("install.sh");

/// Something that is needed besides Rust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    PostgreSql,
    Etcd,
    ZooKeeper,
    Protoc,
    ProtobufFiles,
    HaProxy,
    PgBouncer,
}

/// What the tests need.
pub(crate) const ALL: &[Tool] = &[
    Tool::PostgreSql,
    Tool::Etcd,
    Tool::ZooKeeper,
    Tool::Protoc,
    Tool::ProtobufFiles,
    Tool::HaProxy,
    Tool::PgBouncer,
];

impl Tool {
    /// The package of Debian and Ubuntu.
    const fn package(self) -> &'static str {
        match self {
            Self::PostgreSql => "postgresql",
            Self::Etcd => "etcd-server",
            // It brings a Java runtime.
            Self::ZooKeeper => "zookeeper",
            Self::Protoc => "protobuf-compiler",
            Self::ProtobufFiles => "libprotobuf-dev",
            Self::HaProxy => "haproxy",
            Self::PgBouncer => "pgbouncer",
        }
    }

    /// For machines with other packages.
    const fn description(self) -> &'static str {
        match self {
            Self::PostgreSql => {
                "the server programs of PostgreSQL (HERDSMAN_TEST_PG_BIN may name their directory)"
            }
            Self::Etcd => "etcd",
            Self::ZooKeeper => {
                "ZooKeeper and a Java runtime (HERDSMAN_TEST_ZOOKEEPER may be ZooKeeper's class path)"
            }
            Self::Protoc => "protoc (PROTOC may name it)",
            Self::ProtobufFiles => {
                "google/protobuf/descriptor.proto (PROTOC_INCLUDE may name its top directory)"
            }
            Self::HaProxy => "haproxy",
            Self::PgBouncer => "pgbouncer",
        }
    }

    fn is_present(self, machine: &Machine) -> bool {
        match self {
            Self::PostgreSql => machine.postgres().is_some(),
            Self::Etcd => machine.on_path("etcd"),
            Self::ZooKeeper => machine.zookeeper() && machine.on_path("java"),
            Self::Protoc => machine.protoc.is_some() || machine.on_path("protoc"),
            Self::ProtobufFiles => machine
                .proto_dirs()
                .any(|dir| dir.join("google/protobuf/descriptor.proto").is_file()),
            Self::HaProxy => machine.has_system_program("haproxy"),
            Self::PgBouncer => machine.has_system_program("pgbouncer"),
        }
    }
}

/// Installs those of the tools that are missing, or says how to.
pub(crate) fn ensure(tools: &[Tool]) -> Result<(), Error> {
    let machine = Machine::this();
    let missing = missing(tools, &machine);
    if missing.is_empty() {
        return Ok(());
    }
    if !machine.on_path("apt-get") {
        let list = missing
            .iter()
            .map(|tool| format!("\n  {}", tool.description()));
        return Err(Error::Missing(format!(
            "please install first:{}",
            list.collect::<String>()
        )));
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package()).collect();
    let Some(mut command) = as_root()? else {
        return Err(Error::Missing(format!(
            "please install what is missing first:\n  sudo apt-get update && sudo apt-get install -y {}",
            packages.join(" ")
        )));
    };
    println!("==> install: {}", packages.join(" "));
    command
        .args(["sh", "-c", SCRIPT, "install.sh"])
        .args(&packages);
    let status = child::run(&mut command)?;
    if !status.success() {
        return Err(Error::Failed(format!("installing {}", packages.join(" "))));
    }
    let still: Vec<_> = self::missing(tools, &Machine::this());
    if still.is_empty() {
        return Ok(());
    }
    Err(Error::Failed(format!(
        "the packages are installed, but still not found: {still:?}"
    )))
}

fn missing(tools: &[Tool], machine: &Machine) -> Vec<Tool> {
    let absent = tools.iter().filter(|tool| !tool.is_present(machine));
    absent.copied().collect()
}

/// A command line that gives root's rights to what is appended, if it may.
fn as_root() -> Result<Option<Command>, Error> {
    if account::is_root()? {
        return Ok(Some(Command::new("env")));
    }
    let can_sudo = Command::new("sudo")
        .args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    Ok(can_sudo.then(|| {
        let mut command = Command::new("sudo");
        command.arg("-n");
        command
    }))
}

/// The places where tools may be, as values, so that a test can invent them.
struct Machine {
    postgres_top: PathBuf,
    postgres_bin: Option<PathBuf>,
    path: Vec<PathBuf>,
    /// ZooKeeper's classes where Debian puts them, or a class path of somebody's own.
    zookeeper: PathBuf,
    zookeeper_named: bool,
    protoc: Option<PathBuf>,
    proto_include: Option<PathBuf>,
    system_include: PathBuf,
    system_programs: PathBuf,
}

impl Machine {
    fn this() -> Self {
        let named = |name| env::var_os(name).map(PathBuf::from);
        Self {
            postgres_top: PathBuf::from("/usr/lib/postgresql"),
            postgres_bin: named("HERDSMAN_TEST_PG_BIN"),
            path: env::var_os("PATH")
                .map_or_else(Vec::new, |path| env::split_paths(&path).collect()),
            zookeeper: PathBuf::from("/usr/share/java/zookeeper.jar"),
            zookeeper_named: named("HERDSMAN_TEST_ZOOKEEPER").is_some(),
            protoc: named("PROTOC"),
            proto_include: named("PROTOC_INCLUDE"),
            system_include: PathBuf::from("/usr/include"),
            system_programs: PathBuf::from("/usr/sbin"),
        }
    }

    fn on_path(&self, program: &str) -> bool {
        self.path.iter().any(|dir| dir.join(program).is_file())
    }

    /// A daemon's program: its folder is not on everybody's path.
    fn has_system_program(&self, program: &str) -> bool {
        self.on_path(program) || self.system_programs.join(program).is_file()
    }

    fn postgres(&self) -> Option<PathBuf> {
        let server = |dir: &Path| Some(dir.join("postgres")).filter(|file| file.is_file());
        if let Some(dir) = &self.postgres_bin {
            return server(dir);
        }
        let versions = self.postgres_top.read_dir().ok()?;
        versions
            .flatten()
            .find_map(|version| server(&version.path().join("bin")))
    }

    fn zookeeper(&self) -> bool {
        self.zookeeper_named || self.zookeeper.is_file()
    }

    fn proto_dirs(&self) -> impl Iterator<Item = PathBuf> + use<> {
        // A protoc that is not Debian's has its files next to it.
        let protoc = self.path.iter().find(|dir| dir.join("protoc").is_file());
        let beside = protoc.map(|dir| dir.with_file_name("include"));
        let named = self.proto_include.clone();
        [named, Some(self.system_include.clone()), beside]
            .into_iter()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process;

    use super::*;

    struct Invented(PathBuf);

    impl Invented {
        fn new(test: &str) -> Self {
            let top = env::temp_dir().join(format!("xtask-machine-{test}-{}", process::id()));
            fs::create_dir_all(&top).unwrap();
            Self(top)
        }

        fn file(&self, name: &str) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }

        fn machine(&self) -> Machine {
            Machine {
                postgres_top: self.0.join("postgresql"),
                postgres_bin: None,
                path: vec![self.0.join("bin")],
                zookeeper: self.0.join("java/zookeeper.jar"),
                zookeeper_named: false,
                protoc: None,
                proto_include: None,
                system_include: self.0.join("include"),
                system_programs: self.0.join("sbin"),
            }
        }
    }

    impl Drop for Invented {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn bare_machine_misses_everything() {
        let bare = Invented::new("bare");
        assert_eq!(missing(ALL, &bare.machine()), ALL);
    }

    #[test]
    fn complete_machine_misses_nothing() {
        let complete = Invented::new("complete");
        for file in [
            "postgresql/17/bin/postgres",
            "bin/etcd",
            "bin/java",
            "java/zookeeper.jar",
            "bin/protoc",
            "include/google/protobuf/descriptor.proto",
            "sbin/haproxy",
            "bin/pgbouncer",
        ] {
            complete.file(file);
        }
        assert_eq!(missing(ALL, &complete.machine()), []);
    }

    #[test]
    fn postgresql_client_alone_is_not_enough() {
        let client = Invented::new("client");
        client.file("postgresql/17/bin/psql");
        assert_eq!(
            missing(&[Tool::PostgreSql], &client.machine()),
            [Tool::PostgreSql]
        );
    }

    #[test]
    fn named_postgresql_directory_is_the_only_one_looked_at() {
        let named = Invented::new("named");
        named.file("postgresql/17/bin/postgres");
        let mut machine = named.machine();
        machine.postgres_bin = Some(named.0.join("elsewhere"));
        assert_eq!(machine.postgres(), None);
        named.file("elsewhere/postgres");
        assert_eq!(machine.postgres(), Some(named.0.join("elsewhere/postgres")));
    }

    #[test]
    fn script_is_valid_shell() {
        let status = Command::new("sh").args(["-n", "-c", SCRIPT]).status();
        assert!(status.unwrap().success());
    }
}
