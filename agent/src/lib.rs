//! The loop that keeps one member of a PostgreSQL cluster: it ties the store, the server and the
//! decisions together.
//!
//! [`Agent::builder`] takes the member's [`settings`] and a store; [`Agent::run`] serves until the
//! member is asked to leave. The library installs no signal handler, ends no process, keeps no
//! global state and brings no runtime: whoever embeds it does. It logs by `tracing`.
//! [`Handle::leadership`] tells the service around it when this member begins and ceases to lead.
//!
//! ```no_run
//! use std::path::Path;
//! use herdsman_agent::{Agent, settings::Settings};
//! use herdsman_dcs::memory::MemoryStore;
//! use std::sync::Arc;
//!
//! # async fn service() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::from_file(Path::new("/etc/herdsman/n1.yml"))?;
//! let store = MemoryStore::new();
//! let agent = Agent::builder(settings).store(Arc::new(store.handle("n1"))).build().await?;
//! let handle = agent.handle();
//! let running = tokio::spawn(agent.run());
//! // ... the service does its own work, and at its end:
//! handle.leave();
//! running.await??;
//! # Ok(())
//! # }
//! ```

mod applying;
mod callbacks;
mod clock;
mod connect;
mod driver;
mod error;
mod execute;
mod grants;
mod kept_config;
mod leadership;
mod looking;
mod member;
mod observe;
mod peers;
mod publish;
mod reloading;
pub mod settings;
mod store;
mod telemetry;
mod text;
mod yaml;

mod builder;

pub use builder::{Agent, AgentBuilder, Handle, cluster_prefix};
pub use clock::Clock;
pub use connect::connect;
#[cfg(any(feature = "etcd", feature = "zookeeper"))]
pub use connect::tls_of;
pub use error::Error;
pub use leadership::{Leadership, LeadershipChanges};
