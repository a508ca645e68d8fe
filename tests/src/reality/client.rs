//! A session that also keeps what the server told beside its answers.
//!
//! Invariant: what arrived before the answer to a statement is in [`Sql::told`] when the statement
//! returns.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, SimpleQueryMessage, Socket};

/// A notice of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `WARNING`, `NOTICE`, `FATAL` ...
    pub severity: String,
    /// The five letters of the condition.
    pub code: String,
    /// Its text.
    pub text: String,
}

/// One connection to one server. Clones are the same connection.
#[derive(Clone)]
pub struct Sql {
    client: Arc<Client>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Sql {
    /// Connects.
    ///
    /// # Errors
    /// Any refusal.
    pub async fn connect(config: &Config) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(NoTls).await?;
        let told = Arc::default();
        tokio::spawn(listen(connection, Arc::clone(&told)));
        let client = Arc::new(client);
        Ok(Self { client, told })
    }

    /// Runs statements whose rows do not matter; what comes back is the server's word that they
    /// are done.
    ///
    /// # Errors
    /// The server's refusal, or the end of the connection.
    pub async fn run(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql).await
    }

    /// The first column of the first row as text; empty when there is none.
    ///
    /// # Errors
    /// The server's refusal, or the end of the connection.
    pub async fn value(&self, sql: &str) -> Result<String, tokio_postgres::Error> {
        let answer = self.client.simple_query(sql).await?;
        for message in answer {
            if let SimpleQueryMessage::Row(row) = message {
                return Ok(row.get(0).unwrap_or_default().to_owned());
            }
        }
        Ok(String::new())
    }

    /// What the server told up to now beside its answers.
    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        let told = self.told.lock();
        told.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn listen(mut connection: Connection<Socket, NoTlsStream>, told: Arc<Mutex<Vec<Told>>>) {
    // Its end shows in the next call of the client.
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        let AsyncMessage::Notice(notice) = message else {
            continue;
        };
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push(Told {
            severity: notice.severity().to_owned(),
            code: notice.code().code().to_owned(),
            text: notice.message().to_owned(),
        });
    }
}
