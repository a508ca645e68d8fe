//! An SQL session of a client, without an async runtime around it.
//!
//! Invariant: no call takes longer than its limit. One that does is an error, and what the server
//! did meanwhile is unknown.

use std::future::Future;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::future::poll_fn;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, SimpleQueryMessage, Socket};

/// How long a statement of a test may take.
const STATEMENT_LIMIT: Duration = Duration::from_secs(30);

/// Where a server is and how a client logs in.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Whose server it is.
    pub member: String,
    /// Its port on the loopback interface.
    pub port: u16,
    /// The superuser's name.
    pub user: String,
    /// The superuser's password.
    pub password: String,
}

/// Which servers a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Any.
    Any,
    /// One that takes writes.
    Writable,
}

/// Why there is no result.
#[derive(Debug)]
pub enum SqlError {
    /// The server refused, or the connection was refused or broke.
    Failed(tokio_postgres::Error),
    /// Nothing came in time.
    Late(Duration),
}

impl std::fmt::Display for SqlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(error) => {
                write!(f, "{error}")?;
                let source = std::error::Error::source(error);
                source.map_or(Ok(()), |source| write!(f, ": {source}"))
            }
            Self::Late(limit) => write!(f, "no answer within {limit:?}"),
        }
    }
}

impl std::error::Error for SqlError {}

/// What a server told beside the results of statements.
#[derive(Clone, Debug)]
pub struct Notice {
    /// When it arrived.
    pub at: Instant,
    /// Its text.
    pub text: String,
}

/// A connection to one server.
#[derive(Debug)]
pub struct Session {
    client: Client,
    notices: mpsc::Receiver<Notice>,
    runtime: Runtime,
}

impl Session {
    /// Connects within the limit.
    ///
    /// # Errors
    /// See [`SqlError`].
    pub fn connect(to: &Endpoint, wanted: Wanted, limit: Duration) -> Result<Self, SqlError> {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(to.port)
            .dbname("postgres")
            .user(&to.user)
            .password(&to.password)
            .application_name("herdsman-tests");
        if wanted == Wanted::Writable {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let (sender, notices) = mpsc::channel();
        let (client, connection) = limited(&runtime, limit, config.connect(NoTls))?;
        // It goes on whenever a call of ours runs the runtime.
        runtime.spawn(serve(connection, sender));
        Ok(Self {
            client,
            notices,
            runtime,
        })
    }

    /// Runs statements whose results do not matter.
    ///
    /// # Errors
    /// See [`SqlError`].
    pub fn execute(&self, sql: &str) -> Result<(), SqlError> {
        self.execute_within(sql, STATEMENT_LIMIT)
    }

    /// Runs statements within a limit.
    ///
    /// # Errors
    /// See [`SqlError`].
    pub fn execute_within(&self, sql: &str, limit: Duration) -> Result<(), SqlError> {
        limited(&self.runtime, limit, self.client.batch_execute(sql))
    }

    /// The first column of all rows as texts; a null is an empty text.
    ///
    /// # Errors
    /// See [`SqlError`].
    pub fn column(&self, sql: &str) -> Result<Vec<String>, SqlError> {
        let answer = limited(
            &self.runtime,
            STATEMENT_LIMIT,
            self.client.simple_query(sql),
        )?;
        let mut values = Vec::new();
        for message in answer {
            if let SimpleQueryMessage::Row(row) = message {
                values.push(row.get(0).unwrap_or_default().to_owned());
            }
        }
        Ok(values)
    }

    /// The first column of the first row as text; empty when there is no row.
    ///
    /// # Errors
    /// See [`SqlError`].
    pub fn value(&self, sql: &str) -> Result<String, SqlError> {
        let rows = self.column(sql)?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// What the server told in the calls up to now, also when they failed.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.notices.try_iter().collect()
    }
}

async fn serve(
    mut connection: Connection<Socket, NoTlsStream>,
    notices: mpsc::Sender<Notice>,
) -> Option<()> {
    // Its end shows in the next call of the client.
    while let Ok(message) = poll_fn(|cx| connection.poll_message(cx)).await? {
        if let AsyncMessage::Notice(notice) = message {
            let at = Instant::now();
            let text = notice.message().to_owned();
            // The session is gone only when nobody reads any more.
            let _ = notices.send(Notice { at, text });
        }
    }
    None
}

fn limited<T>(
    runtime: &Runtime,
    limit: Duration,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, SqlError> {
    let result = runtime.block_on(async { tokio::time::timeout(limit, work).await });
    match result {
        Ok(result) => result.map_err(SqlError::Failed),
        Err(_) => Err(SqlError::Late(limit)),
    }
}
