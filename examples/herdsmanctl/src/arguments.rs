//! The command line. What clap refuses here ends with status 2.

mod acting;
mod asking;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use acting::{
    DemoteCluster, Failover, Flush, PromoteCluster, Reinit, Reload, Remove, Restart, Switchover,
    Target,
};
pub(crate) use asking::{Dsn, EditConfig, History, Query, Topology, Version};

/// Looks at a PostgreSQL cluster and asks its members for changes.
#[derive(Debug, Parser)]
#[command(name = "herdsmanctl", disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// The configuration: a member's own file, or one with scope and store only
    /// [default: $PATRONICTL_CONFIG_FILE, then the usual places]
    #[arg(short = 'c', long, value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
    /// The URL of the store.
    #[arg(
        short = 'd',
        long = "dcs-url",
        visible_alias = "dcs",
        value_name = "URL",
        help = "The store: [etcd3://]HOST[:PORT][/NAMESPACE] \
                [default: $DCS_URL, then the configuration's]"
    )]
    pub(crate) dcs_url: Option<String>,
    /// Taken for the sake of scripts; has no effect as long as members are called without TLS
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows the members of clusters
    List(List),
    /// Shows the members as the tree in which they replicate
    Topology(Topology),
    /// Shows when the leadership moved
    History(History),
    /// Moves the leadership to another member, in order
    Switchover(Switchover),
    /// Gives the leadership to a member, also when nobody has it
    Failover(Failover),
    /// Restarts PostgreSQL on members
    Restart(Restart),
    /// Makes members read their configuration files again
    Reload(Reload),
    /// Makes standbys copy all data anew
    Reinit(Reinit),
    /// Forgets a planned restart or switchover
    Flush(Flush),
    /// Makes the members leave PostgreSQL alone
    Pause(Pause),
    /// Ends a pause
    Resume(Pause),
    /// Makes the cluster a standby of another one
    DemoteCluster(DemoteCluster),
    /// Makes a standby cluster one of its own
    PromoteCluster(PromoteCluster),
    /// Shows the configuration that all members share
    ShowConfig(OneCluster),
    /// Changes the configuration that all members share
    EditConfig(EditConfig),
    /// Asks a member's PostgreSQL
    Query(Query),
    /// Shows how to connect to a member's PostgreSQL
    Dsn(Dsn),
    /// Deletes everything that the store knows of a cluster
    Remove(Remove),
    /// Shows what each member decided last, and why
    Why(Why),
    /// Shows the version of this program, and of the members of a cluster
    Version(Version),
}

/// A command that only needs to know the cluster.
#[derive(Debug, Args)]
pub(crate) struct OneCluster {
    /// The cluster [default: the configuration's scope]
    pub(crate) cluster: Option<String>,
}

/// Which members are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Who leads, whatever it leads
    Leader,
    /// Who leads a cluster of its own
    #[value(alias = "master")]
    Primary,
    /// Who leads a cluster that follows another one
    #[value(alias = "standby_leader")]
    StandbyLeader,
    /// Who does not lead
    Replica,
    /// The same
    Standby,
    /// Everybody
    Any,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Leader => "leader",
            Self::Primary => "primary",
            Self::StandbyLeader => "standby-leader",
            Self::Replica => "replica",
            Self::Standby => "standby",
            Self::Any => "any",
        })
    }
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// The clusters [default: the configuration's scope]
    pub(crate) clusters: Vec<String>,
    /// Shows all columns, also empty ones
    #[arg(short, long)]
    pub(crate) extended: bool,
    /// Shows the time (UTC) first
    #[arg(short, long)]
    pub(crate) timestamp: bool,
    /// How to show it
    #[arg(short, long, value_enum, default_value_t = Format::Pretty)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) watch: Watch,
}

/// Whether something is done again and again.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Watch {
    /// Goes on every 2 seconds until interrupted
    #[arg(short = 'W')]
    every_two_seconds: bool,
    /// Goes on every so many seconds until interrupted
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    watch: Option<Duration>,
}

impl Watch {
    /// The pause in between; none: once only.
    pub(crate) fn pause(self) -> Option<Duration> {
        let default = self.every_two_seconds.then_some(Duration::from_secs(2));
        self.watch.or(default)
    }
}

/// How a list of members is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people
    Pretty,
    /// Columns separated by tabs
    Tsv,
    /// One JSON array
    Json,
    /// A YAML list
    #[value(alias = "yml")]
    Yaml,
}

/// Arguments of `pause` and `resume`.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The cluster [default: the configuration's scope]
    pub(crate) cluster: Option<String>,
    /// Waits until every member has noticed
    #[arg(long)]
    pub(crate) wait: bool,
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// One member only
    pub(crate) member: Option<String>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "write a number of seconds".to_owned())?;
    // Zero would ask the store without a break.
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|pause| !pause.is_zero())
        .ok_or_else(|| "write a number of seconds above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_pause_between_looks_is_never_zero() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "x", "nan", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
