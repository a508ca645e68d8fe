//! A session with all that keeps it: a line, its relay, and the client on a runtime of its own.
//!
//! The client's background task has no end of its own, so it gets a runtime that can be ended.
//! Invariant: when a link is dropped nothing of it runs on, and its session is not kept alive.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use zookeeper_async::ZooKeeper;

use super::line::{End, Line};
use super::options::ZooKeeperOptions;
use super::relay;
use crate::Error;

/// How long the client waits before it connects to the relay again; without a pause it spins.
const RETRY: Duration = Duration::from_millis(50);

pub(super) struct Link {
    pub(super) line: Arc<Line>,
    runtime: Option<Runtime>,
}

impl Link {
    /// Begins to open a session that asks for this timeout.
    pub(super) fn start(options: Arc<ZooKeeperOptions>, timeout: Duration) -> Result<Self, Error> {
        let line = Arc::new(Line::new(options));
        let unavailable = |what: &str, error: &std::io::Error| {
            Error::unavailable(format!("{what} for ZooKeeper cannot be made: {error}"))
        };
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("zookeeper")
            .enable_all()
            .build()
            .map_err(|error| unavailable("a runtime", &error))?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| {
                listener.set_nonblocking(true)?;
                Ok((listener.local_addr()?, listener))
            })
            .map_err(|error| unavailable("a relay", &error));
        let (local, listener) = listener?;
        runtime.spawn(keep(listener, local, Arc::clone(&line), timeout));
        Ok(Self {
            line,
            runtime: Some(runtime),
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.line.end(End::Closed);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs the client and its relay until the runtime is ended.
async fn keep(
    listener: std::net::TcpListener,
    local: SocketAddr,
    line: Arc<Line>,
    timeout: Duration,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            line.connecting(format!("the relay for ZooKeeper cannot be used: {error}").into());
            return;
        }
    };
    let address = local.to_string();
    // The relay tells what happens; the client's own view of it is of no use.
    let client = ZooKeeper::connect_with_retry_time(&address, timeout, |_| {}, RETRY);
    let (client, ()) = tokio::join!(client, relay::run(&listener, local, Arc::clone(&line)));
    if let Err(error) = client {
        line.connecting(format!("zookeeper-async does not start: {error}").into());
    }
    // Until it is ended the client finds somebody who listens, so it does not spin.
    std::future::pending::<()>().await;
}
