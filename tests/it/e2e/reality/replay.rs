//! What a standby has received and not replayed: hidden after a start, and never lost.

use herdsman_tests::reality::{PgServer, wait_until};

use super::model;

/// Commits are replayed an hour late: received and not replayed.
const LATE: [(&str, &str); 1] = [("recovery_min_apply_delay", "1h")];
const TEN: &str = "1,2,3,4,5,6,7,8,9,10";

async fn primary_with_table() -> PgServer {
    let primary = PgServer::primary("a").await;
    primary.run("CREATE TABLE t (id int)").await;
    primary
}

async fn write_ten(primary: &PgServer) {
    let sql = primary.sql().await;
    for id in 1..=10 {
        let insert = format!("INSERT INTO t VALUES ({id})");
        sql.run(&insert).await.unwrap();
    }
}

async fn wait_until_replay_is_late(standby: &PgServer) {
    wait_until("replay to wait for its hour", async || {
        let waits = "SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup'";
        standby.ask(waits).await == "RecoveryApplyDelay"
    })
    .await;
}

#[tokio::test]
async fn standby_that_replays_after_a_start_tells_less_than_it_has() {
    let a = primary_with_table().await;
    let b = PgServer::standby_with("b", &a, &LATE).await;
    write_ten(&a).await;
    let end = a.written().await;
    b.wait_until_received(end).await;
    let before = b.standby_facts().await;
    assert!(
        before.received >= Some(end) && before.replayed < Some(end),
        "{before:?}"
    );
    assert!(b.kill().await.killed() > 0);

    b.start_as_standby_of(Some(&a)).await;
    wait_until_replay_is_late(&b).await;

    let after = b.standby_facts().await;
    assert_eq!(after.received, None);
    assert!(after.replayed < Some(end), "{after:?}");
    assert!(!after.wal_end_reached);
    // It asks for no stream before it has come to the end of what it has.
    assert_eq!(after.receiver, None);
    assert!(a.server().await.senders.is_empty());

    let _ = a.kill().await;
    b.set(&[("recovery_min_apply_delay", "0")]).await;
    wait_until("the end of its log", async || {
        b.standby_facts().await.wal_end_reached
    })
    .await;
    let whole = b.standby_facts().await;
    assert!(whole.replayed >= Some(end), "{whole:?}");
    assert_eq!(b.rows().await, TEN);
    assert_eq!(
        model::start_with_unreplayed_wal(),
        [false, false, false, false, true]
    );
}

#[tokio::test]
async fn what_a_standby_received_survives_its_kill_and_is_promoted() {
    let a = primary_with_table().await;
    let b = PgServer::standby_with("b", &a, &LATE).await;
    write_ten(&a).await;
    b.wait_until_received(a.written().await).await;
    let _ = (a.kill().await, b.kill().await);

    b.start_as_standby_of(None).await;
    wait_until_replay_is_late(&b).await;
    assert_eq!(b.rows().await, "");
    b.promote().await;

    assert_eq!(b.rows().await, TEN);
    assert!(model::promotion_keeps_what_was_received(true));
}

#[tokio::test]
async fn promotion_replays_what_was_received_first_although_replay_is_late() {
    let a = primary_with_table().await;
    let b = PgServer::standby_with("b", &a, &LATE).await;
    write_ten(&a).await;
    let end = a.written().await;
    b.wait_until_received(end).await;
    wait_until_replay_is_late(&b).await;
    let _ = a.kill().await;

    b.promote().await;

    assert_eq!(b.rows().await, TEN);
    assert!(b.written().await >= end);
    assert!(model::promotion_keeps_what_was_received(false));
}

#[tokio::test]
async fn promotion_replays_what_was_received_first_although_replay_is_paused() {
    let a = primary_with_table().await;
    let b = PgServer::standby("b", &a).await;
    b.wait_until_replayed(a.written().await).await;
    b.run("SELECT pg_wal_replay_pause()").await;
    write_ten(&a).await;
    b.wait_until_received(a.written().await).await;
    assert_eq!(b.rows().await, "");
    let _ = a.kill().await;

    b.promote().await;

    assert_eq!(b.rows().await, TEN);
}
