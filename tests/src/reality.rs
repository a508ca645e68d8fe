//! Single PostgreSQL servers and the way to a store, without any daemon: what the tests that
//! compare the simulator's models with reality are made of.
//!
//! A server here does what its test says and nothing of its own accord. Invariant: its processes
//! end with its [`PgServer`], whatever state they are in.

mod client;
mod postgres;
mod relay;
mod restart;

pub use client::{Sql, Told};
pub use postgres::PgServer;
pub use relay::Relay;

use std::time::{Duration, Instant};

/// How long a condition may take to come true. Generous, because other tests share the machine.
pub const LONG: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(10);

/// Waits until there is a value.
///
/// # Panics
/// When there is none in time.
pub async fn wait_for<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {LONG:?} for {what}");
        tokio::time::sleep(STEP).await;
    }
}

/// Waits until the condition holds.
///
/// # Panics
/// When it does not in time.
pub async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    wait_for(what, async || holds().await.then_some(())).await;
}
