//! Following through a promotion, and following somebody who has less.

use herdsman_pgctl::Timeline;
use herdsman_tests::reality::{PgServer, wait_until};

use super::model;

/// A primary with one row and two standbys that have it.
pub(super) async fn three() -> [PgServer; 3] {
    let a = PgServer::primary("a").await;
    a.run("CREATE TABLE t (id int)").await;
    let b = PgServer::standby("b", &a).await;
    let c = PgServer::standby("c", &a).await;
    insert(&a, 1).await;
    let end = a.written().await;
    b.wait_until_replayed(end).await;
    c.wait_until_replayed(end).await;
    [a, b, c]
}

pub(super) async fn insert(primary: &PgServer, id: u32) {
    primary.run(&format!("INSERT INTO t VALUES ({id})")).await;
}

#[tokio::test]
async fn standby_behind_the_fork_gets_the_old_timeline_to_its_end_and_then_the_new_one() {
    let [a, b, c] = three().await;
    c.follow(None).await;
    insert(&a, 2).await;
    b.wait_until_received(a.written().await).await;
    let _ = a.kill().await;
    b.promote().await;
    insert(&b, 3).await;

    c.follow(Some(&b)).await;

    wait_until("all rows", async || c.rows().await == "1,2,3").await;
    assert_eq!(c.timeline().await, Timeline(2));
    let (timeline, rows) = model::behind_the_fork();
    assert_eq!((timeline.0, rows), (2, [true, true]));
}

/// A stream is asked for from the beginning of a segment, so the upstream sees no difference.
#[tokio::test]
async fn standby_ahead_of_its_upstream_within_a_segment_is_told_to_stream() {
    let [a, b, c] = three().await;
    c.follow(None).await;
    insert(&a, 2).await;
    b.wait_until_replayed(a.written().await).await;
    let _ = a.kill().await;

    b.follow(Some(&c)).await;
    b.wait_until_streaming().await;

    let standby = b.standby_facts().await;
    let upstream_has = c.standby_facts().await.replayed;
    assert!(standby.replayed > upstream_has, "{standby:?}");
    assert!(standby.received > upstream_has, "{standby:?}");
    let senders = c.server().await.senders;
    assert_eq!(senders[0].state, "streaming");
    assert_eq!(b.rows().await, "1,2");
    assert_eq!(c.rows().await, "1");
}

#[tokio::test]
async fn standby_ahead_of_its_upstream_by_a_segment_gets_nothing() {
    let [a, b, c] = three().await;
    c.follow(None).await;
    a.run("SELECT pg_switch_wal()").await;
    insert(&a, 2).await;
    b.wait_until_replayed(a.written().await).await;
    let _ = a.kill().await;

    b.follow(Some(&c)).await;

    // It is refused by the upstream, and by later releases (seen with 15.20) waits for it.
    b.wait_for_log("is ahead of the").await;
    let told = [
        "is ahead of the WAL flush position of this server",
        "is ahead of the upstream server's flush position",
    ];
    let log = b.log();
    assert!(told.iter().any(|words| log.contains(words)), "{log}");
    assert_eq!(b.rows().await, "1,2");
    assert_eq!(c.rows().await, "1");
}
