//! Opens connections as `sslmode` and `channel_binding` of the credentials say.
//!
//! Invariant: a second attempt is made only where libpq makes one too, and what both said is told.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::lookup_host;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::config::{ChannelBinding, SslMode as Ready, SslNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Connection};

use crate::connection::timed_out;
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::text;
use crate::tls::{self, Attempt, Bound, Failed, SslMode, Tls, Trouble};
use crate::wire::Wire;

/// How long a connection that is not wanted any more may take to end in order.
const GOODBYE: Duration = Duration::from_millis(500);

/// How long an address of a host is tried while there is another one.
const ADDRESS_LIMIT: Duration = Duration::from_secs(1);

/// Where a server is: a host or the folder of its socket, and the port.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A connection, before anybody works for it.
pub(crate) struct Opened<S> {
    pub(crate) client: Client,
    pub(crate) connection: Connection<S, Bound<S>>,
    pub(crate) route: Route,
}

/// The task that works for a connection. When this value goes, the client must go with it.
#[derive(Debug)]
pub(crate) struct Work(JoinHandle<()>);

impl Work {
    pub(crate) fn on<S, T>(connection: Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self(tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %text::chain(&error), "connection ended");
            }
        }))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // By itself the task says goodbye, without which a server logs an encrypted connection as
        // reset by its peer. But it would wait for the answer to a query that nobody wants.
        let abort = self.0.abort_handle();
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                tokio::time::sleep(GOODBYE).await;
                abort.abort();
            })),
            Err(_) => abort.abort(),
        }
    }
}

/// The way that a connection has gone, to go it again.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    place: Place,
    /// Which one of the host's; none for a socket.
    address: Option<SocketAddr>,
    attempt: Attempt,
    tls: Option<Tls>,
}

impl Place {
    fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

impl Route {
    const fn plain(place: Place, address: Option<SocketAddr>) -> Self {
        Self {
            place,
            address,
            attempt: Attempt::Plain,
            tls: None,
        }
    }

    /// Connects in the same way.
    pub(crate) async fn dial(&self) -> Result<Wire, Trouble> {
        let Place { host, port } = &self.place;
        match self.address {
            Some(address) => Wire::dial(host, address, self.attempt, self.tls.as_ref()).await,
            None => Wire::dial_socket(host, *port).await,
        }
    }

    /// Connects in the same way to another place.
    pub(crate) async fn dial_to(&self, place: &Place) -> Result<Wire, Trouble> {
        let Place { host, port } = place;
        match place.is_socket() {
            true => Wire::dial_socket(host, *port).await,
            false => {
                let address = (host.as_str(), *port);
                Wire::dial(host, address, self.attempt, self.tls.as_ref()).await
            }
        }
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) struct Failure {
    cause: Cause,
    /// What another attempt had said before.
    earlier: Option<String>,
}

#[derive(Debug)]
enum Cause {
    /// No server could be talked to.
    Wire(Trouble),
    /// A server was reached, and nothing came of it.
    Startup {
        error: tokio_postgres::Error,
        encrypted: bool,
    },
}

impl Failure {
    /// Whether no server has heard what we want.
    pub(crate) const fn is_of_the_way(&self) -> bool {
        matches!(self.cause, Cause::Wire(_))
    }

    /// The same for callers. `peer` names the server.
    pub(crate) fn into_error(self, peer: &str) -> Error {
        let message = match self.earlier {
            Some(earlier) => format!("{} (before that: {earlier})", self.cause.message()),
            None => self.cause.message(),
        };
        let code = match &self.cause {
            Cause::Startup { error, .. } => error.code().map(|code| code.code().to_owned()),
            Cause::Wire(_) => None,
        };
        Error::Unreachable {
            to: peer.to_owned(),
            message,
            code,
        }
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self {
            cause,
            earlier: None,
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Cause::Wire(trouble).into()
    }
}

impl From<Trouble> for Cause {
    fn from(trouble: Trouble) -> Self {
        Self::Wire(trouble)
    }
}

impl Cause {
    fn message(&self) -> String {
        match self {
            Self::Wire(trouble) => trouble.to_string(),
            Self::Startup { error, .. } => tls::alert(error).unwrap_or_else(|| message(error)),
        }
    }

    fn failed(&self) -> Failed {
        match self {
            Self::Wire(Trouble::Handshake(_)) => Failed::Handshake,
            Self::Startup { error, encrypted }
                if error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) =>
            {
                Failed::Unwelcome {
                    encrypted: *encrypted,
                }
            }
            // Our part of the handshake of TLS 1.3 ends before the server has seen our certificate.
            Self::Startup { error, .. } if tls::alert(error).is_some() => Failed::Handshake,
            Self::Wire(Trouble::Io(_) | Trouble::NotOffered | Trouble::Settings(_))
            | Self::Startup { .. } => Failed::Otherwise,
        }
    }
}

/// What the server said, or what the library did.
pub(crate) fn message(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(refused) => refused.message().to_owned(),
        None => text::chain(error),
    }
}

/// Opens a session with a server for a program of another crate, encrypted as the role demands and
/// `sslmode` has it in libpq. `host` is a name, an address, or the folder of a socket; `settings`
/// has what is neither the place nor the role.
///
/// The session ends with the client, whose calls tell what becomes of it.
///
/// # Errors
/// [`Error::Unreachable`], and [`Error::TimedOut`] after `limit`.
pub async fn connect(
    (host, port): (&str, u16),
    role: &Credentials,
    settings: tokio_postgres::Config,
    limit: Duration,
) -> Result<Client> {
    let place = Place {
        host: host.to_owned(),
        port,
    };
    let peer = format!("at {host}:{port}");
    let opening = open(&place, role, settings, |wire| wire);
    let opened = tokio::time::timeout(limit, opening)
        .await
        .map_err(|_| timed_out(format!("connecting to PostgreSQL {peer}"), limit))?
        .map_err(|failure| failure.into_error(&peer))?;
    tokio::spawn(opened.connection);
    Ok(opened.client)
}

/// Opens a connection. `settings` has everything but the role and the place; `wrap` is put around
/// what is encrypted already.
pub(crate) async fn open<S>(
    place: &Place,
    role: &Credentials,
    mut settings: tokio_postgres::Config,
    wrap: impl Fn(Wire) -> S,
) -> Result<Opened<S>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    settings
        .channel_binding(channel_binding(role)?)
        .ssl_negotiation(SslNegotiation::Direct);
    if let Some(user) = &role.username {
        settings.user(user);
    }
    if let Some(password) = &role.password {
        settings.password(password.expose());
    }
    if place.is_socket() {
        let route = Route::plain(place.clone(), None);
        return attempt(route, settings, &wrap).await.map_err(Failure::from);
    }
    let knock = Knock {
        place,
        role,
        mode: SslMode::of(role)?,
        settings,
    };
    let addresses = lookup_host((place.host.as_str(), place.port)).await;
    let mut addresses = addresses.map_err(Trouble::Io)?.peekable();
    let mut told: Option<Failure> = None;
    while let Some(address) = addresses.next() {
        // One address of a host may be let in and another one not, or lead nowhere.
        let knocking = knock.at(address, &wrap);
        let opened = match addresses.peek() {
            Some(_) => tokio::time::timeout(ADDRESS_LIMIT, knocking)
                .await
                .unwrap_or_else(|_| Err(Trouble::Io(io::ErrorKind::TimedOut.into()).into())),
            None => knocking.await,
        };
        match opened {
            Ok(opened) => return Ok(opened),
            Err(failure) if told.is_some() && failure.is_of_the_way() => {}
            Err(failure) => told = Some(failure),
        }
    }
    Err(told.unwrap_or_else(|| Trouble::Io(io::ErrorKind::AddrNotAvailable.into()).into()))
}

/// What is the same for all addresses of a host.
struct Knock<'a> {
    place: &'a Place,
    role: &'a Credentials,
    mode: SslMode,
    settings: tokio_postgres::Config,
}

impl Knock<'_> {
    async fn at<S>(
        &self,
        address: SocketAddr,
        wrap: &impl Fn(Wire) -> S,
    ) -> Result<Opened<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let failed = match self.once(address, self.mode.first(), wrap).await {
            Ok(opened) => return Ok(opened),
            Err(cause) => cause,
        };
        let Some(second) = self.mode.second(failed.failed()) else {
            return Err(failed.into());
        };
        let earlier = failed.message();
        tracing::debug!(%address, earlier, "connecting in another way");
        let opened = self.once(address, second, wrap).await;
        opened.map_err(|cause| Failure {
            cause,
            earlier: Some(earlier),
        })
    }

    async fn once<S>(
        &self,
        address: SocketAddr,
        how: Attempt,
        wrap: &impl Fn(Wire) -> S,
    ) -> Result<Opened<S>, Cause>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut route = Route::plain(self.place.clone(), Some(address));
        if how != Attempt::Plain {
            route.attempt = how;
            route.tls = Some(Tls::read(self.role, self.mode).await?);
        }
        attempt(route, self.settings.clone(), wrap).await
    }
}

async fn attempt<S>(
    mut route: Route,
    mut settings: tokio_postgres::Config,
    wrap: &impl Fn(Wire) -> S,
) -> Result<Opened<S>, Cause>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let wire = route.dial().await?;
    let encrypted = wire.is_encrypted();
    // The library takes what is encrypted here for what it has encrypted itself.
    settings.ssl_mode(match encrypted {
        true => Ready::Require,
        false => Ready::Disable,
    });
    route.attempt = match encrypted {
        true => Attempt::Always,
        false => Attempt::Plain,
    };
    let bound = Bound::to(wire.endpoint_hash());
    let connected = settings.connect_raw(wrap(wire), bound).await;
    let (client, connection) = connected.map_err(|error| Cause::Startup { error, encrypted })?;
    Ok(Opened {
        client,
        connection,
        route,
    })
}

fn channel_binding(role: &Credentials) -> Result<ChannelBinding, Trouble> {
    let text = role.keywords.get("channel_binding").map(String::as_str);
    match text {
        None | Some("" | "prefer") => Ok(ChannelBinding::Prefer),
        Some("disable") => Ok(ChannelBinding::Disable),
        Some("require") => Ok(ChannelBinding::Require),
        Some(other) => Err(Trouble::Settings(format!(
            "channel_binding: {other} is none of disable, prefer and require"
        ))),
    }
}
