//! Questions to the source of a rewind, by the role that the rewind uses.

use std::time::Duration;

use crate::connection::Session;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::link::Route;
use crate::upstream::Upstream;

/// `pg_rewind` before version 16 takes a source for one of the timeline in its
/// control file: that of the last checkpoint.
const SETTLED: &str = "SELECT (timeline_id = \
    ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int)::text \
    FROM pg_control_checkpoint()";

/// Sockets in the data directory, wherever the server itself puts no files of
/// its own: a listing of those alone would take as long as that of a rewind.
const SOCKETS: &str = "WITH RECURSIVE files (path) AS ( \
        SELECT name FROM pg_ls_dir('.', true, false) name \
    UNION ALL \
        SELECT path || '/' || name FROM files, \
        LATERAL pg_ls_dir(path, true, false) name \
        WHERE path !~ '^(base|global|log|pg_[a-z]+)(/|$)' \
        AND (pg_stat_file(path, true)).isdir \
    ) SELECT count(*) FROM files WHERE path ~ '(^|/)[.]s[.]PGSQL[.][0-9]+$'";

impl Instance {
    /// Whether the primary `source` has written a checkpoint since it was
    /// promoted: before that a rewind would take it for what it was.
    ///
    /// # Errors
    /// Those of a connection, and a refusal of the rewind role.
    pub async fn is_settled(&self, source: &Upstream, limit: Duration) -> Result<bool> {
        Ok(self.ask_source(source, SETTLED, limit).await? == "true")
    }

    /// How a relay reaches the source, when one is needed: files in its data directory cannot be
    /// read, which `pg_rewind` does not expect: sockets.
    pub(super) async fn way_around_sockets(
        &self,
        source: &Upstream,
        limit: Duration,
    ) -> Result<Option<Route>> {
        let session = self.source_session(source, limit).await?;
        if first_column(&session, SOCKETS, limit).await? == "0" {
            return Ok(None);
        }
        let config = self.config();
        let binding = config.rewind_role().keywords.get("channel_binding");
        if binding.is_some_and(|binding| binding == "require") {
            return Err(Error::NotRewindable {
                why: "the source has its socket in the data directory (unix_socket_directories), \
                      and with channel_binding=require pg_rewind cannot be led around it"
                    .to_owned(),
            });
        }
        Ok(Some(session.route().clone()))
    }

    async fn ask_source(&self, source: &Upstream, sql: &str, limit: Duration) -> Result<String> {
        let session = self.source_session(source, limit).await?;
        first_column(&session, sql, limit).await
    }

    pub(crate) async fn source_session(
        &self,
        source: &Upstream,
        limit: Duration,
    ) -> Result<Session> {
        let config = self.config();
        Session::remote(source, config.rewind_role(), &config.database, limit).await
    }
}

/// The first column of the first row, as text.
pub(crate) async fn first_column(session: &Session, sql: &str, limit: Duration) -> Result<String> {
    let rows = session.run("asking another server", sql, limit).await?;
    let row = rows.into_iter().flatten().next();
    let value = row.and_then(|row| row.get(0).map(str::to_owned));
    value.ok_or_else(|| Error::Unexpected {
        what: "answer of another server",
        found: "no row".to_owned(),
    })
}
