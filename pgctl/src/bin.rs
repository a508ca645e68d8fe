//! The PostgreSQL programs: where they are, and of which version.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command::{Limit, Tool};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::version::Version;

/// The programs that this crate cannot do without.
pub(crate) const NEEDED: [&str; 4] = ["postgres", "initdb", "pg_controldata", "pg_basebackup"];

/// Long enough for a program that only prints something, on a busy machine.
pub(crate) const SHORT: Duration = Duration::from_secs(10);

impl Instance {
    /// The path of a program, by its usual name.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf> {
        self.find_program(name)
            .ok_or_else(|| Error::MissingBinaries {
                names: vec![name.to_owned()],
                looked_in: self.looked_in(),
            })
    }

    pub(crate) fn find_program(&self, name: &str) -> Option<PathBuf> {
        let options = self.options();
        let file = options.bin_names.get(name).map_or(name, String::as_str);
        match &options.bin_dir {
            Some(folder) => Some(folder.join(file)).filter(|path| is_executable(path)),
            None => env::split_paths(&env::var_os("PATH")?)
                .map(|folder| folder.join(file))
                .find(|path| is_executable(path)),
        }
    }

    pub(crate) fn looked_in(&self) -> String {
        match &self.options().bin_dir {
            Some(folder) => folder.display().to_string(),
            None => format!("PATH ({})", env::var("PATH").unwrap_or_default()),
        }
    }

    /// The version of the programs. Asked once: a server is not upgraded under
    /// a running agent without a restart of both.
    pub(crate) async fn program_version(&self) -> Result<Version> {
        if let Some(version) = self.known_version() {
            return Ok(version);
        }
        let tool = Tool::new("postgres", self.program("postgres")?).arg("--version");
        let output = tool.run(Limit::Total(SHORT), |_| {}).await?;
        let version = Version::of_program_output(&output).ok_or(Error::Unexpected {
            what: "output of postgres --version",
            found: output,
        })?;
        if !version.is_supported() {
            return Err(Error::UnsupportedVersion {
                what: "the program postgres".to_owned(),
                found: version,
                supported: "versions 13 to 18 are supported".to_owned(),
            });
        }
        self.remember_version(version);
        Ok(version)
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
