//! `bounded-loss-async`: when acknowledged rows are lost to a failover, the new primary's WAL
//! parted from theirs not more than the lag limit before the position that was published when it
//! took over (oracle O3, invariant I3); and whoever hands the leadership over in a planned move
//! hands it to somebody who has everything (I8).
//!
//! What was written after the last published position may be lost without a limit: nobody could
//! know of it. Where an operator chose a leader that lacks it, that position measures nobody any
//! more, until somebody who has it leads.
//!
//! Exempt, each as a remark: a leader that an operator chose by hand, also by writing the leader key;
//! rows of a cluster that was made before a tool wiped the store, when another cluster is made after
//! it.

use std::time::Duration;

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{ControlState, Lsn, Purpose};

use super::explained::Explained;
use super::remarks::Remarks;
use super::truth::Truth;
use super::{Verdict, broken};
use crate::ids::Node;
use crate::pg::Wal;
use crate::store::{Change, Writer};
use crate::world::World;

pub(super) const NAME: &str = "bounded-loss-async";

/// How old the loss of a disk may be that took the successor away.
const JUST_LOST: Duration = Duration::from_secs(60);

/// A server has become primary with this WAL, and lacks these rows.
pub(super) fn check(
    world: &World,
    node: Node,
    from: Wal,
    missing: &[usize],
    truth: &Truth,
    remarks: &mut Remarks,
) -> Verdict {
    let tenure = truth.tenure(node);
    let rows = missing.iter().map(|number| &world.rows[*number]);
    for row in rows.filter(|row| !row.is_synchronous) {
        if tenure.is_by_hand {
            remarks.add("rows-lost-by-hand", world.now);
            continue;
        }
        if truth.is_timeline_shared {
            // After a tool took the record of timelines away, positions compare like to unlike.
            remarks.add("rows-lost-by-a-shared-timeline", world.now);
            continue;
        }
        let common = world.tree.common(from, row.place);
        if common.is_none() && truth.identity_touched_at.is_some_and(|at| row.at <= at) {
            remarks.add("rows-lost-with-a-wiped-store", world.now);
            continue;
        }
        let published = tenure.published.filter(|_| !truth.is_published_left);
        let Some(published) = published else {
            remarks.add("rows-lost-within-the-limit", world.now);
            continue;
        };
        let parted = world.tree.common(from, published);
        let parted = parted.map_or(Lsn(0), |place| place.end);
        let lost = published.end.0.saturating_sub(parted.0);
        if lost > world.lag_limit() {
            let (at, optime, limit) = (row.place.end, published.end, world.lag_limit());
            return broken(
                NAME,
                format!(
                    "{node} became primary without the row at {at} of {}: its WAL parted at \
                     {parted}, {lost} bytes before the published {optime}, and the limit is {limit}",
                    row.node
                ),
            );
        }
        remarks.add("rows-lost-within-the-limit", world.now);
    }
    Ok(())
}

/// The leader key was given up: in a planned move that its machine calls a good one, the successor
/// has everything.
pub(super) fn handed_over(
    change: &Change,
    world: &World,
    explained: &Explained,
    truth: &Truth,
    remarks: &mut Remarks,
) -> Verdict {
    let is_release = matches!(
        change.by,
        Writer::Commit {
            purpose: Some(Purpose::Release),
            ..
        }
    );
    if !is_release || &*change.key != key::LEADER || change.after.is_some() {
        return Ok(());
    }
    let name = change.before.as_ref().map_or("", |entry| &*entry.value);
    let Some(node) = world.node_named(name) else {
        return Ok(());
    };
    let server = &world.host(node).server;
    let is_shut_down = server.control() == Some(ControlState::ShutDown);
    if !is_shut_down || explained.last(node) != Some("move-released") {
        return Ok(());
    }
    let Some(wal) = server.wal() else {
        return Ok(());
    };
    // Whoever the request names by now: it may have been changed on the way, and a member that has
    // less than another one does not take over.
    let mut heirs = world.hosts.iter().filter(|host| host.node != node);
    let has_everything = heirs.any(|host| {
        let theirs = host.server.wal();
        theirs.is_some_and(|theirs| world.tree.contains(theirs, wal))
    });
    let lost_lately = |at| world.now.since(at) < JUST_LOST;
    if has_everything {
        Ok(())
    } else if truth.disk_lost_at.is_some_and(lost_lately) {
        remarks.add("handed-over-to-a-lost-disk", world.now);
        Ok(())
    } else {
        broken(
            NAME,
            format!("{node} handed over, and nobody has its WAL up to its end"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::fact::Fact;
    use crate::options::Options;
    use crate::run::Run;

    fn small_limit() -> Options {
        Options {
            lag_limit: 1 << 10,
            ..Options::default()
        }
    }

    /// `b` lacks this many rows when it takes over; their end is published or not.
    fn lost(rows: usize, is_published: bool) -> Run {
        let mut run = settled_with(small_limit());
        deafen(&mut run, B);
        for _ in 0..rows {
            write(&mut run);
        }
        if is_published {
            publish_end_of(&mut run, A);
        }
        take_over(&mut run, B);
        run
    }

    #[test]
    fn more_than_the_limit_before_the_published_position_is_lost_too_much() {
        assert_violates(&mut lost(5, true), NAME);
    }

    #[test]
    fn a_primary_that_takes_the_leadership_is_measured_as_well() {
        let mut run = settled_with(small_limit());
        deafen(&mut run, B);
        for _ in 0..5 {
            write(&mut run);
        }
        publish_end_of(&mut run, A);
        kill(&mut run, A);
        // An order that outlived its lease.
        make_primary(&mut run, B);
        acquire(&mut run, B);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn up_to_the_limit_may_be_lost() {
        assert_eq!(violated(&mut lost(4, true)), None);
    }

    #[test]
    fn what_nobody_could_know_of_may_be_lost() {
        assert_eq!(violated(&mut lost(5, false)), None);
    }

    #[test]
    fn a_row_that_was_allowed_to_be_lost_is_not_missed_again() {
        let mut run = lost(5, false);
        assert_eq!(violated(&mut run), None);
        let world = &mut run.world;
        for _ in 0..5 {
            let server = &mut world.hosts[B.index()].server;
            server.write(&mut world.tree).expect("it leads");
        }
        publish_end_of(&mut run, B);
        kill(&mut run, B);
        acquire(&mut run, B);
        let wal = run.world.host(B).server.wal().expect("it has data");
        let (node, was) = (B, ControlState::InProduction);
        run.world
            .facts
            .push(Fact::StartedAsPrimary { node, was, wal });
        assert_eq!(violated(&mut run), None);
    }

    #[test]
    fn who_is_chosen_by_hand_may_lose_anything() {
        let mut run = settled_with(small_limit());
        deafen(&mut run, B);
        for _ in 0..5 {
            write(&mut run);
        }
        publish_end_of(&mut run, A);
        let now = run.world.now;
        let request = r#"{"member":"b"}"#;
        run.world
            .store
            .put_unguarded(key::FAILOVER, request, None, now);
        take_over(&mut run, B);
        assert_eq!(violated(&mut run), None);
    }

    #[test]
    fn a_candidate_of_a_move_that_died_on_the_way_may_not() {
        let mut run = settled_with(small_limit());
        deafen(&mut run, B);
        for _ in 0..5 {
            write(&mut run);
        }
        publish_end_of(&mut run, A);
        let now = run.world.now;
        let request = r#"{"leader":"a","member":"b"}"#;
        run.world
            .store
            .put_unguarded(key::FAILOVER, request, None, now);
        take_over(&mut run, B);
        assert_violates(&mut run, NAME);
    }
}
