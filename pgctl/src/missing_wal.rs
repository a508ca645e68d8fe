//! Whether a server still has the log that a standby would ask it for next.
//!
//! A server tells a standby "requested WAL segment ... has already been removed"
//! in the middle of a stream, and the standby only writes that to its log. So
//! its folder is looked into, by the role that rewinds use.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::lsn::Lsn;
use crate::rewind::first_column;
use crate::timeline::{HistoryLine, Timeline};
use crate::upstream::Upstream;

impl Instance {
    /// The segment in which a standby at this position continues, if the primary
    /// `server` has written it and does not have it any more. `history` is the
    /// server's, as [`timeline_history`](Self::timeline_history) gives it.
    ///
    /// # Errors
    /// Those of a connection, and a refusal of the rewind role.
    pub async fn missing_segment(
        &self,
        server: &Upstream,
        timeline: Timeline,
        position: Lsn,
        history: &[HistoryLine],
        limit: Duration,
    ) -> Result<Option<String>> {
        let session = self.source_session(server, limit).await?;
        let size = "SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'";
        let size = number(&first_column(&session, size, limit).await?)?;
        let number = position.0 / size;
        let lasts = history.iter().any(|line| line.timeline == timeline);
        let next = successor(history, timeline, number, size);
        let next = match next {
            Some(Next::Known(timeline)) => timeline,
            Some(Next::Current) => current_timeline(&session, limit).await?,
            None => timeline,
        };
        let begin = Lsn(number * size);
        let name = segment_name(next, number, size);
        let has_it = format!(
            "SELECT ({lasts} OR pg_current_wal_flush_lsn() > '{begin}') \
             AND (pg_stat_file('pg_wal/{name}', true)).size IS NULL"
        );
        let is_missing = first_column(&session, &has_it, limit).await? == "t";
        Ok(is_missing.then_some(name))
    }
}

async fn current_timeline(
    session: &crate::connection::Session,
    limit: Duration,
) -> Result<Timeline> {
    let name = first_column(
        session,
        "SELECT pg_walfile_name(pg_current_wal_lsn())",
        limit,
    )
    .await?;
    let digits = name.get(..8).unwrap_or_default();
    let timeline = u32::from_str_radix(digits, 16);
    timeline.map(Timeline).map_err(|_| Error::Unexpected {
        what: "name of a WAL file",
        found: name.clone(),
    })
}

fn number(text: &str) -> Result<u64> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Error::Unexpected {
        what: "size of WAL segments",
        found: text.to_owned(),
    })
}

/// Whose name the segment has in which a timeline ends.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Known(Timeline),
    /// The server's own timeline, which its history does not name.
    Current,
}

/// A server reads the segment in which a timeline ended from the file of the
/// timeline that came after it: the other one need not be complete.
fn successor(history: &[HistoryLine], timeline: Timeline, number: u64, size: u64) -> Option<Next> {
    let at = history.iter().position(|line| line.timeline == timeline)?;
    let ends_here = history[at].switch_lsn.0 / size == number;
    ends_here.then(|| match history.get(at + 1) {
        Some(line) => Next::Known(line.timeline),
        None => Next::Current,
    })
}

fn segment_name(timeline: Timeline, number: u64, size: u64) -> String {
    let per_id = 0x1_0000_0000 / size;
    format!(
        "{:08X}{:08X}{:08X}",
        timeline.0,
        number / per_id,
        number % per_id
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 16 << 20;

    #[test]
    fn segments_have_the_names_of_the_server() {
        let name = |timeline, lsn: u64| segment_name(Timeline(timeline), lsn / SIZE, SIZE);
        assert_eq!(name(1, 0x300_0000), "000000010000000000000003");
        assert_eq!(name(0x1a, 0x5_ff00_0028), "0000001A00000005000000FF");
        assert_eq!(
            segment_name(Timeline(1), 5, 1 << 30),
            "000000010000000100000001"
        );
    }

    #[test]
    fn the_segment_of_a_fork_has_the_name_of_the_next_timeline() {
        let line = |timeline, lsn| HistoryLine {
            timeline: Timeline(timeline),
            switch_lsn: Lsn(lsn),
            reason: String::new(),
        };
        let history = [line(1, 0x300_0100), line(3, 0x500_0000)];
        let of = |timeline, number| successor(&history, Timeline(timeline), number, SIZE);
        assert_eq!(of(1, 2), None);
        assert_eq!(of(1, 3), Some(Next::Known(Timeline(3))));
        assert_eq!(of(3, 5), Some(Next::Current));
        assert_eq!(of(7, 3), None);
    }

    #[test]
    fn a_size_that_is_none_is_an_error() {
        assert!(number("0").is_err() && number("16MB").is_err());
        assert_eq!(number("16777216").unwrap(), SIZE);
    }
}
