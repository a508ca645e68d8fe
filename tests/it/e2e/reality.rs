//! What the simulator's models of PostgreSQL and of the store assume, shown on real servers.
//!
//! Each test is one claim of `docs/model-facts.md`. No daemon takes part: a server does what its
//! test orders.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod diverged;
mod freezing;
mod leases;
mod model;
mod replay;
mod shutdown;
mod store;
mod timelines;
mod twins;
mod waiting;
mod zookeeper;
