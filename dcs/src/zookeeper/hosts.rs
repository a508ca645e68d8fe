//! Which server is tried next.
//!
//! Names are resolved anew for each round, and a round goes through all addresses in an order of
//! its own, so that the members of a cluster do not all sit on one server. Invariant: one name
//! that cannot be resolved does not keep the others from being tried.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{sleep, timeout};

use crate::Cause;

/// How long to wait for a connection; a host that drops packets would else hold us for minutes.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);
/// How long to wait after a round in which no server was of use; it doubles with each of them.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// A server that accepted a connection.
#[derive(Debug)]
pub(super) struct Server {
    /// The host that was asked for, as its certificate must name it.
    pub(super) name: String,
    pub(super) address: SocketAddr,
}

impl Server {
    /// What went wrong with this server.
    pub(super) fn failed(&self, cause: impl Into<Cause>) -> Cause {
        let server = format!("ZooKeeper at {}", self.address);
        Cause::with_source(server, Some(&cause.into()))
    }
}

#[derive(Debug)]
pub(super) struct Hosts {
    names: Vec<String>,
    /// The addresses that are still to be tried, with the names that led to them.
    round: Vec<(String, SocketAddr)>,
    is_first_round: bool,
    pause: Duration,
}

impl Hosts {
    pub(super) const fn new(names: Vec<String>) -> Self {
        Self {
            names,
            round: Vec::new(),
            is_first_round: true,
            pause: FIRST_PAUSE,
        }
    }

    /// Connects to the next server, and says who it is.
    pub(super) async fn connect(&mut self) -> Result<(TcpStream, Server), Cause> {
        if self.round.is_empty() {
            if !self.is_first_round {
                sleep(self.pause).await;
                self.pause = LONGEST_PAUSE.min(self.pause * 2);
            }
            self.round = self.resolve().await?;
        }
        let Some((name, address)) = self.round.pop() else {
            return Err(Cause::new("the ZooKeeper hosts have no addresses"));
        };
        let stream = match timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                let reason = format!("cannot connect to ZooKeeper at {address}: {error}");
                return Err(Cause::new(reason));
            }
            Err(_) => {
                let reason = format!("ZooKeeper at {address} does not accept a connection");
                return Err(Cause::new(reason));
            }
        };
        // Requests are small and each is waited for.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small messages to ZooKeeper may be held back");
        }
        Ok((stream, Server { name, address }))
    }

    /// A server was of use: after it is lost all are tried at once.
    pub(super) fn succeeded(&mut self) {
        self.round.clear();
        self.is_first_round = true;
        self.pause = FIRST_PAUSE;
    }

    async fn resolve(&mut self) -> Result<Vec<(String, SocketAddr)>, Cause> {
        self.is_first_round = false;
        let mut found = Vec::new();
        let mut problem = None;
        for name in &self.names {
            match timeout(CONNECT_LIMIT, lookup_host(name)).await {
                Ok(Ok(addresses)) => {
                    found.extend(addresses.map(|address| (host(name).to_owned(), address)));
                }
                Ok(Err(error)) => problem = Some(format!("cannot resolve {name}: {error}")),
                Err(_) => problem = Some(format!("cannot resolve {name} in time")),
            }
        }
        if let Some(problem) = problem {
            if found.is_empty() {
                return Err(Cause::new(problem));
            }
            tracing::warn!(problem, "a ZooKeeper host is left out");
        }
        let order = RandomState::new();
        found.sort_by_cached_key(|(_, address)| {
            let mut hasher = order.build_hasher();
            hasher.write(address.to_string().as_bytes());
            hasher.finish()
        });
        Ok(found)
    }
}

/// The host of a `host:port`, without the brackets of an IPv6 address.
fn host(name: &str) -> &str {
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
    host.trim_matches(['[', ']'])
}
