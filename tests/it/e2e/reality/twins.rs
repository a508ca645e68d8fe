//! Two servers that continue the same history: the old primary beside the new one, and two
//! promotions that take the same number.

use herdsman_pgctl::Timeline;
use herdsman_tests::reality::{PgServer, wait_until};

use super::model;
use super::timelines::insert;

#[tokio::test]
async fn old_primary_comes_back_writable_on_its_old_timeline() {
    let a = PgServer::primary("a").await;
    a.run("CREATE TABLE t (id int)").await;
    let b = PgServer::standby("b", &a).await;
    b.wait_until_replayed(a.written().await).await;
    let _ = a.kill().await;
    b.promote().await;

    a.start_as_primary().await;

    insert(&a, 1).await;
    insert(&b, 2).await;
    assert_eq!((a.rows().await, b.rows().await), ("1".into(), "2".into()));
    let timelines = (a.timeline().await, b.timeline().await);
    assert_eq!(timelines, (Timeline(1), Timeline(2)));
    let (timelines, are_writable) = model::old_primary_beside_the_new_one();
    assert_eq!(timelines.map(|timeline| timeline.0), [1, 2]);
    assert_eq!(are_writable, [true, true]);
}

/// Two standbys of one primary that were both promoted, and a third that follows the first.
async fn twins() -> [PgServer; 3] {
    let a = PgServer::primary("a").await;
    a.run("CREATE TABLE t (id int)").await;
    let b = PgServer::standby("b", &a).await;
    let c = PgServer::standby("c", &a).await;
    let d = PgServer::standby("d", &a).await;
    let end = a.written().await;
    for standby in [&b, &c, &d] {
        standby.wait_until_replayed(end).await;
    }
    let _ = a.kill().await;
    b.promote().await;
    c.promote().await;
    d.follow(Some(&b)).await;
    let timelines = (b.timeline().await, c.timeline().await);
    assert_eq!(timelines, (Timeline(2), Timeline(2)));
    [b, c, d]
}

/// Lets both write rows of the same size until both logs end at the same place: a record of the
/// server's own may come between, and a new segment makes up for it.
async fn write_alike(b: &PgServer, c: &PgServer) {
    for round in 1..=20 {
        for (server, base) in [(b, 1000), (c, 2000)] {
            server.run("SELECT pg_switch_wal()").await;
            insert(server, base + round).await;
        }
        if b.written().await == c.written().await {
            return;
        }
    }
    panic!("the two logs do not come to the same length");
}

#[tokio::test]
async fn twin_of_an_equal_timeline_is_followed_without_notice_where_records_line_up() {
    let [b, c, d] = twins().await;
    write_alike(&b, &c).await;
    d.wait_until_replayed(b.written().await).await;
    let former = b.rows().await;
    assert_eq!(d.rows().await, former);

    d.follow(Some(&c)).await;
    insert(&c, 3000).await;

    d.wait_until_replayed(c.written().await).await;
    d.wait_until_streaming().await;
    assert_eq!(d.rows().await, format!("{former},3000"));
    assert_ne!(d.rows().await, c.rows().await);
    let (timelines, [streams, is_corrupt]) = model::twins();
    assert_eq!(timelines.map(|timeline| timeline.0), [2, 2]);
    assert!(streams && is_corrupt);
}

#[tokio::test]
async fn twin_of_an_equal_timeline_is_received_and_not_replayed_where_records_do_not_line_up() {
    let [b, c, d] = twins().await;
    insert(&b, 1).await;
    c.run("INSERT INTO t SELECT generate_series(1000, 1099)")
        .await;
    d.wait_until_replayed(b.written().await).await;

    let end = c.written().await;
    let before = d.broken_streams();

    d.follow(Some(&c)).await;

    d.wait_until_received(end).await;
    // One stream was ended by the order to follow another server.
    wait_until("failed attempts", async || d.broken_streams() > before + 2).await;
    let standby = d.standby_facts().await;
    assert!(standby.replayed < Some(end), "{standby:?}");
    assert_eq!(d.timeline().await, Timeline(2));
    assert_eq!(d.rows().await, "1");
}
