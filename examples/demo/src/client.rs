//! A connection to whichever server takes writes, as a client gets it from a connection string
//! with several hosts and `target_session_attrs=read-write`.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config, NoTls};

use crate::AnyError;
use crate::cluster::Index;
use crate::configuration::SUPERUSER;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_millis(500);
/// The pause after no server took writes.
const RETRY: Duration = Duration::from_millis(5);

/// The servers, and how to log in.
#[derive(Clone)]
pub(crate) struct Servers {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) password: String,
}

/// A session with one of the servers.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// Whose server it is.
    pub(crate) member: Index,
    io: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.io.abort();
    }
}

impl Servers {
    /// Tries until one of the servers takes writes.
    pub(crate) async fn connect_within(&self, limit: Duration) -> Result<Session, AnyError> {
        let trying = async {
            loop {
                if let Some(session) = self.connect().await {
                    return session;
                }
                sleep(RETRY).await;
            }
        };
        let session = timeout(limit, trying).await;
        session.map_err(|_| format!("no server took writes within {} s", limit.as_secs()).into())
    }

    /// Tries every server once, in order; the first that takes writes wins.
    pub(crate) async fn connect(&self) -> Option<Session> {
        for index in 0..self.addresses.len() {
            if let Ok(Some(session)) = timeout(ATTEMPT, self.connect_to(Index(index))).await {
                return Some(session);
            }
        }
        None
    }

    async fn connect_to(&self, member: Index) -> Option<Session> {
        let address = self.addresses[member.0];
        let mut config = Config::new();
        config
            .host(address.ip().to_string())
            .port(address.port())
            .dbname("postgres")
            .user(SUPERUSER)
            .password(&self.password)
            .application_name("demo")
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        let (client, connection) = config.connect(NoTls).await.ok()?;
        let io = tokio::spawn(async move {
            // Its end shows in the next call of the client.
            let _ = connection.await;
        });
        Some(Session { client, member, io })
    }
}
