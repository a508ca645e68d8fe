//! `no-acked-loss-sync`: a row that was acknowledged by a standby's word is on every later primary
//! that took over by itself (oracle O2, invariant I2).
//!
//! Exempt, each as a remark: a leader that an operator chose by hand, also when it is promoted only
//! in a later leadership, after it had said that nobody else may lead; rows from before a leader
//! said again whom commits wait for, once a tool removed or changed what says it (a store that was
//! put back lists who had everything then). Rows whose last copy went with a disk are forgotten
//! before they come here.

use super::remarks::Remarks;
use super::truth::Truth;
use super::{Verdict, broken};
use crate::ids::Node;
use crate::world::World;

pub(super) const NAME: &str = "no-acked-loss-sync";

pub(super) fn check(
    world: &World,
    node: Node,
    missing: &[usize],
    truth: &Truth,
    remarks: &mut Remarks,
) -> Verdict {
    let rows = missing.iter().map(|number| &world.rows[*number]);
    for row in rows.filter(|row| row.is_synchronous) {
        if truth.tenure(node).is_by_hand {
            remarks.add("rows-lost-by-hand", world.now);
        } else if truth.is_synchrony_in_doubt(row.at) {
            remarks.add("rows-lost-after-a-tool-ended-synchrony", world.now);
        } else {
            let at = row.place.end;
            return broken(
                NAME,
                format!(
                    "{node} became primary without the row at {at} that {} wrote and a standby \
                     confirmed",
                    row.node
                ),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::{KeyState, Purpose, Revision, StoreWrite};

    use super::super::fixture::*;
    use super::*;
    use crate::fact::Fact;

    /// `b` has taken nothing of what was written last, and takes over by the store's word.
    fn lost(is_synchronous: bool) -> crate::run::Run {
        let mut run = settled();
        deafen(&mut run, B);
        let number = write(&mut run);
        run.world.rows[number].is_synchronous = is_synchronous;
        take_over(&mut run, B);
        run
    }

    #[test]
    fn a_primary_without_a_row_that_a_standby_confirmed_has_lost_it() {
        assert_violates(&mut lost(true), NAME);
    }

    #[test]
    fn a_row_that_waited_for_nobody_is_not_this_ones_concern() {
        assert_eq!(violated(&mut lost(false)), None);
    }

    #[test]
    fn after_a_tool_took_the_synchronous_members_nobody_can_know() {
        let mut run = settled();
        let now = run.world.now;
        run.world.store.put_unguarded("sync", "{}", None, now);
        deafen(&mut run, B);
        let number = write(&mut run);
        run.world.rows[number].is_synchronous = true;
        let now = run.world.now;
        run.world.store.delete_unguarded("sync", now);
        tell_changes(&mut run);
        take_over(&mut run, B);
        assert_eq!(violated(&mut run), None);
    }

    #[test]
    fn who_was_chosen_by_hand_and_said_so_stays_chosen() {
        for says_so in [true, false] {
            let mut run = settled();
            deafen(&mut run, B);
            let number = write(&mut run);
            run.world.rows[number].is_synchronous = true;
            let now = run.world.now;
            let request = r#"{"member":"b"}"#;
            run.world
                .store
                .put_unguarded("failover", request, None, now);
            kill(&mut run, A);
            acquire(&mut run, B);
            let session = leading_session(&run);
            if says_so {
                let (key, value) = ("sync".to_owned(), r#"{"leader":"b"}"#.to_owned());
                let writes = vec![StoreWrite::Put { key, value }];
                let entry = run.world.store.entry("leader").expect("b leads");
                let leads = KeyState::At(Revision(entry.modified));
                let guards = [
                    ("leader", leads),
                    ("leader", KeyState::HeldBySession),
                    ("sync", KeyState::Absent),
                ];
                commit(
                    &mut run,
                    Purpose::PublishSync,
                    Some(&session),
                    &guards,
                    writes,
                );
            }
            tell_changes(&mut run);
            run.check();
            assert_eq!(run.violation(), None);
            // It led and was not promoted; now it leads again.
            acquire(&mut run, B);
            let (from, to) = make_primary(&mut run, B);
            let node = B;
            run.world.facts.push(Fact::Promoted { node, from, to });
            assert_eq!(violated(&mut run), (!says_so).then_some(NAME));
        }
    }
}
