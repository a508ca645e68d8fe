//! What an [`Instance`](crate::Instance) is made from.
//!
//! [`InstanceOptions`] stays as it is for the life of the handle: where things
//! are. [`Config`] may be replaced at any time: how the server shall be set up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::credentials::Credentials;
use crate::listen::{Address, Listen};

/// Where one PostgreSQL instance lives. Fixed for the life of the handle.
#[derive(Clone, Debug)]
pub struct InstanceOptions {
    /// The member's name. It becomes `application_name` of its replication.
    pub name: String,
    /// The data directory.
    pub data_dir: PathBuf,
    /// Where the configuration files are, `data_dir` by default.
    pub config_dir: Option<PathBuf>,
    /// The main configuration file is `<this>.conf`; default `postgresql`.
    pub config_base_name: String,
    /// Where the programs are; `PATH` is searched by default.
    pub bin_dir: Option<PathBuf>,
    /// Other names for programs: `postgres`, `initdb`, `pg_controldata`,
    /// `pg_basebackup`, `pg_rewind`.
    pub bin_names: BTreeMap<String, String>,
    /// Where the server's own output goes before its log collector starts.
    /// By default it shares ours.
    pub log_file: Option<PathBuf>,
    /// The password file that the standby's connection and the helper programs
    /// read. Written by us, mode 0600.
    pub pgpass: PathBuf,
    /// Limit of one round of SQL facts; default 2 seconds.
    pub sql_timeout: Duration,
    /// The settings to begin with.
    pub config: Config,
}

impl InstanceOptions {
    /// Options with every default, for a cluster in `data_dir`. The password
    /// file is beside the data directory.
    #[must_use]
    pub fn new(name: impl Into<String>, data_dir: impl Into<PathBuf>, config: Config) -> Self {
        let data_dir = data_dir.into();
        let mut pgpass = data_dir.clone().into_os_string();
        pgpass.push(".pgpass");
        Self {
            name: name.into(),
            data_dir,
            config_dir: None,
            config_base_name: "postgresql".to_owned(),
            bin_dir: None,
            bin_names: BTreeMap::new(),
            log_file: None,
            pgpass: pgpass.into(),
            sql_timeout: Duration::from_secs(2),
            config,
        }
    }
}

/// How the server shall be set up. Replaced as a whole by
/// [`Instance::set_config`](crate::Instance::set_config).
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the server listens.
    pub listen: Listen,
    /// Where other members reach it.
    pub connect_address: Address,
    /// `cluster_name` of the server.
    pub cluster_name: String,
    /// The database for our own sessions; default `postgres`.
    pub database: String,
    /// Connect to the local server by its unix socket.
    pub use_unix_socket: bool,
    /// The role for looking at and changing the local server.
    pub superuser: Credentials,
    /// The role of standbys and of base backups.
    pub replication: Credentials,
    /// The role of `pg_rewind`, if not the superuser.
    pub rewind: Option<Credentials>,
    /// Server parameters by name, as text, with the defaults and the managed
    /// ones already merged in by the caller.
    pub parameters: BTreeMap<String, String>,
    /// Lines of `pg_hba.conf`; `None` leaves that file alone.
    pub pg_hba: Option<Vec<String>>,
    /// Lines of `pg_ident.conf`; `None` leaves that file alone.
    pub pg_ident: Option<Vec<String>>,
    /// Recovery settings of a standby, for example `restore_command`.
    pub recovery_conf: BTreeMap<String, String>,
    /// A file to include in place of the original configuration.
    pub custom_conf: Option<PathBuf>,
    /// Options of `initdb`.
    pub initdb: Vec<ToolOption>,
    /// Options of `pg_basebackup`.
    pub basebackup: Vec<ToolOption>,
    /// Options of `pg_rewind`.
    pub rewind_options: Vec<ToolOption>,
}

impl Config {
    /// Settings with every default for a server that listens at `listen` and
    /// is reached at its first address.
    #[must_use]
    pub fn new(listen: Listen, superuser: Credentials, replication: Credentials) -> Self {
        Self {
            connect_address: listen.local_address(),
            listen,
            cluster_name: String::new(),
            database: "postgres".to_owned(),
            use_unix_socket: false,
            superuser,
            replication,
            rewind: None,
            parameters: BTreeMap::new(),
            pg_hba: None,
            pg_ident: None,
            recovery_conf: BTreeMap::new(),
            custom_conf: None,
            initdb: Vec::new(),
            basebackup: Vec::new(),
            rewind_options: Vec::new(),
        }
    }

    /// The role of `pg_rewind`.
    pub(crate) fn rewind_role(&self) -> &Credentials {
        self.rewind.as_ref().unwrap_or(&self.superuser)
    }
}

/// A long option of a PostgreSQL program, without the leading dashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOption {
    /// The option's name, for example `data-checksums`.
    pub name: String,
    /// Its value, for those that have one.
    pub value: Option<String>,
}

impl ToolOption {
    /// An option without a value.
    #[must_use]
    pub fn flag(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: None,
        }
    }

    /// An option with a value.
    #[must_use]
    pub fn with_value(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: Some(value.into()),
        }
    }

    pub(crate) fn argument(&self) -> String {
        match &self.value {
            Some(value) => format!("--{}={value}", self.name),
            None => format!("--{}", self.name),
        }
    }
}
