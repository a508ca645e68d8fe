//! Who may stream from whom.

use herdsman_ha_core::{SystemId, Timeline};

use super::super::fixture::*;
use super::super::tree::END_OF_RECOVERY;
use super::*;

fn is_corrupt(server: &Server) -> bool {
    server.files().expect("a cluster").is_corrupt
}

/// The server, started as a standby of `upstream` with its own WAL replayed.
fn ready(server: &mut Server, upstream: &Server, tree: &mut Tree) {
    start_standby(server, upstream.node, tree);
    server.replay_to_end();
}

#[test]
fn a_standby_follows_a_promotion_that_has_all_it_has() {
    let mut pair = Pair::new();
    let mut c = standby_of(&pair.a, C, &mut pair.tree);
    pair.a.write(&mut pair.tree).expect("a primary");
    pair.b.receive(&pair.a, &pair.tree);
    let wal = pair.fail_over();
    c.follow(Some(B), None).expect("a cluster");
    assert_eq!(c.connected(), None, "told anew");
    assert_eq!(c.can_stream(&pair.b, &pair.tree), Ok(()));
    c.connect(B);
    assert!(c.receive(&pair.b, &pair.tree));
    assert!(!c.receive(&pair.b, &pair.tree), "it has everything");
    assert_eq!(c.wal(), Some(wal));
    assert_eq!(standby_view(&c, &pair.tree).timeline, Timeline(2));
    assert!(!is_corrupt(&c));
}

#[test]
fn one_row_that_was_not_shipped_diverges() {
    let mut pair = Pair::new();
    pair.a.write(&mut pair.tree).expect("a primary");
    pair.fail_over();
    ready(&mut pair.a, &pair.b, &mut pair.tree);
    let refused = pair.a.can_stream(&pair.b, &pair.tree);
    assert_eq!(refused, Err(NoStream::Diverged));
}

#[test]
fn a_former_primary_whose_every_record_was_shipped_follows() {
    let mut pair = Pair::new();
    let row = pair.a.write(&mut pair.tree).expect("a primary");
    pair.a.begin_stop(true).expect("it runs");
    pair.a.pending_shutdown_record(&mut pair.tree);
    pair.b.receive(&pair.a, &pair.tree);
    pair.a.finish_stop(&mut pair.tree).expect("it was begun");
    pair.fail_over();
    join(&mut pair.a, &pair.b, &mut pair.tree);
    assert!(pair.has(&pair.a, row));
    assert!(!is_corrupt(&pair.a));
}

#[test]
fn nobody_streams_from_an_older_timeline() {
    let mut pair = Pair::new();
    let mut c = standby_of(&pair.a, C, &mut pair.tree);
    pair.fail_over();
    c.disconnect();
    c.connect(B);
    assert!(c.receive(&pair.b, &pair.tree));
    start_primary(&mut pair.a, &mut pair.tree);
    assert_eq!(
        c.can_stream(&pair.a, &pair.tree),
        Err(NoStream::UpstreamOnOlderTimeline)
    );
}

#[test]
fn equal_timelines_of_two_writers_corrupt_a_follower() {
    let mut pair = Pair::new();
    let row = pair.a.write(&mut pair.tree).expect("a primary");
    let mut c = standby_of(&pair.a, C, &mut pair.tree);
    stop(&mut pair.b, true, &mut pair.tree);
    start_primary(&mut pair.b, &mut pair.tree);
    while pair.b.wal().expect("a cluster").end <= row.end {
        pair.b.write(&mut pair.tree).expect("a primary");
    }
    assert_eq!(c.can_stream(&pair.b, &pair.tree), Ok(()), "same number");
    c.connect(B);
    assert!(c.receive(&pair.b, &pair.tree));
    assert!(is_corrupt(&c));
    assert!(!pair.has(&c, row));
}

#[test]
fn corruption_goes_on_to_copies_and_to_whoever_streams() {
    let mut pair = Pair::new();
    let c = standby_of(&pair.a, C, &mut pair.tree);
    pair.a.files_mut().expect("a cluster").is_corrupt = true;
    pair.a.write(&mut pair.tree).expect("a primary");
    assert!(pair.b.receive(&pair.a, &pair.tree));
    assert!(is_corrupt(&pair.b));
    assert!(!is_corrupt(&c), "it has taken nothing since");
    let d = standby_of(&pair.a, Node(3), &mut pair.tree);
    assert!(is_corrupt(&d));
}

#[test]
fn a_standby_waits_for_an_upstream_that_is_behind() {
    let mut pair = Pair::new();
    let c = standby_of(&pair.b, C, &mut pair.tree);
    pair.a.write(&mut pair.tree).expect("a primary");
    pair.b.receive(&pair.a, &pair.tree);
    assert_eq!(
        pair.b.can_stream(&c, &pair.tree),
        Err(NoStream::UpstreamBehind)
    );
}

#[test]
fn a_cascade_passes_on_what_its_upstream_received() {
    let mut pair = Pair::new();
    let mut c = standby_of(&pair.b, C, &mut pair.tree);
    let row = pair.a.write(&mut pair.tree).expect("a primary");
    assert!(!c.receive(&pair.b, &pair.tree));
    pair.b.quirks.insert(Quirk::ReplaysSlowly);
    pair.b.receive(&pair.a, &pair.tree);
    assert!(c.receive(&pair.b, &pair.tree), "received is enough");
    assert!(pair.has(&c, row));
}

#[test]
fn a_cascade_follows_its_upstream_through_a_promotion_without_a_new_connection() {
    let mut pair = Pair::new();
    let mut c = standby_of(&pair.b, C, &mut pair.tree);
    let wal = pair.fail_over();
    assert_eq!(c.connected(), Some(B));
    assert!(c.receive(&pair.b, &pair.tree));
    assert_eq!(c.wal(), Some(wal));
}

#[test]
fn a_relay_ships_a_new_timeline_only_once_it_replays_it() {
    let mut pair = Pair::new();
    let mut c = standby_of(&pair.a, C, &mut pair.tree);
    let mut d = standby_of(&c, Node(3), &mut pair.tree);
    let wal = pair.fail_over();
    c.quirks.insert(Quirk::ReplaysSlowly);
    c.connect(B);
    assert!(c.receive(&pair.b, &pair.tree));
    assert!(!d.receive(&c, &pair.tree));
    c.replay_to_end();
    assert!(d.receive(&c, &pair.tree));
    assert_eq!(d.wal(), Some(wal));
}

#[test]
fn recycled_wal_keeps_a_standby_that_is_behind_from_streaming() {
    let mut pair = Pair::new();
    pair.b.disconnect();
    pair.a.write(&mut pair.tree).expect("a primary");
    pair.a.checkpoint(&mut pair.tree).expect("a primary");
    assert_eq!(pair.b.can_stream(&pair.a, &pair.tree), Ok(()));
    pair.a.recycle();
    assert_eq!(
        pair.b.can_stream(&pair.a, &pair.tree),
        Err(NoStream::WalGone)
    );
}

#[test]
fn a_slot_that_does_not_exist_is_refused() {
    let mut pair = Pair::new();
    pair.b
        .follow(Some(A), Some("b".to_owned()))
        .expect("a cluster");
    assert_eq!(
        pair.b.can_stream(&pair.a, &pair.tree),
        Err(NoStream::NoSlot)
    );
    let wanted = ["b".to_owned()].into();
    pair.a
        .sync_slots(&wanted, &[].into())
        .expect("a running server");
    assert_eq!(pair.b.can_stream(&pair.a, &pair.tree), Ok(()));
}

#[test]
fn another_cluster_is_refused() {
    let mut pair = Pair::new();
    let mut c = Server::new(C);
    c.begin_bootstrap().expect("it is empty");
    c.finish_bootstrap(&mut pair.tree, SystemId(7_000_000_002))
        .expect("it was begun");
    assert_eq!(
        pair.b.can_stream(&c, &pair.tree),
        Err(NoStream::OtherSystem)
    );
    pair.b.connect(C);
    assert!(!pair.b.receive(&c, &pair.tree));
}

#[test]
fn a_standby_replays_its_own_wal_before_it_streams() {
    let mut pair = Pair::new();
    stop(&mut pair.b, true, &mut pair.tree);
    start_standby(&mut pair.b, A, &mut pair.tree);
    let refused = pair.b.can_stream(&pair.a, &pair.tree);
    assert_eq!(refused, Err(NoStream::OwnWalFirst));
}

#[test]
fn silence_and_frost_ship_nothing() {
    let mut pair = Pair::new();
    pair.a.write(&mut pair.tree).expect("a primary");
    pair.a.is_frozen = true;
    assert!(!pair.b.receive(&pair.a, &pair.tree));
    assert_eq!(
        pair.b.can_stream(&pair.a, &pair.tree),
        Err(NoStream::UpstreamSilent)
    );
    pair.a.is_frozen = false;
    pair.b.is_frozen = true;
    assert!(!pair.b.receive(&pair.a, &pair.tree));
    pair.b.is_frozen = false;
    assert!(pair.b.receive(&pair.a, &pair.tree));
}

#[test]
fn a_standby_that_receives_nothing_says_that_it_streams() {
    let mut pair = Pair::new();
    pair.b.quirks.insert(Quirk::ReceivesNothing);
    let row = pair.a.write(&mut pair.tree).expect("a primary");
    assert!(!pair.b.receive(&pair.a, &pair.tree));
    let view = standby_view(&pair.b, &pair.tree);
    assert!(view.is_streaming);
    assert!(view.received < row.end);
}

#[test]
fn two_promotions_of_the_same_number_are_one_to_a_follower_that_has_neither() {
    let mut pair = Pair::new();
    let mut c = standby_of(&pair.a, C, &mut pair.tree);
    let mut d = standby_of(&pair.a, Node(3), &mut pair.tree);
    let of_b = pair.fail_over();
    c.begin_promote().expect("a standby");
    let of_c = c.finish_promote(&mut pair.tree).expect("it was begun");
    assert_eq!(pair.tree.timeline(of_b), pair.tree.timeline(of_c));
    assert_eq!(of_b.end, of_c.end);
    d.connect(B);
    d.receive(&pair.b, &pair.tree);
    assert!(!is_corrupt(&d));
    d.connect(C);
    c.write(&mut pair.tree).expect("a primary");
    assert!(d.receive(&c, &pair.tree));
    assert!(is_corrupt(&d), "{END_OF_RECOVERY} bytes of another");
}
