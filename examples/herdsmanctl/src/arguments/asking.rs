//! Arguments of the commands that look at something or change the configuration.

use std::path::PathBuf;

use clap::Args;

use super::{Format, Role, Watch};

/// Arguments of `topology`.
#[derive(Debug, Args)]
pub(crate) struct Topology {
    /// The clusters [default: the configuration's scope]
    pub(crate) clusters: Vec<String>,
    #[command(flatten)]
    pub(crate) watch: Watch,
}

/// Arguments of `history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The cluster [default: the configuration's scope]
    pub(crate) cluster: Option<String>,
    /// How to show it
    #[arg(short, long, value_enum, default_value_t = Format::Pretty)]
    pub(crate) format: Format,
}

/// Arguments of `edit-config`.
#[derive(Debug, Args)]
pub(crate) struct EditConfig {
    /// The cluster [default: the configuration's scope]
    pub(crate) cluster: Option<String>,
    /// Does not show what changes
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Sets a value, such as `ttl=20`; `null` removes the key
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Sets a parameter of PostgreSQL
    #[arg(short, long, value_name = "PARAMETER=VALUE")]
    pub(crate) pg: Vec<String>,
    /// Puts the file over the configuration; `-` is the input
    #[arg(long, value_name = "FILE")]
    pub(crate) apply: Option<PathBuf>,
    /// Puts the file in the place of the configuration; `-` is the input
    #[arg(long, value_name = "FILE")]
    pub(crate) replace: Option<PathBuf>,
    /// Asks nothing
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `query`.
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// The cluster [default: the configuration's scope]
    pub(crate) cluster: Option<String>,
    /// What to ask
    #[arg(short, long, value_name = "SQL")]
    pub(crate) command: Option<String>,
    /// The file with what to ask; `-` is the input
    #[arg(short, long)]
    pub(crate) file: Option<PathBuf>,
    /// Whom to ask: the first with this role [default: leader]
    #[arg(short, long, value_enum)]
    pub(crate) role: Option<Role>,
    /// Whom to ask
    #[arg(short, long)]
    pub(crate) member: Option<String>,
    /// The database [default: $PGDATABASE, then the user's name]
    #[arg(short, long, value_name = "DATABASE")]
    pub(crate) dbname: Option<String>,
    /// Who asks [default: $PGUSER, then the user who runs this program]
    #[arg(short = 'U', long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Asks for the password first [default: $PGPASSWORD, then the password file]
    #[arg(long)]
    pub(crate) password: bool,
    /// How to show the answer
    #[arg(long, value_enum, default_value_t = Format::Tsv)]
    pub(crate) format: Format,
    /// What stands between two columns of the tsv format
    #[arg(
        long,
        default_value = "\t",
        hide_default_value = true,
        value_name = "TEXT"
    )]
    pub(crate) delimiter: String,
    #[command(flatten)]
    pub(crate) watch: Watch,
}

/// Arguments of `dsn`.
#[derive(Debug, Args)]
pub(crate) struct Dsn {
    /// The cluster [default: the configuration's scope]
    pub(crate) cluster: Option<String>,
    /// The first member with this role [default: leader]
    #[arg(short, long, value_enum)]
    pub(crate) role: Option<Role>,
    /// This member
    #[arg(short, long)]
    pub(crate) member: Option<String>,
}

/// Arguments of `version`.
#[derive(Debug, Args)]
pub(crate) struct Version {
    /// The cluster whose members are asked
    pub(crate) cluster: Option<String>,
    /// Only these members
    pub(crate) members: Vec<String>,
}
