//! A standby that has replayed more than the server that was promoted.
//!
//! While it runs PostgreSQL keeps it apart. Once it has heard of the new timeline a restart makes
//! it forget that: then it tells of log that it cannot replay, or replays it onto other data.
//!
//! The models keep such a standby apart for ever; `docs/model-facts.md` lists what they leave out.

use herdsman_pgctl::Timeline;
use herdsman_sim::pg::NoStream;
use herdsman_tests::reality::{PgServer, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

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

async fn wait_for_the_end_of_its_log(server: &PgServer) {
    wait_until("the end of its log", async || {
        server.standby_facts().await.wal_end_reached
    })
    .await;
}

/// The start of this project takes away what it has only heard of.
#[tokio::test]
async fn diverged_standby_that_pgctl_starts_stays_on_its_own_timeline() {
    let [_b, c] = heard_of_the_fork().await;
    let _ = c.kill().await;

    c.start_as_standby_of(None).await;

    wait_for_the_end_of_its_log(&c).await;
    assert_eq!(c.timeline().await, Timeline(1));
    assert_eq!(c.rows().await, "1,2");
    assert_eq!(model::beyond_the_fork_started_by_pgctl(), (1, false));
}

/// Kills one of its clients' backends, as the kernel does when memory runs out.
async fn crash_a_backend(server: &PgServer) {
    let session = server.sql().await;
    let pid = session.value("SELECT pg_backend_pid()").await;
    let pid = pid.expect("a backend").parse().expect("a number");
    kill_process(Pid::from_raw(pid).expect("a process"), Signal::KILL).expect("it runs");
}

#[tokio::test]
async fn diverged_standby_that_recovers_by_itself_takes_the_timeline_that_it_has_heard_of() {
    let [b, c] = heard_of_the_fork().await;
    c.run("ALTER SYSTEM SET restart_after_crash = on").await;
    c.run("SELECT pg_reload_conf()").await;
    let wants = "current_setting('restart_after_crash')::bool";
    wait_until("the setting", async || c.ask_whether(wants).await).await;
    let end = b.written().await;

    crash_a_backend(&c).await;

    c.wait_for_log("all server processes terminated; reinitializing")
        .await;
    wait_until("the other timeline", async || {
        let server = c.facts().await.server;
        server.is_some_and(|server| server.timeline == Timeline(2))
    })
    .await;
    c.wait_until_received(end).await;
}

/// The settings of this project let it end instead, and its start takes away what it has heard of.
#[tokio::test]
async fn standby_of_pgctl_ends_when_a_backend_crashes_and_stays_on_its_own_timeline() {
    let [_b, c] = heard_of_the_fork().await;

    crash_a_backend(&c).await;

    wait_until("its end", async || c.instance().adopt().await.is_none()).await;
    c.wait_for_log("restart_after_crash is off").await;
    c.start_as_standby_of(None).await;
    wait_for_the_end_of_its_log(&c).await;
    assert_eq!(c.timeline().await, Timeline(1));
    assert_eq!(c.rows().await, "1,2");
}

/// Also one that was a standby before: it serves nobody for a moment, and is the primary again.
#[tokio::test]
async fn promoted_server_recovers_by_itself_when_a_backend_crashes() {
    let [b, _c] = beyond_the_fork().await;

    crash_a_backend(&b).await;

    b.wait_for_log("all server processes terminated; reinitializing")
        .await;
    wait_until("rows", async || b.facts().await.server.is_some()).await;
    insert(&b, 8).await;
    assert_eq!(b.timeline().await, Timeline(2));
    assert_eq!(b.rows().await, "1,3,8");
}

/// A primary that died with a row that nobody has, and the promoted server, whose first log is in
/// the archive that both have.
async fn archive_knows_the_next_timeline() -> ([PgServer; 2], TempDir) {
    let archive = tempfile::tempdir().unwrap();
    let place = archive.path().display();
    let store = format!("cp %p {place}/%f");
    let fetch = format!("cp {place}/%f %p");
    let settings = [
        ("archive_mode", "on"),
        ("archive_command", store.as_str()),
        ("restore_command", fetch.as_str()),
    ];
    let a = PgServer::primary_with("a", &settings).await;
    a.run("CREATE TABLE t (id int)").await;
    let b = PgServer::standby_with("b", &a, &settings).await;
    insert(&a, 1).await;
    b.wait_until_replayed(a.written().await).await;
    b.follow(None).await;
    insert(&a, 2).await;
    let _ = a.kill().await;
    b.promote().await;
    insert(&b, 3).await;
    b.run("SELECT pg_switch_wal()").await;
    wait_until("log of the next timeline in the archive", async || {
        let files = std::fs::read_dir(archive.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("00000002")).count() >= 2
    })
    .await;
    ([a, b], archive)
}

#[tokio::test]
async fn archive_leads_a_dead_primary_onto_the_next_timeline() {
    let ([a, _b], _archive) = archive_knows_the_next_timeline().await;
    // As pgctl did once: everything configured is written, before a start by somebody else.
    let _ = a.instance().follow(None).await.unwrap();

    assert!(a.start_by_itself().await);

    // It goes on in the other's log behind the end of its own, as far as the records line up.
    let taken = a
        .instance()
        .data_dir()
        .join("pg_wal/000000020000000000000003");
    wait_until("log of the other timeline", async || taken.exists()).await;
    assert!(a.log().contains("has target timeline 2"), "{}", a.log());
    assert_eq!(a.rows().await, "1,2");
    // Whoever asks takes it for a standby of the new primary that is only behind.
    assert_eq!(a.timeline().await, Timeline(2));
}

#[tokio::test]
async fn dead_primary_that_pgctl_starts_is_not_led_astray_by_its_archive() {
    let ([a, _b], _archive) = archive_knows_the_next_timeline().await;

    a.start_as_standby_of(None).await;

    wait_for_the_end_of_its_log(&a).await;
    assert_eq!(a.timeline().await, Timeline(1));
    assert_eq!(a.rows().await, "1,2");
    assert!(!a.log().contains("timeline 2"), "{}", a.log());
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
