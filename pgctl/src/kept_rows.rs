//! Whether a primary keeps the old rows of its catalogs that logical slots of a standby need.
//!
//! A standby tells its primary by hot standby feedback which rows it needs; the physical slot of the
//! standby holds that there. Until it does, the primary may remove what a slot that was copied from
//! it needs, as soon as its own slot has gone on.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_postgres::SimpleQueryRow;

use crate::connection::Session;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::sql_text::literal;
use crate::upstream::Upstream;

/// The number of a transaction. Numbers go round: one of two is older only while they are less than
/// half of all numbers apart, which PostgreSQL sees to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xid(pub u32);

impl Xid {
    /// Whether this one is the other one, or older.
    #[must_use]
    pub const fn is_at_most(self, other: Self) -> bool {
        other.0.wrapping_sub(self.0) < 1 << 31
    }
}

/// From which transaction on slots of a server keep rows of catalogs: `catalog_xmin` by name, those
/// that keep any.
pub type KeptRows = BTreeMap<String, Xid>;

impl Instance {
    /// What slots of a primary keep, the physical ones of its standbys among them.
    ///
    /// # Errors
    /// Those of a connection, and [`Error::Unexpected`] when the server is no primary.
    pub async fn kept_rows(
        &self,
        primary: &Upstream,
        slots: &[String],
        limit: Duration,
    ) -> Result<KeptRows> {
        let session = self.source_session(primary, limit).await?;
        let recovery = "SELECT pg_is_in_recovery(); ";
        let sql = format!("{recovery}{}", query(slots));
        let results = session.run("asking what slots keep", &sql, limit).await?;
        let [about, rows] = results.as_slice() else {
            return Err(wrong(format!("{} results", results.len())));
        };
        if about.first().and_then(|row| row.get(0)) != Some("f") {
            return Err(wrong(format!("{primary} is no primary")));
        }
        read(rows)
    }

    /// What slots of our own server need.
    ///
    /// # Errors
    /// Those of a connection.
    pub async fn needed_rows(&self, slots: &[String], limit: Duration) -> Result<KeptRows> {
        let session = Session::local(self, limit).await?;
        let sql = query(slots);
        let results = session.run("asking what slots need", &sql, limit).await?;
        read(results.first().map_or(&[], Vec::as_slice))
    }
}

fn query(slots: &[String]) -> String {
    let names: Vec<String> = slots.iter().map(|name| literal(name)).collect();
    format!(
        "SELECT slot_name, catalog_xmin FROM pg_replication_slots \
         WHERE catalog_xmin IS NOT NULL AND slot_name IN ({})",
        names.join(", ")
    )
}

fn read(rows: &[SimpleQueryRow]) -> Result<KeptRows> {
    let read = |row: &SimpleQueryRow| {
        let name = row.get(0).unwrap_or_default().to_owned();
        let number = row.get(1).unwrap_or_default();
        let xid = number.parse().map(Xid);
        xid.map(|xid| (name, xid))
            .map_err(|_| wrong(format!("{number:?} is no transaction")))
    };
    rows.iter().map(read).collect()
}

fn wrong(found: String) -> Error {
    Error::Unexpected {
        what: "answer of a server about its slots",
        found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_transactions_go_round() {
        let last = Xid(u32::MAX);
        assert!(Xid(3).is_at_most(Xid(3)) && Xid(3).is_at_most(Xid(4)));
        assert!(!Xid(4).is_at_most(Xid(3)));
        assert!(last.is_at_most(Xid(3)) && !Xid(3).is_at_most(last));
    }
}
