//! Replication slots: those of members, and those that an operator wants to have.
//!
//! Invariant: only slots that the caller names are created, moved on or dropped.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::{Results, Session};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::lsn::Lsn;
use crate::sql_text::literal;

/// PostgreSQL's limit on names.
const NAME_BYTES: usize = 63;
/// The code of PostgreSQL's refusal to make what exists.
const DUPLICATE_OBJECT: &str = "42710";
/// Those of a logical slot whose log has been removed, or which was invalidated.
const GONE: [&str; 2] = ["58P01", "55000"];
/// How much log a logical slot is moved over at once.
const PIECE_BYTES: u64 = 16 << 20;
/// How long one piece may take: the log is read from the oldest transaction that was open then.
const PIECE_TIME: Duration = Duration::from_secs(60);
/// How long one call moves logical slots on.
const FOLLOWING_TIME: Duration = Duration::from_secs(5);

/// The slot of a member: lower case, `-` and `.` become `_`, any other
/// character becomes `u` and its code point, at most 63 characters.
///
/// ```
/// assert_eq!(herdsman_pgctl::slot_name("Node-1.a b"), "node_1_au0032b");
/// ```
#[must_use]
pub fn slot_name(member: &str) -> String {
    let mut name = String::new();
    for character in member.to_lowercase().chars() {
        match character {
            'a'..='z' | '0'..='9' | '_' => name.push(character),
            '-' | '.' => name.push('_'),
            other => name.push_str(&format!("u{:04}", u32::from(other))),
        }
    }
    // Every character is ASCII by now.
    name.truncate(NAME_BYTES);
    name
}

/// What shall become of slots, in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotPlan {
    /// Slots that are dropped when they exist and nobody uses them.
    pub dropped: Vec<String>,
    /// Physical slots that are created when they are missing, keeping log from then on.
    pub physical: Vec<String>,
    /// Logical slots that are created when they are missing: a primary only.
    pub logical: Vec<LogicalSlot>,
    /// Physical slots whose log up to a position is needed no more. Nothing is moved back, or
    /// beyond what the server has flushed, or replayed as a standby.
    pub advanced: Vec<(String, Lsn)>,
    /// Logical slots of a standby, which follow those of its primary.
    pub followed: Vec<FollowedSlot>,
}

/// How far a logical slot is to be moved on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedSlot {
    /// Its name.
    pub name: String,
    /// Its database.
    pub database: String,
    /// What its consumer has confirmed on the primary.
    pub confirmed: Lsn,
}

/// A logical slot to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalSlot {
    /// Its name.
    pub name: String,
    /// The database that it decodes.
    pub database: String,
    /// The output plugin.
    pub plugin: String,
}

/// What [`Instance::sync_slots`] changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotChanges {
    /// Slots that were created.
    pub created: Vec<String>,
    /// Slots that were dropped.
    pub dropped: Vec<String>,
    /// Slots that were moved on.
    pub advanced: Vec<String>,
    /// Slots that could not be created, moved on or dropped, and why.
    pub failed: Vec<(String, String)>,
}

impl Instance {
    /// Makes the slots of the running server what the plan says. Slots that it does not name are
    /// never touched, nor are temporary ones or ones in use; a name that is both dropped and
    /// created is made anew.
    ///
    /// # Errors
    /// The server cannot be reached. A single slot's failure is not an error
    /// of the call: see [`SlotChanges::failed`].
    pub async fn sync_slots(&self, plan: &SlotPlan) -> Result<SlotChanges> {
        let limit = self.options().sql_timeout;
        let session = Session::local(self, limit).await?;
        let mut slots = Slots {
            found: list(&session, limit).await?,
            session,
            limit,
            changes: SlotChanges::default(),
        };
        for name in &plan.dropped {
            slots.drop(name).await?;
        }
        for name in &plan.physical {
            slots.create_physical(name).await?;
        }
        for slot in &plan.logical {
            slots.create_logical(self, slot).await?;
        }
        for (name, lsn) in &plan.advanced {
            slots.advance(name, *lsn).await?;
        }
        let since = Instant::now();
        for slot in &plan.followed {
            slots.follow(self, slot, since).await?;
        }
        Ok(slots.changes)
    }
}

/// The slots of a server, and whether each may be changed.
async fn list(session: &Session, limit: Duration) -> Result<BTreeMap<String, bool>> {
    const ASK: &str = "SELECT slot_name, NOT active AND NOT temporary FROM pg_replication_slots";
    let results = session.run("listing slots", ASK, limit).await?;
    let rows = results.iter().flatten();
    Ok(rows
        .filter_map(|row| Some((row.get(0)?.to_owned(), row.get(1)? == "t")))
        .collect())
}

struct Slots {
    session: Session,
    limit: Duration,
    found: BTreeMap<String, bool>,
    changes: SlotChanges,
}

impl Slots {
    async fn drop(&mut self, name: &str) -> Result<()> {
        if self.found.get(name) != Some(&true) {
            return Ok(());
        }
        let sql = format!("SELECT pg_drop_replication_slot({})", literal(name));
        let done = self.session.run("dropping a slot", &sql, self.limit).await;
        if note(
            done,
            name,
            &mut self.changes.dropped,
            &mut self.changes.failed,
        )? {
            self.found.remove(name);
        }
        Ok(())
    }

    async fn create_physical(&mut self, name: &str) -> Result<()> {
        if self.found.contains_key(name) {
            return Ok(());
        }
        let name_text = literal(name);
        let sql = format!("SELECT pg_create_physical_replication_slot({name_text}, true)");
        let done = self.session.run("creating a slot", &sql, self.limit).await;
        self.created(done, name)
    }

    /// Logical slots belong to a database: it is connected to for that.
    async fn create_logical(&mut self, instance: &Instance, slot: &LogicalSlot) -> Result<()> {
        if self.found.contains_key(&slot.name) {
            return Ok(());
        }
        let sql = format!(
            "SELECT pg_create_logical_replication_slot({}, {})",
            literal(&slot.name),
            literal(&slot.plugin)
        );
        let done = match Session::local_to(instance, &slot.database, self.limit).await {
            Ok(session) => session.run("creating a slot", &sql, self.limit).await,
            Err(error) => Err(error),
        };
        // A database that does not exist is this slot's trouble alone.
        if let Err(error @ Error::Unreachable { code: Some(_), .. }) = &done {
            let why = error.to_string();
            self.changes.failed.push((slot.name.clone(), why));
            return Ok(());
        }
        self.created(done, &slot.name)
    }

    fn created(&mut self, done: Result<Results>, name: &str) -> Result<()> {
        if matches!(&done, Err(Error::Sql { code, .. }) if code == DUPLICATE_OBJECT) {
            // Somebody was faster since we looked: it is there, and that was the wish.
            return Ok(());
        }
        note(
            done,
            name,
            &mut self.changes.created,
            &mut self.changes.failed,
        )?;
        Ok(())
    }

    async fn advance(&mut self, name: &str, lsn: Lsn) -> Result<()> {
        if self.found.get(name) != Some(&true) {
            return Ok(());
        }
        // Moving back is an error, and so is moving on what keeps nothing.
        let sql = format!(
            "SELECT pg_replication_slot_advance(slot_name, {lsn}) FROM pg_replication_slots \
             WHERE slot_name = {} AND slot_type = 'physical' AND restart_lsn < {lsn}",
            literal(name),
            lsn = literal(&lsn.to_string()),
        );
        let done = self.session.run("moving a slot on", &sql, self.limit).await;
        note(
            done,
            name,
            &mut self.changes.advanced,
            &mut self.changes.failed,
        )?;
        Ok(())
    }

    /// Moves a logical slot on, for which PostgreSQL reads all the log in between. That may be much:
    /// it is done piece by piece, and what is left when the time is over is left for the next call.
    async fn follow(
        &mut self,
        instance: &Instance,
        slot: &FollowedSlot,
        since: Instant,
    ) -> Result<()> {
        if self.found.get(&slot.name) != Some(&true) || since.elapsed() >= FOLLOWING_TIME {
            return Ok(());
        }
        let session = match Session::local_to(instance, &slot.database, self.limit).await {
            Ok(session) => session,
            // A database that does not exist is this slot's trouble alone.
            Err(error @ Error::Unreachable { code: Some(_), .. }) => {
                let why = error.to_string();
                self.changes.failed.push((slot.name.clone(), why));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let name = literal(&slot.name);
        let target = literal(&slot.confirmed.to_string());
        // Beyond what is replayed nothing is moved: PostgreSQL sees to that.
        let sql = format!(
            "SELECT (pg_replication_slot_advance(slot_name, \
              least({target}::pg_lsn, confirmed_flush_lsn + {PIECE_BYTES}))).end_lsn \
              >= least({target}::pg_lsn, pg_last_wal_replay_lsn()) \
             FROM pg_replication_slots WHERE slot_name = {name} AND slot_type = 'logical' \
             AND pg_is_in_recovery() AND confirmed_flush_lsn < {target}"
        );
        loop {
            let done = session.run("moving a slot on", &sql, PIECE_TIME).await;
            let is_over = match &done {
                // One row tells whether it has come to its end, no row that it was there.
                Ok(results) => {
                    let row = results.iter().flatten().next();
                    row.is_none_or(|row| row.get(0) != Some("f"))
                }
                Err(Error::Sql { code, .. }) if GONE.contains(&code.as_str()) => {
                    let why = "it lacks log that it needs, and is dropped".to_owned();
                    self.changes.failed.push((slot.name.clone(), why));
                    return self.drop(&slot.name).await;
                }
                Err(_) => true,
            };
            if !is_over && since.elapsed() < FOLLOWING_TIME {
                continue;
            }
            note(
                done,
                &slot.name,
                &mut self.changes.advanced,
                &mut self.changes.failed,
            )?;
            return Ok(());
        }
    }
}

/// Puts a slot where it belongs by what became of it; whether that is among the changed ones.
fn note(
    done: Result<Results>,
    name: &str,
    changed: &mut Vec<String>,
    failed: &mut Vec<(String, String)>,
) -> Result<bool> {
    match done {
        Ok(_) => changed.push(name.to_owned()),
        Err(error @ Error::Sql { .. }) => {
            failed.push((name.to_owned(), error.to_string()));
            return Ok(false);
        }
        Err(other) => return Err(other),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_names_become_valid_slot_names() {
        assert_eq!(slot_name("pg-1.Example"), "pg_1_example");
        assert_eq!(slot_name("a b"), "au0032b");
        assert_eq!(slot_name("ü"), "u0252");
        assert_eq!(slot_name(&"x".repeat(70)).len(), 63);
    }
}
