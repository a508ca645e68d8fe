//! The configuration files of the server.
//!
//! The main file is ours and includes the one that was there before. Invariant:
//! a file is replaced as a whole or not at all, and only when it would differ.

mod auto_conf;
mod check;
mod files;
mod guc;
mod key_password;
mod parameters;
mod pgpass;
mod proven;
mod render;
mod trust;

use std::io;
use std::path::{Path, PathBuf};

use crate::conninfo::ConnInfo;
use crate::data_directory::blocking;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::options::Config;
use crate::standby::Recovery;
use crate::synchronous::Override;
use crate::version::Version;

pub(crate) use check::Refusals;
pub use check::Refused;
pub use files::write_atomically;
pub(crate) use files::{file_mode, sync_folder_of};
pub(crate) use guc::Kind;
pub(crate) use key_password::KeyPassword;
pub(crate) use parameters::{Found, Parameters, managed_names, pending_restart};

/// A password file that ends with its use.
#[derive(Debug)]
pub(crate) struct Passfile(pub(crate) PathBuf);

impl Drop for Passfile {
    fn drop(&mut self) {
        // It need not have been written.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Which files [`Instance::write_config`] had to change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigChange {
    /// The main configuration file.
    pub settings: bool,
    /// `pg_hba.conf`.
    pub hba: bool,
    /// `pg_ident.conf`.
    pub ident: bool,
}

impl ConfigChange {
    /// Whether a running server has something new to read.
    #[must_use]
    pub const fn any(self) -> bool {
        self.settings || self.hba || self.ident
    }
}

impl Instance {
    /// Writes the configuration files as the [`Config`] has them, each at once
    /// or not at all, and only those that differ. Does not reload.
    ///
    /// The recovery settings are those of the last start, follow or promotion;
    /// a new handle keeps the ones it finds. What PostgreSQL refuses is kept
    /// out, see [`refused`](Self::refused).
    ///
    /// # Errors
    /// [`Error::NoCluster`], or a file that cannot be written.
    pub async fn write_config(&self) -> Result<ConfigChange> {
        let version = self.program_version().await?;
        let _turn = self.files().lock().await;
        let instance = self.clone();
        let include = blocking(move || instance.prepare_files()).await?;
        self.check_parameters(include.as_deref()).await?;
        let instance = self.clone();
        let written =
            blocking(move || instance.write_config_files(version, include.as_deref())).await?;
        if written.any() {
            self.set_unread(true);
        }
        Ok(written)
    }

    /// Sees that there is a cluster, and returns what the main file shall include.
    fn prepare_files(&self) -> Result<Option<String>> {
        let data_dir = self.data_dir();
        if !data_dir.join("PG_VERSION").exists() {
            return Err(Error::NoCluster {
                path: data_dir.to_owned(),
                what: "it has no file PG_VERSION".to_owned(),
            });
        }
        self.keep_original(&self.config())
    }

    fn write_config_files(&self, version: Version, include: Option<&str>) -> Result<ConfigChange> {
        let data_dir = self.data_dir();
        let config = self.config();
        let mode = file_mode(data_dir)?;
        let mut parameters = self.parameters();
        if self.trusts_local() {
            let path = self.trust_file();
            let content = render::lines_file(&self.trust_lines());
            write_atomically(&path, content.as_bytes(), mode)?;
            let path = path.display().to_string();
            parameters.settings.insert("hba_file".to_owned(), path);
        }
        let recovery = self.recovery_lines(&config, &parameters, version)?;
        let hba = self.accepted_hba(&config, &parameters);
        let ident = config
            .pg_ident
            .clone()
            .filter(|_| self.is_own_file(&parameters, "ident_file", "pg_ident.conf"));
        let own_file = |name: &str, lines: &Option<Vec<String>>| -> Option<PathBuf> {
            let path = self.config_dir().join(name);
            // Outside the data directory the server would not find them.
            let needed = lines.is_some() || (self.config_dir() != data_dir && path.exists());
            needed.then_some(path)
        };
        let synchronous = self.synchronous_text();
        let settings = render::Settings {
            include,
            parameters: &parameters,
            hba_file: own_file("pg_hba.conf", &config.pg_hba),
            ident_file: own_file("pg_ident.conf", &config.pg_ident),
            synchronous: synchronous.as_deref(),
            recovery: &recovery,
        };
        let write = |path: &Path, content: &str| write_atomically(path, content.as_bytes(), mode);
        let lines = |name: &str, lines: &Option<Vec<String>>| match lines {
            Some(lines) => write(&self.config_dir().join(name), &render::lines_file(lines)),
            None => Ok(false),
        };
        Ok(ConfigChange {
            hba: lines("pg_hba.conf", &hba)?,
            ident: lines("pg_ident.conf", &ident)?,
            settings: write(&self.config_file(), &settings.render())?,
        })
    }

    /// Sets the original main file aside, the first time, and returns what our
    /// own shall include.
    fn keep_original(&self, config: &Config) -> Result<Option<String>> {
        if let Some(custom) = &config.custom_conf {
            return Ok(Some(custom.display().to_string()));
        }
        let base_name = format!("{}.base.conf", self.options().config_base_name);
        let base = self.config_dir().join(&base_name);
        let main = self.config_file();
        if !base.exists() {
            match std::fs::read_to_string(&main) {
                Ok(text) if render::is_generated(&text, &base_name) => return Ok(None),
                Ok(_) => {
                    std::fs::rename(&main, &base).map_err(Error::io("cannot rename", &main))?
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(Error::io("cannot read", &main)(error)),
            }
        }
        Ok(Some(base_name))
    }

    /// Whom commits wait for, when that is not what the parameters say.
    pub(crate) fn synchronous_text(&self) -> Option<String> {
        match self.synchronous() {
            Override::None => None,
            Override::Text(text) => Some(text),
            Override::AsFound => {
                let found = std::fs::read_to_string(self.config_file()).unwrap_or_default();
                let base_name = format!("{}.base.conf", self.options().config_base_name);
                render::synchronous_of(&found, &base_name)
            }
        }
    }

    /// The lines for `pg_hba.conf`: none when the server could not load them, or reads another
    /// file.
    fn accepted_hba(&self, config: &Config, parameters: &Parameters) -> Option<Vec<String>> {
        let wanted = config.pg_hba.clone()?;
        let mut refusals = self.refusals();
        if refusals
            .hba
            .as_ref()
            .is_some_and(|(lines, _)| *lines != wanted)
        {
            refusals.hba = None;
        }
        let is_ours = self.is_own_file(parameters, "hba_file", "pg_hba.conf");
        (refusals.hba.is_none() && is_ours).then_some(wanted)
    }

    /// Whether the server reads the file of this name in the configuration's folder.
    fn is_own_file(&self, parameters: &Parameters, setting: &str, name: &str) -> bool {
        let configured = parameters.settings.get(setting);
        configured.is_none_or(|path| self.data_dir().join(path) == self.config_dir().join(name))
    }

    fn recovery_lines(
        &self,
        config: &Config,
        parameters: &Parameters,
        version: Version,
    ) -> Result<Vec<String>> {
        match self.recovery() {
            Recovery::Primary => Ok(Vec::new()),
            Recovery::ToTarget(settings) => Ok(render::settings_lines(&settings)),
            Recovery::AsFound => {
                let found = std::fs::read_to_string(self.config_file()).unwrap_or_default();
                Ok(render::recovery_section(&found))
            }
            Recovery::Alone => Ok(render::standby_alone_section(parameters)),
            Recovery::Standby(upstream) => {
                let mut parameters = parameters.clone();
                if let Some(upstream) = &upstream {
                    parameters.recovery.extend(upstream.settings.clone());
                }
                let server = upstream
                    .as_ref()
                    .filter(|upstream| upstream.hosts().next().is_some());
                let info = match server {
                    Some(upstream) => {
                        let has_password = self.write_pgpass(config, upstream)?;
                        let service = self.service_for_standby(config)?;
                        Some(self.replication_info(
                            config,
                            upstream,
                            version,
                            has_password,
                            service,
                        ))
                    }
                    None => None,
                };
                let slot = server.and_then(|upstream| upstream.slot.as_deref());
                Ok(render::standby_section(&parameters, info.as_deref(), slot))
            }
        }
    }

    fn replication_info(
        &self,
        config: &Config,
        upstream: &crate::Upstream,
        version: Version,
        has_password: bool,
        service: Option<&str>,
    ) -> String {
        let passfile = has_password.then_some(self.options().pgpass.as_path());
        let info = ConnInfo {
            upstream,
            credentials: &config.replication,
            database: &config.database,
            passfile,
            application_name: self.name(),
            service,
            version,
        };
        info.render()
    }

    /// Writes the password file for a server; `false` if there is no password.
    fn write_pgpass(&self, config: &Config, upstream: &crate::Upstream) -> Result<bool> {
        let Some(content) = pgpass::render(upstream, &config.replication) else {
            return Ok(false);
        };
        // libpq ignores a password file that the group may read.
        write_atomically(&self.options().pgpass, content.as_bytes(), 0o600)?;
        Ok(true)
    }

    /// A connection string for `pg_rewind`, which reads the password in a file
    /// of its own: the standby's is for another role. `reached_at` is where the
    /// program connects to, if not to the server itself.
    pub(crate) async fn prepare_rewind(
        &self,
        source: &crate::Upstream,
        reached_at: Option<&crate::Upstream>,
    ) -> Result<(String, Passfile, Option<KeyPassword>)> {
        let version = self.program_version().await?;
        let config = self.config();
        let mut role = config.rewind_role().clone();
        if reached_at.is_some() {
            // This hop does not leave the machine: it ends at a socket of our relay, which encrypts
            // the one to the source as the role says.
            role.sslpassword = None;
            role.sslmode = Some("disable".to_owned());
            role.keywords = [("gssencmode".to_owned(), "disable".to_owned())].into();
        }
        let mut upstream = reached_at.unwrap_or(source).clone();
        // A server that went into recovery since it was asked is refused.
        upstream.read_write_only = true;
        let mut path = self.options().pgpass.clone().into_os_string();
        path.push(".rewind");
        let passfile = Passfile(path.into());
        let content = pgpass::render(&upstream, &role);
        if let Some(content) = &content {
            write_atomically(&passfile.0, content.as_bytes(), 0o600)?;
        }
        let info = ConnInfo {
            upstream: &upstream,
            credentials: &role,
            database: &config.database,
            passfile: content.as_ref().map(|_| passfile.0.as_path()),
            application_name: self.name(),
            service: None,
            version,
        };
        let key = self.write_key_password(&role, "rewind")?;
        Ok((info.render(), passfile, key))
    }

    /// A connection string for a helper program, and its password file.
    pub(crate) async fn prepare_connection(
        &self,
        upstream: &crate::Upstream,
    ) -> Result<(String, Option<PathBuf>)> {
        let version = self.program_version().await?;
        let config = self.config();
        let has_password = self.write_pgpass(&config, upstream)?;
        let info = self.replication_info(&config, upstream, version, has_password, None);
        Ok((info, has_password.then(|| self.options().pgpass.clone())))
    }

    /// Drops recovery settings from `postgresql.auto.conf`, where they would
    /// win over ours. A base backup made with `-R` leaves them there.
    pub(crate) fn clean_auto_conf(&self) -> Result<()> {
        let path = self.data_dir().join("postgresql.auto.conf");
        let content = match std::fs::read_to_string(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("cannot read", &path)(error)),
        };
        let mode = file_mode(self.data_dir())?;
        write_atomically(
            &path,
            auto_conf::without_recovery(&content).as_bytes(),
            mode,
        )?;
        Ok(())
    }
}
