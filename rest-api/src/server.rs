//! The listening socket and its connections.
//!
//! One connection carries one request, as existing clients of this interface expect, and every
//! wait on a client has a limit: whoever sends nothing, or slowly, loses the connection and not
//! the server.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use herdsman_ha_core::Mono;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use crate::command::CommandSender;
use crate::credentials::Credentials;
use crate::route::{self, Site};
use crate::snapshot::SnapshotReader;

/// Tells the time on the clock that the agent's machine decides by.
pub type Clock = Arc<dyn Fn() -> Mono + Send + Sync>;

/// Called when somebody wants the member's configuration to be read again. Must not wait.
pub type OnReload = Arc<dyn Fn() + Send + Sync>;

/// How long a failing accept is left alone: it fails for want of file handles, which others free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The longest that the answer to a request may take: a restart may start for very long. Reading a
/// request and its body have limits of their own.
const LONGEST_ANSWER: Duration = Duration::from_secs(24 * 3600);
/// The longest head of a request.
const HEAD_BYTES: usize = 16 << 10;

/// What a server is told besides what it serves.
#[derive(Clone)]
pub struct Options {
    /// Who may call what changes something; none: everybody.
    pub credentials: Option<Credentials>,
    /// The agent's clock: a lease that has ended since the snapshot was taken is not shown.
    pub clock: Clock,
    /// What a call to `/reload` does; none: such calls are refused.
    pub on_reload: Option<OnReload>,
    /// How long a client may take for the head of its request, and again for its body. Default:
    /// 5 s.
    pub request_limit: Duration,
    /// How long an answer to `/patroni` waits for a look at the server that began after the
    /// question, see [`SnapshotWriter::look_wanted`](crate::SnapshotWriter::look_wanted). Shorter
    /// than what peers wait for the answer. Default: 500 ms.
    pub look_limit: Duration,
    /// How many connections are served at a time; more wait to be accepted. Default: 128.
    pub max_connections: usize,
    /// How long requests in progress may take to end after a stop. Default: 3 s.
    pub drain_limit: Duration,
}

impl Options {
    /// The defaults, with a clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            credentials: None,
            on_reload: None,
            clock,
            request_limit: Duration::from_secs(5),
            look_limit: Duration::from_millis(500),
            max_connections: 128,
            drain_limit: Duration::from_secs(3),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("credentials", &self.credentials)
            .field("request_limit", &self.request_limit)
            .field("look_limit", &self.look_limit)
            .field("max_connections", &self.max_connections)
            .field("drain_limit", &self.drain_limit)
            .finish_non_exhaustive()
    }
}

/// Why a server cannot listen. Each is for a human to mend in the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Another process listens there.
    #[error(
        "restapi.listen: the port of {listen} is taken: stop the other process or choose another port"
    )]
    PortTaken {
        /// The address as configured.
        listen: String,
    },
    /// The text is no address.
    #[error("restapi.listen: {listen:?} is not an address such as 0.0.0.0:8008")]
    NotAnAddress {
        /// The address as configured.
        listen: String,
    },
    /// The address cannot be used on this machine.
    #[error("restapi.listen: cannot listen on {listen}")]
    Unusable {
        /// The address as configured.
        listen: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A socket that listens and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on `host:port`. An empty host or `*` means every address of the machine, of both
    /// families where it has both; port 0 means any free one.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn bind(listen: &str) -> Result<Self, ServerError> {
        let (host, port) = split(listen).ok_or_else(|| ServerError::NotAnAddress {
            listen: listen.to_owned(),
        })?;
        let refused = |error: io::Error| {
            let listen = listen.to_owned();
            if error.kind() == io::ErrorKind::AddrInUse {
                return ServerError::PortTaken { listen };
            }
            ServerError::Unusable {
                listen,
                source: error,
            }
        };
        let listener = match host {
            "" | "*" => bind_everywhere(port).await,
            host => TcpListener::bind((host, port)).await,
        }
        .map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop` completes; then closes the socket and lets requests in
    /// progress end. Dropping the future ends everything at once.
    pub async fn serve(
        self,
        snapshots: SnapshotReader,
        commands: CommandSender,
        options: Options,
        stop: impl Future<Output = ()>,
    ) {
        let slots = Arc::new(Semaphore::new(options.max_connections));
        let drain_limit = options.drain_limit;
        let site = Arc::new(Site {
            snapshots,
            commands,
            options,
        });
        let (closing, is_closing) = watch::channel(false);
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(ended) = connections.join_next() => note(ended),
                (stream, from, slot) = accept(&self.listener, &slots) => {
                    let connection = converse(stream, from, Arc::clone(&site), is_closing.clone());
                    connections.spawn(hold(slot, connection));
                }
            }
        }
        drop(self.listener);
        closing.send_replace(true);
        let drained = async {
            while let Some(ended) = connections.join_next().await {
                note(ended);
            }
        };
        if timeout(drain_limit, drained).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// Host and port; the brackets of an IPv6 address are taken off.
fn split(listen: &str) -> Option<(&str, u16)> {
    let (host, port) = listen.trim().rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    Some((host, port.parse().ok()?))
}

/// An IPv6 socket takes IPv4 clients as well; a machine without IPv6 gets an IPv4 one.
async fn bind_everywhere(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind(("::", port)).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind(("0.0.0.0", port)).await
        }
        other => other,
    }
}

/// Waits for a free slot, then for a client.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .expect("nobody closes the semaphore");
    loop {
        match listener.accept().await {
            Ok((stream, from)) => return (stream, from, slot),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the REST API");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn hold(slot: OwnedSemaphorePermit, connection: impl Future<Output = ()>) {
    connection.await;
    drop(slot);
}

/// Serves one connection.
async fn converse(
    stream: TcpStream,
    from: SocketAddr,
    site: Arc<Site>,
    mut is_closing: watch::Receiver<bool>,
) {
    // Answers are single small segments: nothing is gained by holding them back.
    stream.set_nodelay(true).ok();
    let limit = site.options.request_limit;
    let life = LONGEST_ANSWER + limit * 3;
    let service = service_fn(move |request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(route::answer(&site, from, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limit)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        // A client may close its half of the connection as soon as it has sent its request.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let conversation = async {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            _ = is_closing.wait_for(|is_closing| *is_closing) => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    match timeout(life, conversation).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%from, %error, "a connection to the REST API broke"),
        Err(_) => tracing::debug!(%from, "a connection to the REST API took too long"),
    }
}

/// A connection that panicked is an error of ours, and the only sign of it.
fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a request to the REST API panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_at_the_last_colon() {
        assert_eq!(split("127.0.0.1:8008"), Some(("127.0.0.1", 8008)));
        assert_eq!(split("[::1]:8008"), Some(("::1", 8008)));
        assert_eq!(split("::1:8008"), Some(("::1", 8008)));
        assert_eq!(split("*:8008"), Some(("*", 8008)));
        assert_eq!(split(":8008"), Some(("", 8008)));
        for wrong in ["", "8008", "host", "host:", "host:port", "host:70000"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_key() {
        let first = Server::bind("127.0.0.1:0").await.unwrap();
        let listen = first.local_addr().to_string();
        let error = Server::bind(&listen).await.unwrap_err();
        assert!(matches!(error, ServerError::PortTaken { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("restapi.listen") && text.contains(&listen),
            "{text}"
        );
    }

    #[tokio::test]
    async fn every_address_is_one_socket() {
        let server = Server::bind("*:0").await.unwrap();
        let port = server.local_addr().port();
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
        assert!(matches!(
            Server::bind("nowhere").await,
            Err(ServerError::NotAnAddress { .. })
        ));
    }
}
