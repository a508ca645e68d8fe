//! Physical replication slots for members.
//!
//! Invariant: only slots that the caller names are created or dropped.

use crate::connection::Session;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::sql_text::literal;

/// PostgreSQL's limit on names.
const NAME_BYTES: usize = 63;
/// The code of PostgreSQL's refusal to make what exists.
const DUPLICATE_OBJECT: &str = "42710";

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

/// What [`Instance::sync_physical_slots`] changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotChanges {
    /// Slots that were created.
    pub created: Vec<String>,
    /// Slots that were dropped.
    pub dropped: Vec<String>,
    /// Slots that could not be created or dropped, and why.
    pub failed: Vec<(String, String)>,
}

impl Instance {
    /// Creates the missing ones of `wanted`, reserving log at once, and drops
    /// those of `drop` that exist, are physical and inactive. Other slots are
    /// never touched; a name in both lists is wanted.
    ///
    /// # Errors
    /// The server cannot be reached. A single slot's failure is not an error
    /// of the call: see [`SlotChanges::failed`].
    pub async fn sync_physical_slots(
        &self,
        wanted: &[String],
        drop: &[String],
    ) -> Result<SlotChanges> {
        const ASK: &str = "SELECT slot_name, slot_type = 'physical' AND NOT active \
                           FROM pg_replication_slots";
        let limit = self.options().sql_timeout;
        let session = Session::local(self, limit).await?;
        let results = session.run("listing slots", ASK, limit).await?;
        let found: Vec<(String, bool)> = results
            .iter()
            .flatten()
            .filter_map(|row| Some((row.get(0)?.to_owned(), row.get(1)? == "t")))
            .collect();
        let exists = |name: &String| found.iter().any(|slot| slot.0 == *name);
        let may_drop = |name: &String| found.contains(&(name.clone(), true));
        let mut changes = SlotChanges::default();
        for name in wanted.iter().filter(|name| !exists(name)) {
            let sql = format!(
                "SELECT pg_create_physical_replication_slot({}, true)",
                literal(name)
            );
            let done = session.run("creating a slot", &sql, limit).await;
            if matches!(&done, Err(Error::Sql { code, .. }) if code == DUPLICATE_OBJECT) {
                // Somebody was faster since we looked: it is there, and that was the wish.
                continue;
            }
            note(
                done.map(|_| ()),
                name,
                &mut changes.created,
                &mut changes.failed,
            )?;
        }
        for name in drop
            .iter()
            .filter(|name| may_drop(name) && !wanted.contains(name))
        {
            let sql = format!("SELECT pg_drop_replication_slot({})", literal(name));
            let done = session.run("dropping a slot", &sql, limit).await;
            note(
                done.map(|_| ()),
                name,
                &mut changes.dropped,
                &mut changes.failed,
            )?;
        }
        Ok(changes)
    }
}

fn note(
    done: Result<()>,
    name: &str,
    changed: &mut Vec<String>,
    failed: &mut Vec<(String, String)>,
) -> Result<()> {
    match done {
        Ok(()) => changed.push(name.to_owned()),
        Err(error @ Error::Sql { .. }) => failed.push((name.to_owned(), error.to_string())),
        Err(other) => return Err(other),
    }
    Ok(())
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
