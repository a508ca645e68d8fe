//! Configuration that a running server has shown to be good.
//!
//! Some mistakes show only when a server starts: a library that is not there, more memory than
//! the machine has, a line of `pg_hba.conf`. So the files of each successful start are kept, and a
//! start that fails is tried once more with what has changed since left out. Invariant: a
//! change of the configuration alone does not keep a server down that ran before it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::check::Refused;
use super::files::{file_mode, write_atomically};
use super::render;
use crate::connection::Session;
use crate::data_directory::blocking;
use crate::error::{Error, Result};
use crate::instance::Instance;

/// These say where a server is, not how it works.
const OF_THE_PLACE: [&str; 5] = [
    "cluster_name",
    "hba_file",
    "ident_file",
    "listen_addresses",
    "port",
];

impl Instance {
    /// Writes the configuration files, lets the running server read what it has not read yet, and
    /// returns whether there was something. Lines of `pg_hba.conf` that the server cannot load
    /// are taken back and shown by [`refused`](Self::refused).
    ///
    /// # Errors
    /// As [`write_config`](Self::write_config) and [`reload_and_wait`](Self::reload_and_wait).
    pub async fn apply_config(&self) -> Result<bool> {
        let hba = self.config_dir().join("pg_hba.conf");
        let before = fs::read(&hba).ok();
        let change = self.write_config().await?;
        if !self.is_unread() {
            return Ok(false);
        }
        self.reload_and_wait().await?;
        if change.hba {
            self.check_hba(before).await?;
        }
        Ok(true)
    }

    /// A server goes on with the lines that it has when it cannot load new ones, but would not
    /// start with them.
    async fn check_hba(&self, before: Option<Vec<u8>>) -> Result<()> {
        let limit = self.options().sql_timeout;
        let session = Session::local(self, limit).await?;
        let ask = "SELECT line_number, error FROM pg_hba_file_rules \
                   WHERE error IS NOT NULL ORDER BY line_number LIMIT 1";
        let answer = session.run("checking pg_hba.conf", ask, limit).await?;
        let wrong = answer.first().and_then(|rows| rows.first());
        let Some(row) = wrong else {
            return self.keep_hba().await;
        };
        let why = format!(
            "line {}: {}",
            row.get(0).unwrap_or_default(),
            row.get(1).unwrap_or_default()
        );
        tracing::warn!("pg_hba is kept out, the lines before stay in force: {why}");
        self.refuse_hba(why);
        let (path, mode) = (
            self.config_dir().join("pg_hba.conf"),
            file_mode(self.data_dir())?,
        );
        if let Some(before) = before {
            write_atomically(&path, &before, mode)?;
        }
        Ok(())
    }

    fn refuse_hba(&self, why: String) {
        let lines = self.config().pg_hba.clone();
        self.refusals().hba = lines.map(|lines| (lines, why));
    }

    /// Remembers the files that the server has come up with.
    pub(crate) async fn keep_proven(&self) -> Result<()> {
        let instance = self.clone();
        blocking(move || {
            for (from, to) in instance.proven_files() {
                instance.keep(&from, &to)?;
            }
            Ok(())
        })
        .await
    }

    async fn keep_hba(&self) -> Result<()> {
        let instance = self.clone();
        blocking(move || {
            let [_, (from, to), _] = instance.proven_files();
            instance.keep(&from, &to)
        })
        .await
    }

    fn keep(&self, from: &Path, to: &Path) -> Result<()> {
        match fs::read(from) {
            Ok(content) => {
                write_atomically(to, &content, file_mode(self.data_dir())?)?;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("cannot read", from)(error)),
        }
    }

    /// Files with the names of their copies.
    fn proven_files(&self) -> [(PathBuf, PathBuf); 3] {
        let main = format!("{}.conf", self.options().config_base_name);
        let names = [main.as_str(), "pg_hba.conf", "pg_ident.conf"];
        names.map(|name| {
            let copy = self.data_dir().join(format!("{name}.backup"));
            (self.config_dir().join(name), copy)
        })
    }

    /// The copies that came with a copy of another server's data are that server's.
    pub(crate) fn forget_proven(&self) -> Result<()> {
        for (_, copy) in self.proven_files() {
            match fs::remove_file(&copy) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("cannot remove", &copy)(error)),
            }
        }
        Ok(())
    }

    /// After a start that failed: leaves out what has changed since the last one that did not.
    /// `false` when nothing has.
    pub(crate) fn fall_back(&self, log: &[String]) -> Result<bool> {
        let said = log.iter().rev().find(|line| line.contains("FATAL"));
        let said = said.or_else(|| log.last()).cloned().unwrap_or_default();
        if log.iter().any(|line| line.contains("pg_hba.conf")) && self.fall_back_to_hba(&said)? {
            return Ok(true);
        }
        let [(_, main), _, _] = self.proven_files();
        let proven = render::settings_of(&fs::read_to_string(main).unwrap_or_default());
        if proven.is_empty() {
            return Ok(false);
        }
        let present = self.parameters().settings;
        let changed = present
            .into_iter()
            .filter(|(name, value)| {
                !OF_THE_PLACE.contains(&name.as_str()) && proven.get(name) != Some(value)
            })
            .map(|(name, value)| {
                let refused = Refused {
                    value,
                    instead: proven.get(&name).cloned(),
                    why: format!("the server did not start with it: {said}"),
                };
                (name, refused)
            });
        let mut refusals = self.refusals();
        let mut is_any = false;
        for (name, refused) in changed {
            tracing::warn!(
                "parameter {name} is kept out, value {:?}: {}",
                refused.value,
                refused.why
            );
            refusals.settings.insert(name, refused);
            is_any = true;
        }
        Ok(is_any)
    }

    fn fall_back_to_hba(&self, said: &str) -> Result<bool> {
        let [_, (path, copy), _] = self.proven_files();
        let Ok(proven) = fs::read(&copy) else {
            return Ok(false);
        };
        if self.config().pg_hba.is_none() || fs::read(&path).is_ok_and(|found| found == proven) {
            return Ok(false);
        }
        tracing::warn!("pg_hba is kept out, the lines before are put back: {said}");
        self.refuse_hba(said.to_owned());
        write_atomically(&path, &proven, file_mode(self.data_dir())?)?;
        Ok(true)
    }
}
