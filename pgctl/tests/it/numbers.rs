//! Promotions to a given number of a timeline.

use std::fs;
use std::path::PathBuf;

use herdsman_pgctl::{Error, HistoryLine, Lsn, ServerRole, StartAs, StopMode, Timeline};

use crate::support::{LONG, TestServer, wait_for};

/// A file of a timeline's number on a server.
fn history(server: &TestServer, number: u32) -> PathBuf {
    let name = format!("pg_wal/{number:08X}.history");
    server.instance.data_dir().join(name)
}

fn log(server: &TestServer) -> String {
    fs::read_to_string(server.folder().join("log")).unwrap()
}

async fn promote(server: &TestServer, number: u32) {
    let wanted = Timeline(number);
    server.instance.promote(Some(wanted), LONG).await.unwrap();
    assert_eq!(server.server().await.timeline, wanted);
}

async fn end(server: &TestServer) {
    let _ = server.instance.kill_all(LONG).await.unwrap();
}

async fn follow(server: &TestServer, upstream: &TestServer) {
    let upstream = Some(upstream.upstream());
    server.instance.follow(upstream).await.unwrap();
}

async fn start_as_standby(server: &TestServer, upstream: &TestServer) {
    let upstream = Some(upstream.upstream());
    let standby = StartAs::Standby { upstream };
    let _ = server.instance.start(standby, LONG).await.unwrap();
}

async fn own_history(server: &TestServer, number: u32) -> Vec<HistoryLine> {
    let (from, number) = (server.upstream(), Timeline(number));
    let asked = server.instance.timeline_history(&from, number, LONG).await;
    asked.unwrap()
}

async fn write(server: &TestServer, sql: &str) {
    server.client().await.batch_execute(sql).await.unwrap();
}

/// Waits until the standby has this many rows in `t`.
async fn wait_for_rows(standby: &TestServer, count: i64) {
    wait_for("rows", async || {
        let client = standby.client().await;
        let rows = client.query_one("SELECT count(*) FROM t", &[]).await;
        rows.is_ok_and(|row| row.get::<_, i64>(0) == count)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_takes_the_given_number_and_others_follow_through_it() {
    let one = TestServer::primary("one").await;
    let two = TestServer::standby("two", &one.upstream()).await;
    let three = TestServer::standby("three", &one.upstream()).await;
    write(&one, "CREATE TABLE t AS SELECT 1").await;
    wait_for_rows(&three, 1).await;
    wait_for_rows(&two, 1).await;
    end(&one).await;
    promote(&two, 4).await;
    let lines = own_history(&two, 4).await;
    assert_eq!(lines.len(), 1, "the passed numbers are no ancestors");
    assert_eq!(lines[0].timeline, Timeline(1));

    follow(&three, &two).await;
    three.wait_for_streaming(two.port).await;
    write(&two, "INSERT INTO t VALUES (2)").await;
    wait_for_rows(&three, 2).await;
    assert_eq!(three.server().await.timeline, Timeline(4));

    // A copy has no files of the passed numbers, and needs none.
    let four = TestServer::standby("four", &two.upstream()).await;
    assert!(!history(&four, 3).exists() && history(&four, 4).exists());
    wait_for_rows(&four, 2).await;

    // Again, with a standby that was restarted on the way.
    three.instance.stop(StopMode::Fast, LONG).await.unwrap();
    start_as_standby(&three, &two).await;
    three.wait_for_streaming(two.port).await;
    end(&two).await;
    promote(&three, 7).await;
    let lines = own_history(&three, 7).await;
    let numbers: Vec<u32> = lines.iter().map(|line| line.timeline.0).collect();
    assert_eq!(numbers, [1, 4]);
    follow(&four, &three).await;
    four.wait_for_streaming(three.port).await;
    write(&three, "INSERT INTO t VALUES (3)").await;
    wait_for_rows(&four, 3).await;
    assert_eq!(four.server().await.timeline, Timeline(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_asks_for_every_passed_number() {
    let one = TestServer::primary("one").await;
    let two = TestServer::standby("two", &one.upstream()).await;
    let three = TestServer::standby("three", &one.upstream()).await;
    end(&one).await;
    promote(&two, 3).await;
    let away = two.folder().join("away");
    fs::rename(history(&two, 2), &away).unwrap();
    follow(&three, &two).await;
    wait_for("the refusal", async || {
        log(&three).contains("could not open file \"pg_wal/00000002.history\"")
    })
    .await;
    assert_eq!(three.standby_facts().await.receiver, None);
    fs::rename(&away, history(&two, 2)).unwrap();
    three.wait_for_streaming(two.port).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_that_nobody_heard_of_is_recognised_by_its_number() {
    let one = TestServer::primary("one").await;
    let two = TestServer::standby("two", &one.upstream()).await;
    let three = TestServer::standby("three", &one.upstream()).await;
    end(&one).await;
    promote(&two, 2).await;
    write(&two, "CREATE TABLE t AS SELECT 1").await;
    end(&two).await;
    promote(&three, 3).await;
    write(&three, "CREATE TABLE u AS SELECT 1").await;

    let lines = own_history(&three, 3).await;
    assert!(
        lines.iter().all(|line| line.timeline != Timeline(2)),
        "{lines:?}"
    );
    assert_eq!(
        own_history(&three, 2).await,
        [],
        "a placeholder tells nothing"
    );
    start_as_standby(&two, &three).await;
    assert_eq!(two.server().await.timeline, Timeline(2));
    // PostgreSQL sees it as well, because the numbers differ.
    wait_for("the refusal", async || {
        log(&two).contains("is not in this server's history")
            || log(&two).contains("is not a child of")
    })
    .await;
    assert_eq!(two.server().await.timeline, Timeline(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_does_not_hide_the_timeline_of_its_number() {
    let one = TestServer::primary("one").await;
    let two = TestServer::standby("two", &one.upstream()).await;
    let three = TestServer::standby("three", &one.upstream()).await;
    // As after a promotion that was given up.
    for number in [2, 3] {
        fs::write(history(&three, number), "# herdsman: of another\n").unwrap();
    }
    three.instance.stop(StopMode::Fast, LONG).await.unwrap();
    start_as_standby(&three, &one).await;
    three.wait_for_streaming(one.port).await;
    assert!(!history(&three, 2).exists() && !history(&three, 3).exists());

    fs::write(history(&three, 2), "# herdsman: of another\n").unwrap();
    assert_eq!(three.server().await.timeline, Timeline(1));
    end(&one).await;
    promote(&two, 2).await;
    follow(&three, &two).await;
    three.wait_for_streaming(two.port).await;
    write(&two, "CREATE TABLE t AS SELECT 1").await;
    wait_for_rows(&three, 1).await;
    let both = [&two, &three].map(|server| fs::read(history(server, 2)).unwrap());
    assert_eq!(both[0], both[1]);
}

/// What a promotion to timeline 2 leaves that dies before it writes anything there.
fn leave_unfinished(standby: &TestServer, end: Lsn) {
    const SIZE: u64 = 16 << 20;
    let wal_dir = standby.instance.data_dir().join("pg_wal");
    let place = format!("{:08X}{:08X}", end.0 >> 32, (end.0 & 0xFFFF_FFFF) / SIZE);
    let mut bytes = fs::read(wal_dir.join(format!("00000001{place}"))).unwrap();
    bytes[usize::try_from(end.0 % SIZE).unwrap()..].fill(0);
    fs::write(wal_dir.join(format!("00000002{place}")), bytes).unwrap();
    let line = format!("1\t{end}\tno recovery target specified\n");
    fs::write(history(standby, 2), line).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_unfinished_promotion_left_does_not_cost_the_number() {
    for is_down in [true, false] {
        let one = TestServer::primary("one").await;
        let two = TestServer::standby("two", &one.upstream()).await;
        write(&one, "CREATE TABLE t AS SELECT 1").await;
        wait_for_rows(&two, 1).await;
        one.instance.stop(StopMode::Fast, LONG).await.unwrap();
        let ServerRole::Standby(standby) = two.server().await.role else {
            panic!("a standby");
        };
        let (replayed, received) = (standby.replayed.unwrap(), standby.received.unwrap());
        wait_for("replay", async || {
            two.standby_facts().await.replayed >= Some(received)
        })
        .await;
        if is_down {
            two.instance.stop(StopMode::Fast, LONG).await.unwrap();
            leave_unfinished(&two, received);
            start_as_standby(&two, &one).await;
            assert!(!history(&two, 2).exists());
        } else {
            leave_unfinished(&two, received);
            wait_for("another target", async || {
                log(&two).contains("new target timeline is 2")
            })
            .await;
        }
        promote(&two, 2).await;
        assert_eq!(two.count("t").await, 1);
        let lines = own_history(&two, 2).await;
        assert!(
            lines.len() == 1 && lines[0].switch_lsn >= replayed,
            "{lines:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_cannot_be_had_is_refused_and_changes_nothing() {
    let one = TestServer::primary("one").await;
    let two = TestServer::standby("two", &one.upstream()).await;
    let pid = two.instance.adopt().await;
    let refused = two.instance.promote(Some(Timeline(1)), LONG).await;
    let expected = (Timeline(1), Timeline(1));
    assert!(
        matches!(refused, Err(Error::TimelinePassed { wanted, own }) if (wanted, own) == expected),
        "{refused:?}"
    );
    fs::write(history(&two, 5), "1\t0/3000000\tof another\n").unwrap();
    fs::write(
        two.instance
            .data_dir()
            .join("pg_wal/000000050000000000000003.partial"),
        "",
    )
    .unwrap();
    for number in [3, 5] {
        let refused = two.instance.promote(Some(Timeline(number)), LONG).await;
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("00000005.history"), "{message}");
    }
    assert!(!history(&two, 2).exists());
    assert_eq!(two.instance.adopt().await, pid, "no restart");
    two.wait_for_streaming(one.port).await;

    fs::remove_file(history(&two, 5)).unwrap();
    promote(&two, 3).await;
    promote(&two, 3).await;
    let other = two.instance.promote(Some(Timeline(4)), LONG).await;
    let expected = (Timeline(4), Timeline(3));
    assert!(
        matches!(other, Err(Error::OtherTimeline { wanted, found }) if (wanted, found) == expected),
        "{other:?}"
    );
}
