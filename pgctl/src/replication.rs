//! Questions to another server over a replication connection.
//!
//! The library cannot open one: it has no way to put `replication=true` into
//! the startup packet. So the packet is completed on its way to the socket.

mod startup;

use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryRow};

use crate::connection::{by_statement, query_error, timed_out};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::link::{self, Failure, Place, Work};
use crate::lsn::Lsn;
use crate::options::Config;
use crate::timeline::{HistoryLine, Timeline, parse_history};
use crate::upstream::Upstream;
use startup::AsReplication;

/// Who a server is, as `IDENTIFY_SYSTEM` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's identifier.
    pub system_id: u64,
    /// The server's timeline.
    pub timeline: Timeline,
    /// Flushed on a primary, replayed on a standby.
    pub lsn: Lsn,
}

impl Instance {
    /// Asks a server who it is.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::TimedOut`].
    pub async fn identify(&self, server: &Upstream, limit: Duration) -> Result<Identity> {
        let config = self.config();
        within(server, limit, async {
            let walsender = Walsender::connect(&config, server).await?;
            let row = walsender.row("IDENTIFY_SYSTEM").await?;
            Ok(Identity {
                system_id: column(&row, "systemid")?,
                timeline: column(&row, "timeline")?,
                lsn: column(&row, "xlogpos")?,
            })
        })
        .await
    }

    /// Asks a server for the history of a timeline; empty for timeline 1.
    ///
    /// # Errors
    /// [`Error::Sql`] when it does not have that history, and those of
    /// [`identify`](Self::identify).
    pub async fn timeline_history(
        &self,
        server: &Upstream,
        timeline: Timeline,
        limit: Duration,
    ) -> Result<Vec<HistoryLine>> {
        if timeline <= Timeline(1) {
            return Ok(Vec::new());
        }
        let config = self.config();
        within(server, limit, async {
            let walsender = Walsender::connect(&config, server).await?;
            let row = walsender
                .row(&format!("TIMELINE_HISTORY {timeline}"))
                .await?;
            let content: String = column(&row, "content")?;
            parse_history(&content).map_err(|error| Error::Unexpected {
                what: "timeline history",
                found: error.to_string(),
            })
        })
        .await
    }

    /// Asks a server whether it takes writes, by the same role and protocol
    /// that a clone or a rewind uses. Ask it right before deleting data.
    ///
    /// A version 13 primary that is read-only by configuration counts as none.
    ///
    /// # Errors
    /// Those of [`identify`](Self::identify).
    pub async fn is_primary(&self, server: &Upstream, limit: Duration) -> Result<bool> {
        let config = self.config();
        within(server, limit, async {
            let walsender = Walsender::connect(&config, server).await?;
            walsender.takes_writes().await
        })
        .await
    }
}

async fn within<T>(
    server: &Upstream,
    limit: Duration,
    asking: impl Future<Output = Result<T>>,
) -> Result<T> {
    let asked = tokio::time::timeout(limit, asking).await;
    asked.unwrap_or_else(|_| Err(timed_out(format!("asking server {server}"), limit)))
}

/// A replication connection. It knows the replication commands and `SHOW`, by
/// the simple protocol only.
struct Walsender {
    client: Client,
    _work: Work,
    peer: String,
}

impl Walsender {
    /// Connects to the first host that takes the connection, and writes if it must.
    async fn connect(config: &Config, server: &Upstream) -> Result<Self> {
        let peer = server.to_string();
        let unreachable = |message: String| Error::Unreachable {
            to: peer.clone(),
            message,
            code: None,
        };
        let mut last = unreachable("no host is named".to_owned());
        for host in server.hosts() {
            let place = Place {
                host: host.to_owned(),
                port: server.port,
            };
            let walsender = match Self::begin(config, &place, &peer).await {
                Ok(walsender) => walsender,
                Err(failure) => {
                    // A server that refuses is an answer. One of several that must take writes may
                    // still be starting, which is no reason to ask no other.
                    let is_answer = !failure.is_of_the_way() && !server.read_write_only;
                    last = failure.into_error(&peer);
                    if is_answer {
                        return Err(last);
                    }
                    continue;
                }
            };
            if !server.read_write_only || walsender.takes_writes().await? {
                return Ok(walsender);
            }
            last = unreachable(format!("{host} takes no writes"));
        }
        Err(last)
    }

    async fn begin(config: &Config, place: &Place, peer: &str) -> Result<Self, Failure> {
        let mut settings = tokio_postgres::Config::new();
        settings.application_name("herdsman");
        // The packet must be completed inside the encryption, so the wrapper goes around it.
        let opened = link::open(place, &config.replication, settings, AsReplication::new).await?;
        Ok(Self {
            client: opened.client,
            _work: Work::on(opened.connection),
            peer: peer.to_owned(),
        })
    }

    async fn takes_writes(&self) -> Result<bool> {
        let version = self.row("SHOW server_version_num").await?;
        let version: u32 = column(&version, "server_version_num")?;
        // Only version 14 has the setting that says it in so many words.
        // In recovery every transaction is read-only, so the older one
        // errs to the careful side alone.
        let setting = match version {
            0..140_000 => "transaction_read_only",
            140_000.. => "in_hot_standby",
        };
        let row = self.row(&format!("SHOW {setting}")).await?;
        let value: String = column(&row, setting)?;
        Ok(value == "off")
    }

    async fn row(&self, command: &str) -> Result<SimpleQueryRow> {
        let asked = self.client.simple_query(command).await;
        let messages = asked.map_err(|error| query_error(command, &self.peer, &error))?;
        let rows = by_statement(messages).into_iter().flatten().next();
        rows.ok_or_else(|| Error::Unexpected {
            what: "answer of a replication connection",
            found: format!("no row for {command}"),
        })
    }
}

fn column<T: std::str::FromStr>(row: &SimpleQueryRow, name: &'static str) -> Result<T> {
    let text = row.try_get(name).ok().flatten();
    let value = text.and_then(|text| text.parse().ok());
    value.ok_or_else(|| Error::Unexpected {
        what: "answer of a replication connection",
        found: format!("{name} is {text:?}"),
    })
}
