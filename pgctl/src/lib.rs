//! One PostgreSQL instance: look at it, change it.
//!
//! This crate knows nothing of leaders, leases or other members. It sees what
//! is there ([`Instance::facts`]) and does what it is told: start, stop,
//! promote, follow, clone, configure, and end every process with proof
//! ([`Instance::kill_all`]). PostgreSQL 13 to 18, on Linux, with tokio.
//!
//! A PostgreSQL server outlives the process that started it. A new [`Instance`]
//! on the same data directory finds the running server and carries on.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use herdsman_pgctl::{
//!     Config, Credentials, Instance, InstanceOptions, Process, Secret, StartAs, StopMode,
//! };
//!
//! let superuser = Credentials::new("postgres", Some(Secret::new("...")));
//! let replication = Credentials::new("replicator", Some(Secret::new("...")));
//! let config = Config::new("127.0.0.1:5432".parse()?, superuser, replication);
//! let instance = Instance::new(InstanceOptions::new("node1", "/var/lib/postgresql/15/main", config));
//!
//! let facts = instance.facts().await;
//! if facts.process == Process::Down {
//!     instance.start(StartAs::Primary, Duration::from_secs(60)).await?;
//! }
//! let exit = instance.exited().await; // an event, within milliseconds
//! eprintln!("the server has ended: {exit}");
//! # Ok(())
//! # }
//! ```

mod basebackup;
mod bin;
mod command;
mod config;
mod connection;
mod conninfo;
mod control_data;
mod credentials;
mod data_directory;
mod error;
mod facts;
mod initdb;
mod instance;
mod kept_rows;
mod kill_all;
mod link;
mod listen;
mod lsn;
mod missing_wal;
mod options;
mod preflight;
mod probe;
mod process;
mod promote;
mod replication;
mod rewind;
mod script;
mod single_user;
mod slot_files;
mod slots;
mod sql_text;
mod standby;
mod synchronous;
mod text;
mod timeline;
mod tls;
mod upstream;
mod users;
mod version;
mod wire;

pub use basebackup::CloneProgress;
pub use config::{ConfigChange, Refused, write_atomically};
pub use control_data::{ClusterState, ControlData};
pub use credentials::{Credentials, Secret};
pub use error::{Advice, Error, Result};
pub use facts::{
    DataDirectory, Facts, Leftover, PendingRestart, Process, Receiver, Sender, Server, ServerRole,
    Slot, SlotKind, Standby, Synchronous, Wreck,
};
pub use instance::Instance;
pub use kept_rows::{KeptRows, Xid};
pub use kill_all::{Gone, kill_server};
pub use link::connect;
pub use listen::{Address, Listen};
pub use lsn::{Lsn, ParseValueError};
pub use options::{Config, InstanceOptions, ToolOption};
pub use process::{
    Exit, ExitEvents, RaisedParameter, StartAs, Started, StopMode, backend_ended, become_subreaper,
};
pub use replication::Identity;
pub use rewind::Rewound;
pub use script::Script;
pub use slot_files::SlotFile;
pub use slots::{FollowedSlot, LogicalSlot, SlotChanges, SlotPlan, slot_name};
pub use standby::Followed;
pub use synchronous::{SynchronousNames, all_of};
pub use timeline::{HistoryLine, Timeline, parse_history};
pub use upstream::Upstream;
pub use version::{SUPPORTED_MAJORS, Version};
