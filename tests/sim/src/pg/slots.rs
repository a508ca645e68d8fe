//! Replication slots, and the WAL that they keep.

use std::collections::{BTreeMap, BTreeSet};

use herdsman_ha_core::{FollowedSlot, Lsn};

use super::refused::Refused;
use super::server::{Files, Server};
use crate::fault::Quirk;

impl Server {
    /// Makes the missing ones of `wanted`, which reserve WAL at once, and drops those of
    /// `dropped`. A name in both is wanted; the caller leaves out slots that are in use, as
    /// PostgreSQL refuses to drop them.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or cannot write what it should make.
    pub fn sync_slots(
        &mut self,
        wanted: &BTreeSet<String>,
        dropped: &BTreeSet<String>,
    ) -> Result<(), Refused> {
        if !self.is_reachable() {
            return Err(Refused::NotRunning);
        }
        let is_full = self.has(Quirk::DiskFull);
        let files = self.files_mut().ok_or(Refused::NoCluster)?;
        let is_missing = |slot: &&String| !files.slots.contains_key(*slot);
        let missing: Vec<String> = wanted.iter().filter(is_missing).cloned().collect();
        if is_full && !missing.is_empty() {
            return Err(Refused::DiskFull);
        }
        let reserved = files.checkpoint.lsn.max(files.kept_from);
        for slot in missing {
            files.slots.insert(slot, Some(reserved));
        }
        for slot in dropped.difference(wanted) {
            files.slots.remove(slot);
            files.logical.remove(slot);
        }
        Ok(())
    }

    /// Makes the missing ones of these logical slots, which begin here.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or is a standby.
    pub fn make_logical<'a>(
        &mut self,
        names: impl Iterator<Item = &'a String>,
    ) -> Result<(), Refused> {
        let mut names = names.peekable();
        if names.peek().is_none() {
            return Ok(());
        }
        if !self.is_reachable() || !self.is_primary() {
            return Err(Refused::NotPrimary);
        }
        let files = self.files_mut().ok_or(Refused::NoCluster)?;
        for name in names {
            let end = files.wal.end;
            files.logical.entry(name.clone()).or_insert(end);
        }
        Ok(())
    }

    /// Puts the slots of another server into the files of one that is down, but for those that are
    /// there.
    ///
    /// # Errors
    ///
    /// When it runs, when it has no data, or when the WAL of a slot is gone here.
    pub fn copy_logical(&mut self, slots: &BTreeMap<String, Lsn>) -> Result<(), Refused> {
        if !self.is_down() {
            return Err(Refused::IsRunning);
        }
        let files = self.files_mut().ok_or(Refused::NoCluster)?;
        if slots.values().any(|confirmed| *confirmed < files.kept_from) {
            return Err(Refused::WalGone);
        }
        for (name, confirmed) in slots {
            files.logical.entry(name.clone()).or_insert(*confirmed);
        }
        Ok(())
    }

    /// Moves logical slots of a standby on to where the primary's are: never back, and never beyond
    /// what it has replayed.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub fn follow_logical(
        &mut self,
        followed: &BTreeMap<String, FollowedSlot>,
    ) -> Result<(), Refused> {
        if !self.is_reachable() {
            return Err(Refused::NotRunning);
        }
        let files = self.files_mut().ok_or(Refused::NoCluster)?;
        for (name, slot) in followed {
            if let Some(confirmed) = files.logical.get_mut(name) {
                *confirmed = (*confirmed).max(slot.confirmed.min(files.replayed));
            }
        }
        Ok(())
    }

    /// Moves slots that nobody uses on: never back, and never beyond what the server has replayed.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub fn advance_slots(&mut self, advanced: &BTreeMap<String, Lsn>) -> Result<(), Refused> {
        if !self.is_reachable() {
            return Err(Refused::NotRunning);
        }
        let files = self.files_mut().ok_or(Refused::NoCluster)?;
        let end = files.replayed.max(files.checkpoint.lsn);
        for (slot, lsn) in advanced {
            if let Some(Some(position)) = files.slots.get_mut(slot) {
                *position = (*position).max(end.min(*lsn));
            }
        }
        Ok(())
    }

    /// Removes the WAL that neither a slot nor the next start needs.
    pub fn recycle(&mut self) {
        if let Some(files) = self.files_mut() {
            let physical = files.slots.values().flatten();
            let slots = physical.chain(files.logical.values()).copied();
            let needed = slots.fold(files.checkpoint.lsn, Ord::min);
            files.kept_from = files.kept_from.max(needed);
        }
    }
}

impl Files {
    /// The consumers of logical slots read everything.
    pub(super) fn consume(&mut self) {
        let end = self.wal.end;
        self.logical
            .values_mut()
            .for_each(|confirmed| *confirmed = end);
    }
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::Lsn;

    use super::super::fixture::*;
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn kept_from(server: &Server) -> Lsn {
        server.files().expect("a cluster").kept_from
    }

    #[test]
    fn a_slot_keeps_wal_until_its_standby_confirms_it() {
        let mut pair = Pair::new();
        let made = pair.a.sync_slots(&names(&["b"]), &names(&[]));
        assert_eq!(made, Ok(()));
        let before = kept_from(&pair.a);
        let row = pair.a.write(&mut pair.tree).expect("a primary");
        pair.a.checkpoint(&mut pair.tree).expect("a primary");
        pair.a.recycle();
        assert_eq!(kept_from(&pair.a), before);
        pair.a.confirm("b", row.end);
        pair.a.confirm("nobody", row.end);
        pair.a.recycle();
        assert_eq!(kept_from(&pair.a), row.end);
    }

    #[test]
    fn what_the_next_start_needs_is_never_removed() {
        let mut pair = Pair::new();
        let checkpoint = pair.a.files().expect("a cluster").checkpoint;
        pair.a.write(&mut pair.tree).expect("a primary");
        pair.a.recycle();
        assert_eq!(kept_from(&pair.a), checkpoint.lsn);
    }

    #[test]
    fn a_wanted_slot_stays_where_it_is_and_is_not_dropped() {
        let mut pair = Pair::new();
        let made = pair.a.sync_slots(&names(&["b", "c"]), &names(&[]));
        assert_eq!(made, Ok(()));
        pair.a.confirm("b", Lsn(u64::MAX));
        let made = pair.a.sync_slots(&names(&["b"]), &names(&["b", "c"]));
        assert_eq!(made, Ok(()));
        let slots = &pair.a.files().expect("a cluster").slots;
        assert_eq!(slots, &[("b".to_owned(), Some(Lsn(u64::MAX)))].into());
    }

    #[test]
    fn a_copy_has_no_slots() {
        let mut pair = Pair::new();
        let made = pair.a.sync_slots(&names(&["b"]), &names(&[]));
        assert_eq!(made, Ok(()));
        let c = standby_of(&pair.a, C, &mut pair.tree);
        assert!(c.files().expect("a cluster").slots.is_empty());
    }

    #[test]
    fn an_unused_slot_is_moved_on_and_never_back_or_beyond_what_is_replayed() {
        let mut pair = Pair::new();
        let made = pair.b.sync_slots(&names(&["c"]), &names(&[]));
        assert_eq!(made, Ok(()));
        let at = |pair: &Pair| pair.b.files().expect("a cluster").slots["c"].expect("it keeps WAL");
        let begin = at(&pair);
        let row = pair.a.write(&mut pair.tree).expect("a primary");
        pair.b.receive(&pair.a, &pair.tree);
        for (to, expected) in [
            (Lsn(0), begin),
            (row.end, row.end),
            (Lsn(u64::MAX), row.end),
        ] {
            let advanced = [("c".to_owned(), to)].into();
            assert_eq!(pair.b.advance_slots(&advanced), Ok(()));
            assert_eq!(at(&pair), expected);
        }
    }

    #[test]
    fn a_copied_logical_slot_follows_the_primarys_and_keeps_wal() {
        let mut pair = Pair::new();
        let cdc = ["cdc".to_owned()];
        assert_eq!(pair.b.make_logical(cdc.iter()), Err(Refused::NotPrimary));
        assert_eq!(pair.a.make_logical(cdc.iter()), Ok(()));
        let theirs = pair.a.files().expect("a cluster").logical.clone();
        assert_eq!(pair.b.copy_logical(&theirs), Err(Refused::IsRunning));
        pair.b.kill_all();
        assert_eq!(pair.b.copy_logical(&theirs), Ok(()));
        let files = pair.b.files().expect("a cluster");
        assert_eq!(files.logical, theirs);
        pair.b.recycle();
        assert!(kept_from(&pair.b) <= theirs["cdc"]);
    }

    #[test]
    fn slots_survive_a_promotion() {
        let mut pair = Pair::new();
        let made = pair.b.sync_slots(&names(&["c"]), &names(&[]));
        assert_eq!(made, Ok(()));
        pair.fail_over();
        let slots = &pair.b.files().expect("a cluster").slots;
        assert!(slots.contains_key("c"));
    }
}
