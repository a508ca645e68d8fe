//! The HTTP face of a member: what health checks, monitoring, operators and peers ask it.
//!
//! The paths, status codes and field names are those that existing load balancers, dashboards and
//! command line tools know. A handler reads a [`Snapshot`] and nothing else, so no answer hangs on
//! the store or on PostgreSQL; what changes something is a command that is handed to the agent's
//! loop. The crate brings no runtime, reads no clock and handles no signal.
//!
//! [`ask`] is the other side: it asks a peer for its position, whichever of the two programs it
//! runs.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use herdsman_ha_core::{Boot, InstanceId, Machine, MemberName, Mono, Now, PeerAnswer, Settings, Tags};
//! use herdsman_rest_api::{Counters, Options, Server, Snapshot, ask, commands, snapshots};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings {
//!     name: MemberName::from("n1"),
//!     conn_url: "postgres://127.0.0.1:5432/postgres".to_owned(),
//!     api_url: "http://127.0.0.1:8008/patroni".to_owned(),
//!     tags: Tags::default(),
//!     proxy_url: None,
//!     known_config: None,
//!     standby_start_limit: None,
//!     bootstrap_config: None,
//!     watchdog_required: false,
//!     rejoin: herdsman_ha_core::RejoinSettings::default(),
//!     scripts: herdsman_ha_core::Scripts::default(),
//! };
//! let boot = Boot::new(InstanceId::from("run-1"), 1);
//! let machine = Machine::new(settings, boot, Now::default());
//! let (_writer, reader) = snapshots(Snapshot {
//!     status: Arc::new(machine.status()),
//!     server: None,
//!     scope: "demo".to_owned(),
//!     refused: Default::default(),
//!     is_watchdog_required: false,
//!     store_seen: None,
//!     taken_at: Mono::default(),
//!     counters: Counters::default(),
//! });
//! let (sender, _receiver) = commands();
//!
//! let server = Server::bind("127.0.0.1:0").await?;
//! let url = format!("http://{}/patroni", server.local_addr());
//! let options = Options::new(Arc::new(Mono::default));
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let serving = tokio::spawn(server.serve(reader, sender, options, async {
//!     stopped.await.ok();
//! }));
//!
//! // No PostgreSQL runs here, and the peer says so.
//! let answer = ask(&url, Duration::from_secs(5)).await?;
//! assert_eq!(answer, PeerAnswer::NotRunning { instance: Some(InstanceId::from("run-1")) });
//!
//! drop(stop);
//! serving.await?;
//! # Ok(())
//! # }
//! ```

mod answer;
mod bodies;
mod change;
mod client;
mod command;
mod credentials;
mod dto;
#[cfg(test)]
mod fixture;
mod health;
mod metrics;
mod node;
mod quantity;
mod query;
mod route;
mod server;
mod snapshot;
mod timestamp;

pub use client::{ClientError, ask, ask_promise};
pub use command::{CommandError, CommandReceiver, CommandSender, Reply, Request, commands};
pub use credentials::Credentials;
pub use server::{Clock, OnReload, Options, Server, ServerError};
pub use snapshot::{
    Counters, SenderFacts, ServerFacts, Snapshot, SnapshotReader, SnapshotWriter, snapshots,
};
