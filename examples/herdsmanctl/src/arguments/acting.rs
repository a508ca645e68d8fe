//! Arguments of the commands that move, restart, renew or remove something.

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};

use super::{Format, Role};

/// Arguments of `switchover`.
#[derive(Debug, Args)]
pub(crate) struct Switchover {
    /// The cluster [default: the configuration's scope]
    pub(crate) cluster: Option<String>,
    /// Who leads now
    #[arg(long, visible_aliases = ["primary", "master"], value_name = "MEMBER")]
    pub(crate) leader: Option<String>,
    /// Who shall lead [default: the best]
    #[arg(long, value_name = "MEMBER")]
    pub(crate) candidate: Option<String>,
    /// When: `now`, or a time such as 2030-01-01T10:00+01:00; without an offset it is local
    #[arg(long, value_name = "TIME")]
    pub(crate) scheduled: Option<String>,
    /// Asks nothing
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `failover`.
#[derive(Debug, Args)]
pub(crate) struct Failover {
    /// The cluster [default: the configuration's scope]
    pub(crate) cluster: Option<String>,
    /// Who shall lead
    #[arg(long, value_name = "MEMBER")]
    pub(crate) candidate: Option<String>,
    /// Asks nothing
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `demote-cluster`.
#[derive(Debug, Args)]
pub(crate) struct DemoteCluster {
    /// The cluster [default: the configuration's scope]
    pub(crate) cluster: Option<String>,
    /// Asks nothing
    #[arg(long)]
    pub(crate) force: bool,
    /// The server to follow; several, separated by commas, are those of one cluster
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Its port
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// What fetches WAL from the other cluster's archive
    #[arg(long, value_name = "COMMAND")]
    pub(crate) restore_command: Option<String>,
    /// The replication slot to use on that server
    #[arg(long, value_name = "SLOT")]
    pub(crate) primary_slot_name: Option<String>,
}

/// Arguments of `promote-cluster`.
#[derive(Debug, Args)]
pub(crate) struct PromoteCluster {
    /// The cluster [default: the configuration's scope]
    pub(crate) cluster: Option<String>,
    /// Asks nothing
    #[arg(long)]
    pub(crate) force: bool,
}

/// Which members of a cluster are to do something.
#[derive(Debug, Args)]
pub(crate) struct Members {
    /// The cluster
    pub(crate) cluster: String,
    /// The members [default: all with the role]
    pub(crate) members: Vec<String>,
    /// Only members with this role
    #[arg(short, long, value_enum, default_value_t = Role::Any)]
    pub(crate) role: Role,
    /// Asks nothing
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `reload`.
#[derive(Debug, Args)]
pub(crate) struct Reload {
    #[command(flatten)]
    pub(crate) some: Members,
}

/// Arguments of `restart`.
#[derive(Debug, Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    pub(crate) some: Members,
    /// Only one of them, whichever
    #[arg(long)]
    pub(crate) any: bool,
    /// When: `now`, or a time such as 2030-01-01T10:00+01:00; without an offset it is local
    #[arg(long, value_name = "TIME")]
    pub(crate) scheduled: Option<String>,
    /// Only where PostgreSQL is older than this version, such as 15.4
    #[arg(long, value_name = "VERSION")]
    pub(crate) pg_version: Option<String>,
    /// Only where a setting waits for a restart
    #[arg(long)]
    pub(crate) pending: bool,
    /// How long the server may take to start, in seconds or with a unit
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
}

/// Arguments of `reinit`.
#[derive(Debug, Args)]
pub(crate) struct Reinit {
    /// The cluster
    pub(crate) cluster: String,
    /// The members [default: asks]
    pub(crate) members: Vec<String>,
    /// Asks nothing, and ends what the member is doing
    #[arg(long)]
    pub(crate) force: bool,
    /// Copies from the leader, also where another member is preferred
    #[arg(long)]
    pub(crate) from_leader: bool,
    /// Waits until the members run again
    #[arg(long)]
    pub(crate) wait: bool,
}

/// Arguments of `flush`.
#[derive(Debug, Args)]
#[command(
    override_usage = "herdsmanctl flush [OPTIONS] <CLUSTER> [MEMBERS]... <restart|switchover>"
)]
pub(crate) struct Flush {
    /// The cluster, the members if not all, and what they shall forget: restart or switchover
    #[arg(required = true, num_args = 2.., value_name = "CLUSTER [MEMBERS]... TARGET")]
    words: Vec<String>,
    /// Only members with this role
    #[arg(short, long, value_enum, default_value_t = Role::Any)]
    pub(crate) role: Role,
    /// Asks nothing
    #[arg(long)]
    pub(crate) force: bool,
}

/// What is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    Restart,
    Switchover,
}

impl Flush {
    pub(crate) fn cluster(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    pub(crate) fn members(&self) -> &[String] {
        match self.words.as_slice() {
            [_, members @ .., _] => members,
            _ => &[],
        }
    }

    /// The last word; the error is for whoever called the program.
    pub(crate) fn target(&self) -> Result<Target, clap::Error> {
        let word = self.words.last().map_or("", String::as_str);
        Target::from_str(word, false).map_err(|_| {
            let text = format!("'{word}' is neither 'restart' nor 'switchover'\n");
            clap::Error::raw(ErrorKind::InvalidValue, text)
        })
    }
}

/// Arguments of `remove`.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The cluster
    pub(crate) cluster: String,
    /// How to show its members first
    #[arg(short, long, value_enum, default_value_t = Format::Pretty)]
    pub(crate) format: Format,
}
