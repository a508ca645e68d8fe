//! SQL sessions with the local server, and with the source of a rewind.
//!
//! Invariant: every wait has a limit of our own. The library's connect timeout
//! does not cover the startup exchange, and a dropped query goes on at the
//! server; so a session that did not answer is cancelled and thrown away.

use std::fmt;
use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::link::{self, Opened, Place, Route, Work, message};
use crate::options::Config;
use crate::process::LockFile;
use crate::tls::Bound;
use crate::upstream::Upstream;
use crate::version::Version;

/// What the server is told about a session at its beginning.
const QUIET: &str = "-c search_path=pg_catalog -c pg_stat_statements.track=none";

/// The rows of each statement of a text, in order.
pub(crate) type Results = Vec<Vec<SimpleQueryRow>>;

/// A session with a server.
pub(crate) struct Session {
    client: Client,
    _work: Work,
    /// The version the server reported.
    pub(crate) version: Version,
    /// Which server, for messages.
    peer: String,
    /// How it was reached.
    route: Route,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Connects to the running local server as the superuser. Each statement
    /// may take `limit`, and so may connecting.
    pub(crate) async fn local(instance: &Instance, limit: Duration) -> Result<Self> {
        let database = instance.config().database.clone();
        Self::local_to(instance, &database, limit).await
    }

    /// The same, to another database than the usual one.
    pub(crate) async fn local_to(
        instance: &Instance,
        database: &str,
        limit: Duration,
    ) -> Result<Self> {
        let config = instance.config();
        let lock = LockFile::read(instance.data_dir()).ok().flatten();
        let lock = lock.ok_or(Error::NotRunning)?;
        let place = Place::of(&config, &lock);
        Self::connect(&place, &config.superuser, database, limit).await
    }

    /// Connects to the first host of another server that answers.
    pub(crate) async fn remote(
        server: &Upstream,
        role: &Credentials,
        database: &str,
        limit: Duration,
    ) -> Result<Self> {
        let mut last = None;
        for host in server.hosts() {
            let place = Place {
                host: host.to_owned(),
                port: server.port,
            };
            match Self::connect(&place, role, database, limit).await {
                Ok(session) => return Ok(session),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::Unreachable {
            to: server.to_string(),
            message: "no host is named".to_owned(),
            code: None,
        }))
    }

    async fn connect(
        place: &Place,
        role: &Credentials,
        database: &str,
        limit: Duration,
    ) -> Result<Self> {
        let mut settings = tokio_postgres::Config::new();
        settings
            .dbname(database)
            .application_name("herdsman")
            .options(format!(
                "{QUIET} -c statement_timeout={}",
                limit.as_millis()
            ));
        let peer = format!("at {}:{}", place.host, place.port);
        let connecting = link::open(place, role, settings, |wire| wire);
        let connected = tokio::time::timeout(limit, connecting).await;
        let opened = connected
            .map_err(|_| timed_out(format!("connecting to PostgreSQL {peer}"), limit))?
            .map_err(|failure| failure.into_error(&peer))?;
        let Opened {
            client,
            connection,
            route,
        } = opened;
        let version = connection.parameter("server_version");
        let version = version
            .and_then(Version::of_program_output)
            .ok_or_else(|| Error::Unexpected {
                what: "server version",
                found: version.unwrap_or("none").to_owned(),
            })?;
        Ok(Self {
            client,
            _work: Work::on(connection),
            version,
            peer,
            route,
        })
    }

    /// How another connection reaches the same server.
    pub(crate) const fn route(&self) -> &Route {
        &self.route
    }

    /// Asks the server to give up the present statement, by a connection of its own.
    fn cancel(&self) -> impl Future<Output = ()> + Send + use<> {
        let (cancel, route) = (self.client.cancel_token(), self.route.clone());
        async move {
            if let Ok(wire) = route.dial().await {
                // Nobody waits for it, and the session is thrown away in any case.
                let _ = cancel.cancel_query_raw(wire, Bound::to(None)).await;
            }
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs statements in one round trip. `what` names them in an error; the
    /// text itself is never shown.
    pub(crate) async fn run(&self, what: &str, sql: &str, limit: Duration) -> Result<Results> {
        let asked = tokio::time::timeout(limit, self.client.simple_query(sql)).await;
        match asked {
            Ok(Ok(messages)) => Ok(by_statement(messages)),
            Ok(Err(error)) => Err(query_error(what, &self.peer, &error)),
            Err(_) => {
                tokio::spawn(tokio::time::timeout(limit, self.cancel()));
                Err(timed_out(what.to_owned(), limit))
            }
        }
    }
}

impl Place {
    /// Where the running server can be reached from here. It may have been started
    /// with other settings than the present ones, so its own note is asked.
    fn of(config: &Config, lock: &LockFile) -> Self {
        let socket = lock.socket_dir.clone();
        let address = lock.listen_address.as_deref().map(|address| match address {
            "*" | "0.0.0.0" | "::" => "localhost".to_owned(),
            other => other.to_owned(),
        });
        let host = match config.use_unix_socket {
            true => socket.or(address),
            false => address.or(socket),
        };
        Self {
            host: host.unwrap_or_else(|| config.listen.local_address().host),
            port: lock.port.unwrap_or_else(|| config.listen.port()),
        }
    }
}

pub(crate) fn by_statement(messages: Vec<SimpleQueryMessage>) -> Results {
    let mut results = Vec::new();
    let mut rows = Vec::new();
    for message in messages {
        if let SimpleQueryMessage::CommandComplete(_) = message {
            results.push(std::mem::take(&mut rows));
        } else if let SimpleQueryMessage::Row(row) = message {
            rows.push(row);
        }
    }
    results
}

pub(crate) const fn timed_out(what: String, after: Duration) -> Error {
    Error::TimedOut { what, after }
}

fn unreachable_error(peer: &str, error: &tokio_postgres::Error) -> Error {
    Error::Unreachable {
        to: peer.to_owned(),
        message: message(error),
        code: error.code().map(|code| code.code().to_owned()),
    }
}

pub(crate) fn query_error(what: &str, peer: &str, error: &tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        // Class 57: the server ends the session, the statement is not to blame.
        Some(refused) if !refused.code().code().starts_with("57P") => Error::Sql {
            what: what.to_owned(),
            message: refused.message().to_owned(),
            code: refused.code().code().to_owned(),
        },
        Some(_) | None => unreachable_error(peer, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(use_unix_socket: bool, socket: Option<&str>, address: Option<&str>) -> String {
        let nobody = Credentials::system_user();
        let listen = "10.0.0.1:5432".parse().unwrap();
        let mut config = Config::new(listen, nobody.clone(), nobody);
        config.use_unix_socket = use_unix_socket;
        let lock = LockFile {
            pid: 1,
            is_single_user: false,
            data_dir: String::new(),
            start_time: 0,
            port: Some(5433),
            socket_dir: socket.map(str::to_owned),
            listen_address: address.map(str::to_owned),
            shared_memory: None,
            status: None,
        };
        let place = Place::of(&config, &lock);
        format!("{}:{}", place.host, place.port)
    }

    #[test]
    fn the_running_server_tells_where_it_is() {
        assert_eq!(
            place(false, Some("/tmp"), Some("127.0.0.1")),
            "127.0.0.1:5433"
        );
        assert_eq!(place(true, Some("/tmp"), Some("127.0.0.1")), "/tmp:5433");
        assert_eq!(place(true, None, Some("*")), "localhost:5433");
        assert_eq!(place(false, Some("/tmp"), None), "/tmp:5433");
        assert_eq!(place(false, None, None), "10.0.0.1:5433");
    }
}
