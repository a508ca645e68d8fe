//! Starts, stops, crashes, promotions.

use herdsman_ha_core::{DataView, Lsn, Position, ServerView};

use super::super::fixture::*;
use super::super::refused::NoStream;
use super::super::tree::{CHECKPOINT, END_OF_RECOVERY};
use super::*;

fn control(server: &Server) -> ControlState {
    server.files().expect("a cluster").control
}

#[test]
fn a_crashed_primary_recovers_every_row_on_its_own_branch() {
    let mut pair = Pair::new();
    let row = pair.a.write(&mut pair.tree).expect("a primary");
    pair.a.crash(false);
    assert_eq!(control(&pair.a), ControlState::InProduction);
    assert!(!pair.a.is_writable());
    let wal = start_primary(&mut pair.a, &mut pair.tree);
    assert_eq!(wal.branch, row.branch);
    assert_eq!(
        wal.end,
        Lsn(row.end.0 + CHECKPOINT),
        "recovery ends with a checkpoint"
    );
    assert!(pair.a.is_writable());
}

#[test]
fn a_clean_shutdown_ends_the_wal_with_a_record_that_the_control_file_names() {
    let mut pair = Pair::new();
    let row = pair.a.write(&mut pair.tree).expect("a primary");
    stop(&mut pair.a, true, &mut pair.tree);
    let files = pair.a.files().expect("a cluster");
    assert_eq!(files.control, ControlState::ShutDown);
    assert_eq!(files.checkpoint.lsn, row.end);
    assert_eq!(files.wal.end, Lsn(row.end.0 + CHECKPOINT));
    let again = start_primary(&mut pair.a, &mut pair.tree);
    assert_eq!(again.end, Lsn(row.end.0 + CHECKPOINT), "nothing to recover");
    assert_eq!(again.branch, row.branch);
}

#[test]
fn a_stop_in_order_cuts_clients_at_once_and_ships_its_record_to_whoever_is_connected() {
    let mut pair = Pair::new();
    let mut late = standby_of(&pair.a, C, &mut pair.tree);
    late.disconnect();
    pair.a.begin_stop(true).expect("it runs");
    assert!(!pair.a.is_writable());
    assert_eq!(control(&pair.a), ControlState::InProduction);
    let record = pair.a.pending_shutdown_record(&mut pair.tree);
    assert_eq!(record, pair.a.pending_shutdown_record(&mut pair.tree));
    assert_eq!(control(&pair.a), ControlState::ShutDown);
    assert!(pair.b.receive(&pair.a, &pair.tree));
    assert_eq!(pair.b.wal(), record);
    assert!(
        late.can_stream(&pair.a, &pair.tree).is_err(),
        "nobody new gets in"
    );
    pair.a.finish_stop(&mut pair.tree).expect("it was begun");
    assert_eq!(pair.a.wal(), record, "one record only");
}

#[test]
fn a_stop_at_once_leaves_the_files_as_they_were() {
    let mut pair = Pair::new();
    let before = pair.a.data.clone();
    stop(&mut pair.a, false, &mut pair.tree);
    assert_eq!(pair.a.data, before);
    assert_eq!(control(&pair.a), ControlState::InProduction);
}

#[test]
fn an_immediate_stop_overtakes_one_in_order_and_not_the_other_way_round() {
    let mut pair = Pair::new();
    pair.a.begin_stop(true).expect("it runs");
    pair.a.begin_stop(false).expect("it runs");
    pair.a.begin_stop(true).expect("it runs");
    assert_eq!(pair.a.pending_shutdown_record(&mut pair.tree), None);
    pair.a.finish_stop(&mut pair.tree).expect("it was begun");
    assert_eq!(control(&pair.a), ControlState::InProduction);
}

#[test]
fn a_full_disk_turns_a_stop_in_order_into_a_crash() {
    let mut pair = Pair::new();
    pair.a.quirks.insert(Quirk::DiskFull);
    stop(&mut pair.a, true, &mut pair.tree);
    assert_eq!(control(&pair.a), ControlState::InProduction);
}

#[test]
fn a_server_that_ignores_a_stop_in_order_hears_an_immediate_one() {
    let mut pair = Pair::new();
    pair.a.quirks.insert(Quirk::IgnoresFastStop);
    assert_eq!(pair.a.begin_stop(true), Err(Refused::NotHeard));
    assert!(pair.a.is_writable());
    stop(&mut pair.a, false, &mut pair.tree);
    assert_eq!(pair.a.process, Process::Down { orphans: false });
}

#[test]
fn a_standby_stopped_in_order_says_so() {
    let mut pair = Pair::new();
    stop(&mut pair.b, true, &mut pair.tree);
    assert_eq!(control(&pair.b), ControlState::ShutDownInRecovery);
    assert_eq!(pair.b.wal(), pair.a.wal(), "it writes no record");
}

#[test]
fn orphans_of_a_primary_write_until_they_are_killed() {
    let mut pair = Pair::new();
    pair.a.crash(true);
    let row = pair.a.write(&mut pair.tree).expect("an orphan");
    assert_eq!(pair.a.process, Process::Down { orphans: true });
    assert!(!pair.b.receive(&pair.a, &pair.tree), "nobody ships it");
    assert_eq!(
        pair.a.begin_start(true, None, None),
        Err(Refused::OrphansLive)
    );
    pair.a.kill_all();
    assert!(!pair.a.is_writable());
    assert!(pair.has(&pair.a, row));
    let wal = start_primary(&mut pair.a, &mut pair.tree);
    assert_eq!(wal.branch, row.branch);
}

#[test]
fn orphans_of_a_standby_or_of_a_stopping_primary_write_nothing() {
    let mut pair = Pair::new();
    pair.b.crash(true);
    assert!(!pair.b.is_writable());
    pair.a.begin_stop(true).expect("it runs");
    pair.a.crash(true);
    assert!(!pair.a.is_writable());
}

#[test]
fn frozen_orphans_write_nothing_until_they_move() {
    let mut pair = Pair::new();
    pair.a.is_frozen = true;
    pair.a.crash(true);
    assert!(!pair.a.is_writable());
    pair.a.is_frozen = false;
    assert!(pair.a.is_writable());
}

#[test]
fn a_kill_ends_processes_that_stand_still() {
    let mut pair = Pair::new();
    pair.a.is_frozen = true;
    assert_eq!(pair.a.begin_stop(false), Err(Refused::Frozen));
    pair.a.kill_all();
    assert_eq!(pair.a.process, Process::Down { orphans: false });
    assert!(!pair.a.is_frozen);
}

#[test]
fn a_start_as_primary_on_anothers_wal_is_a_second_branch_of_the_same_timeline() {
    let mut pair = Pair::new();
    stop(&mut pair.b, true, &mut pair.tree);
    let theirs = pair.a.wal().expect("a cluster");
    let mine = start_primary(&mut pair.b, &mut pair.tree);
    assert_ne!(mine.branch, theirs.branch);
    assert_eq!(pair.tree.timeline(mine), pair.tree.timeline(theirs));
    assert_eq!(pair.tree.branch(mine.branch).writer, B);
    assert!(pair.a.is_writable() && pair.b.is_writable());
}

#[test]
fn a_writer_that_comes_back_with_less_than_it_wrote_is_another_branch() {
    let mut pair = Pair::new();
    pair.a.write(&mut pair.tree).expect("a primary");
    pair.a.lose_disk();
    pair.a.begin_copy().expect("it is empty");
    pair.a.finish_copy(&pair.b, &pair.tree).expect("a source");
    let old = pair.b.wal().expect("a cluster");
    let new = start_primary(&mut pair.a, &mut pair.tree);
    assert_ne!(new.branch, old.branch);
}

#[test]
fn a_promotion_replays_all_that_was_received_and_begins_the_next_timeline() {
    let mut pair = Pair::new();
    pair.b.quirks.insert(Quirk::ReplaysSlowly);
    let row = pair.a.write(&mut pair.tree).expect("a primary");
    pair.b.receive(&pair.a, &pair.tree);
    assert!(standby_view(&pair.b, &pair.tree).replayed < row.end);
    let checkpoint = pair.b.files().expect("a cluster").checkpoint;
    let wal = pair.fail_over();
    assert!(pair.has(&pair.b, row));
    assert_eq!(wal.end, Lsn(row.end.0 + END_OF_RECOVERY));
    assert_eq!(pair.tree.timeline(wal), Timeline(2));
    assert_eq!(*pair.tree.history(wal.branch), [(Timeline(1), row.end)]);
    assert!(pair.b.is_writable());
    assert_eq!(control(&pair.b), ControlState::InProduction);
    let files = pair.b.files().expect("a cluster");
    assert_eq!(files.checkpoint, checkpoint, "it comes later");
}

#[test]
fn a_server_that_is_being_promoted_is_still_a_standby() {
    let mut pair = Pair::new();
    pair.b.begin_promote().expect("a standby");
    assert!(!pair.b.is_writable());
    assert!(!standby_view(&pair.b, &pair.tree).is_streaming);
    pair.b.crash(false);
    assert_eq!(control(&pair.b), ControlState::InArchiveRecovery);
    assert_eq!(
        pair.b.finish_promote(&mut pair.tree),
        Err(Refused::NotBegun)
    );
}

#[test]
fn a_crashed_standby_says_less_than_it_has_until_it_has_replayed_it() {
    let mut pair = Pair::new();
    let row = pair.a.write(&mut pair.tree).expect("a primary");
    pair.b.receive(&pair.a, &pair.tree);
    pair.b.crash(false);
    start_standby(&mut pair.b, A, &mut pair.tree);
    let view = standby_view(&pair.b, &pair.tree);
    assert_eq!(view.received, Lsn(0));
    assert!(view.position().lsn < row.end);
    assert!(!view.wal_end_reached);
    assert!(pair.has(&pair.b, row));
    pair.b.replay_to_end();
    let view = standby_view(&pair.b, &pair.tree);
    assert!(view.wal_end_reached);
    assert_eq!(
        view.position(),
        Position {
            timeline: Timeline(1),
            lsn: row.end
        }
    );
}

#[test]
fn a_crashed_primary_started_as_a_standby_recovers_everything_before_it_is_one() {
    let mut pair = Pair::new();
    let row = pair.a.write(&mut pair.tree).expect("a primary");
    pair.a.crash(false);
    let begun = pair.a.begin_start(false, Some(B), Some("a".to_owned()));
    assert_eq!(begun, Ok(()));
    let (data, server) = pair.a.look(&pair.tree);
    assert_eq!(server, ServerView::Starting);
    let DataView::Cluster(view) = data else {
        panic!("no cluster: {data:?}");
    };
    assert_eq!(view.state, ControlState::InProduction);
    pair.a.finish_start(&mut pair.tree).expect("it was begun");
    assert_eq!(control(&pair.a), ControlState::InArchiveRecovery);
    assert_eq!(standby_view(&pair.a, &pair.tree).replayed, row.end);
}

#[test]
fn a_primary_stopped_in_order_starts_as_a_standby_at_once() {
    let mut pair = Pair::new();
    stop(&mut pair.a, true, &mut pair.tree);
    let begun = pair.a.begin_start(false, Some(B), None);
    assert_eq!(begun, Ok(()));
    assert_eq!(control(&pair.a), ControlState::InArchiveRecovery);
}

#[test]
fn a_crashed_primary_whose_recovery_is_stopped_in_order_reads_as_a_standby_and_still_is_none() {
    let mut pair = Pair::new();
    let row = pair.a.write(&mut pair.tree).expect("a primary");
    pair.a.crash(false);
    pair.a.begin_start(true, None, None).expect("it is down");
    stop(&mut pair.a, true, &mut pair.tree);
    assert_eq!(control(&pair.a), ControlState::ShutDownInRecovery);
    let begun = pair.a.begin_start(false, Some(B), None);
    assert_eq!(begun, Ok(()));
    assert_eq!(control(&pair.a), ControlState::InProduction);
    assert!(pair.has(&pair.a, row));
}

#[test]
fn a_standby_stopped_in_order_answers_again_with_all_that_it_had_replayed() {
    let mut pair = Pair::new();
    let row = pair.a.write(&mut pair.tree).expect("a primary");
    pair.b.receive(&pair.a, &pair.tree);
    stop(&mut pair.b, true, &mut pair.tree);
    start_standby(&mut pair.b, A, &mut pair.tree);
    assert_eq!(standby_view(&pair.b, &pair.tree).replayed, row.end);
}

#[test]
fn a_start_that_fails_changes_nothing() {
    let mut pair = Pair::new();
    pair.a.crash(false);
    pair.a.quirks.insert(Quirk::RefusesToStart);
    pair.a.begin_start(true, None, None).expect("it is down");
    let refused = pair.a.finish_start(&mut pair.tree);
    assert_eq!(refused, Err(Refused::RefusesToStart));
    assert_eq!(pair.a.process, Process::Down { orphans: false });
    assert_eq!(control(&pair.a), ControlState::InProduction);
    pair.a.quirks.clear();
    assert_eq!(
        pair.a.finish_start(&mut pair.tree),
        Err(Refused::NotBegun),
        "the end of a start that is over"
    );
}

#[test]
fn a_frozen_start_goes_on_after_the_thaw() {
    let mut pair = Pair::new();
    pair.a.crash(false);
    pair.a.begin_start(true, None, None).expect("it is down");
    pair.a.is_frozen = true;
    assert_eq!(pair.a.finish_start(&mut pair.tree), Err(Refused::Frozen));
    pair.a.is_frozen = false;
    assert!(pair.a.finish_start(&mut pair.tree).is_ok());
}

#[test]
fn a_running_server_is_not_started() {
    let mut pair = Pair::new();
    assert_eq!(
        pair.a.begin_start(false, None, None),
        Err(Refused::IsRunning)
    );
    assert_eq!(
        Server::new(C).begin_start(true, None, None),
        Err(Refused::NoCluster)
    );
}

/// A standby with a record of its own that has heard of the timeline of its successor.
fn heard_of_the_successor() -> Pair {
    let mut pair = Pair::new();
    pair.a.write(&mut pair.tree).expect("a primary");
    pair.fail_over();
    pair.a
        .begin_start(false, Some(pair.b.node), None)
        .expect("a stopped server");
    pair.a.finish_start(&mut pair.tree).expect("it was begun");
    pair.a.replay_to_end();
    assert_eq!(
        pair.a.can_stream(&pair.b, &pair.tree),
        Err(NoStream::Diverged)
    );
    pair.a.hear_of(&pair.b, &pair.tree);
    assert!(!pair.a.is_corrupt());
    pair.a.crash(false);
    pair
}

fn start_alone(pair: &mut Pair) {
    pair.a
        .begin_start(false, None, None)
        .expect("a stopped server");
    pair.a.finish_start(&mut pair.tree).expect("it was begun");
}

#[test]
fn a_standby_that_heard_of_a_timeline_it_does_not_belong_to_is_spoilt_by_its_next_start() {
    let mut pair = heard_of_the_successor();
    start_alone(&mut pair);
    assert!(pair.a.is_corrupt());
}

#[test]
fn what_a_standby_has_heard_of_is_forgotten_by_a_start_of_pgctl() {
    let mut pair = heard_of_the_successor();
    pair.a.forget_hearsay();
    start_alone(&mut pair);
    assert!(!pair.a.is_corrupt());
}
