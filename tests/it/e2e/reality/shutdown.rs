//! What a shutdown ships, and what a primary keeps for those who are away.

use herdsman_pgctl::{ClusterState, StopMode};
use herdsman_tests::reality::{PgServer, wait_until};

use super::model;

/// The size of a checkpoint's record in the log.
const CHECKPOINT: u64 = 0x78;
/// What the beginning of a page takes, if the record crosses one.
const PAGE_HEADER: u64 = 40;

#[tokio::test]
async fn fast_stop_ships_its_checkpoint_record_to_a_connected_standby() {
    let a = PgServer::primary("a").await;
    let b = PgServer::standby("b", &a).await;
    a.run("CREATE TABLE t AS SELECT 1 AS id").await;

    a.stop(StopMode::Fast).await;

    let control = a.control().await;
    assert_eq!(control.state, ClusterState::ShutDown);
    b.wait_until_replayed(control.checkpoint).await;
    let received = b.standby_facts().await.received.unwrap();
    let more = received.bytes_since(control.checkpoint);
    assert!(
        (CHECKPOINT..=CHECKPOINT + PAGE_HEADER).contains(&more),
        "the record begins at {}, and {received} was received",
        control.checkpoint
    );
    assert_eq!(b.rows().await, "1");
    let model = model::received_beyond_shutdown_checkpoint();
    assert_eq!(model, CHECKPOINT);
}

#[tokio::test]
async fn log_is_kept_for_a_slot_and_removed_without_one() {
    let small = [
        ("wal_keep_size", "0"),
        ("min_wal_size", "32MB"),
        ("max_wal_size", "32MB"),
    ];
    let a = PgServer::primary_with("a", &small).await;
    a.run("CREATE TABLE t (id int)").await;
    let without = PgServer::standby("without", &a).await;
    let with = PgServer::standby("with", &a).await;
    a.run("SELECT pg_create_physical_replication_slot('kept', true)")
        .await;
    let through_slot = a.upstream().with_slot("kept");
    with.follow_exactly(Some(through_slot.clone())).await;
    with.wait_until_streaming().await;
    with.follow_exactly(None).await;
    without.follow(None).await;
    for id in 1..=4 {
        a.run(&format!("INSERT INTO t VALUES ({id})")).await;
        a.run("SELECT pg_switch_wal()").await;
        a.run("CHECKPOINT").await;
    }

    with.follow_exactly(Some(through_slot)).await;
    with.wait_until_replayed(a.written().await).await;
    assert_eq!(with.rows().await, "1,2,3,4");
    with.follow_exactly(None).await;
    a.run("SELECT pg_drop_replication_slot('kept')").await;
    for _ in 0..4 {
        a.run("SELECT pg_switch_wal()").await;
        a.run("CHECKPOINT").await;
    }
    let removed = "has already been removed";
    let before = without.log().matches(removed).count();

    without.follow(Some(&a)).await;

    wait_until("refusals", async || {
        without.log().matches(removed).count() > before + 2
    })
    .await;
    assert_eq!(without.rows().await, "");
    assert!(model::streams_after_recycling(true));
    assert!(!model::streams_after_recycling(false));
}
