//! A standby that has replayed more than the server that was promoted.
//!
//! While it runs PostgreSQL keeps it apart. Once it has heard of the new timeline a restart makes
//! it forget that: then it tells of log that it cannot replay, or replays it onto other data.
//!
//! The models keep such a standby apart for ever; `docs/model-facts.md` lists what they leave out.

use herdsman_pgctl::Timeline;
use herdsman_sim::pg::NoStream;
use herdsman_tests::reality::{PgServer, wait_until};

use super::model;
use super::timelines::{insert, three};

/// What the log says when the divergence is seen.
const FORKED: &str = "new timeline 2 forked off current database system timeline 1 before \
                      current recovery point";
/// How often the whole scene is made anew to get two logs of the same length.
const ATTEMPTS: usize = 8;

/// A promoted server with the rows 1 and 3, and a standby of its former primary with 1 and 2.
async fn beyond_the_fork() -> [PgServer; 2] {
    let [a, b, c] = three().await;
    b.follow(None).await;
    insert(&a, 2).await;
    c.wait_until_replayed(a.written().await).await;
    let _ = a.kill().await;
    b.promote().await;
    insert(&b, 3).await;
    [b, c]
}

/// The standby has tried to follow the promoted server.
async fn heard_of_the_fork() -> [PgServer; 2] {
    let [b, c] = beyond_the_fork().await;
    c.follow(Some(&b)).await;
    c.wait_for_log(FORKED).await;
    [b, c]
}

#[tokio::test]
async fn standby_beyond_the_fork_gets_nothing_and_says_so() {
    let [b, c] = beyond_the_fork().await;
    let before = c.standby_facts().await;

    c.follow(Some(&b)).await;

    wait_until("some attempts", async || {
        c.log().matches(FORKED).count() > 5
    })
    .await;
    let after = c.standby_facts().await;
    assert_eq!(after.replayed, before.replayed);
    assert_eq!(c.rows().await, "1,2");
    assert_eq!(c.timeline().await, Timeline(1));
    // What is told as received goes back to the fork, below what is replayed.
    wait_until("a smaller position", async || {
        let standby = c.standby_facts().await;
        standby.received < before.received && standby.received < standby.replayed
    })
    .await;
    let (refusal, timeline) = model::beyond_the_fork();
    assert_eq!((refusal, timeline.0), (Some(NoStream::Diverged), 1));
}

#[tokio::test]
async fn promotion_takes_a_number_above_every_timeline_it_has_heard_of() {
    let [b, c] = heard_of_the_fork().await;

    c.promote().await;

    assert_eq!(b.timeline().await, Timeline(2));
    assert_eq!(c.timeline().await, Timeline(3));
    assert_eq!(c.rows().await, "1,2");
}

#[tokio::test]
async fn diverged_standby_tells_of_the_new_timeline_after_a_restart() {
    let [b, c] = heard_of_the_fork().await;
    let _ = c.kill().await;
    let end = b.written().await;

    assert!(c.start_by_itself().await);

    c.wait_until_received(end).await;
    let standby = c.standby_facts().await;
    assert!(standby.wal_end_reached);
    assert!(standby.received >= Some(end), "{standby:?}");
    assert_eq!(c.timeline().await, Timeline(2));
}

#[tokio::test]
async fn diverged_standby_confirms_commits_after_a_restart() {
    let [b, c] = heard_of_the_fork().await;
    let _ = c.kill().await;
    b.set(&[("synchronous_standby_names", "c")]).await;
    wait_until("the setting", async || {
        b.ask("SHOW synchronous_standby_names").await == "c"
    })
    .await;
    let sql = b.sql().await;
    let commit = tokio::spawn(async move { sql.run("INSERT INTO t VALUES (4)").await });
    wait_until("the commit to wait", async || {
        b.ask_whether("EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')")
            .await
    })
    .await;

    assert!(c.start_by_itself().await);

    commit.await.unwrap().unwrap();
    assert_eq!(b.rows().await, "1,3,4");
}

#[tokio::test]
async fn diverged_standby_with_a_checkpoint_beyond_the_fork_does_not_start_again() {
    let [a, b, c] = three().await;
    b.follow(None).await;
    insert(&a, 2).await;
    a.run("CHECKPOINT").await;
    c.wait_until_replayed(a.written().await).await;
    c.run("CHECKPOINT").await;
    let _ = a.kill().await;
    b.promote().await;
    c.follow(Some(&b)).await;
    c.wait_for_log(FORKED).await;
    let _ = c.kill().await;

    assert!(!c.start_by_itself().await);

    let words = "requested timeline 2 is not a child of this server's history";
    assert!(c.log().contains(words), "{}", c.log());
}

/// Both logs have their last record at the same place, with different rows. Nothing if a record of
/// the server's own came between.
async fn lined_up() -> Option<[PgServer; 2]> {
    let [a, b, c] = three().await;
    b.follow(None).await;
    insert(&a, 2).await;
    a.run("SELECT pg_switch_wal()").await;
    insert(&a, 5).await;
    let end = a.written().await;
    c.wait_until_replayed(end).await;
    let _ = a.kill().await;
    b.promote().await;
    b.run("CHECKPOINT").await;
    // The first change of a page after a checkpoint is longer.
    insert(&b, 3).await;
    b.run("SELECT pg_switch_wal()").await;
    insert(&b, 6).await;
    (b.written().await == end).then_some([b, c])
}

#[tokio::test]
async fn diverged_standby_streams_into_corruption_after_a_restart_where_records_line_up() {
    let mut found = None;
    for _ in 0..ATTEMPTS {
        found = lined_up().await;
        if found.is_some() {
            break;
        }
    }
    let [b, c] = found.expect("the two logs come to the same length");
    c.follow(Some(&b)).await;
    c.wait_for_log(FORKED).await;
    let _ = c.kill().await;

    assert!(c.start_by_itself().await);
    insert(&b, 7).await;

    c.wait_until_replayed(b.written().await).await;
    c.wait_until_streaming().await;
    assert_eq!(b.rows().await, "1,3,6,7");
    assert_eq!(c.rows().await, "1,2,5,7");
}
