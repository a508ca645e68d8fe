//! The promotion that comes within milliseconds of the primary's death.

use std::process::Command;
use std::time::{Duration, Instant};

use herdsman_pgctl::{Error, ServerRole, StartAs, StopMode, Timeline};

use crate::support::{LONG, TestServer, signal, wait_for};

/// PostgreSQL's default `wal_retrieve_retry_interval` is 5 seconds: a promotion
/// that slept it out cannot be below this.
const SLEPT: Duration = Duration::from_secs(4);
const TRIALS: u64 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn no_promotion_sleeps_out_the_retry_interval() {
    let one = TestServer::primary("one").await;
    let two = TestServer::standby("two", &one.upstream()).await;
    two.instance.stop(StopMode::Fast, LONG).await.unwrap();
    let copy = two.folder().join("copy");
    copy_folder(two.instance.data_dir(), &copy);
    for trial in 0..TRIALS {
        let upstream = Some(one.upstream());
        let _ = two
            .instance
            .start(StartAs::Standby { upstream }, LONG)
            .await
            .unwrap();
        two.wait_for_streaming(one.port).await;
        // The order must come while the standby is noticing that its primary
        // is gone; when that is depends on the machine, so the offset is swept.
        let death = async {
            tokio::time::sleep(Duration::from_millis(2 * trial)).await;
            one.instance.stop(StopMode::Immediate, LONG).await.unwrap();
        };
        let promotion = async {
            let begun = Instant::now();
            two.instance.promote(None, LONG).await.unwrap();
            begun.elapsed()
        };
        let ((), took) = tokio::join!(death, promotion);
        assert!(took < SLEPT, "promotion {trial} took {took:?}");
        assert_eq!(two.server().await.timeline, Timeline(2));

        let _ = two.instance.kill_all(LONG).await.unwrap();
        two.instance.wipe().await.unwrap();
        copy_folder(&copy, two.instance.data_dir());
        one.start_primary().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_free_session_is_promoted_all_the_same() {
    let one = TestServer::primary("one").await;
    let two = TestServer::standby("two", &one.upstream()).await;
    // A password that the server does not accept stands for any refusal.
    let mut config = (*two.instance.config()).clone();
    config.superuser.password = Some(herdsman_pgctl::Secret::new("wrong"));
    two.instance.set_config(config);
    let wanted = Timeline(3);
    two.instance.promote(Some(wanted), LONG).await.unwrap();
    let again = two.reopened("two");
    wait_for("a primary", async || {
        let server = again.facts().await.server;
        server.is_some_and(|server| {
            matches!(server.role, ServerRole::Primary { .. }) && server.timeline == wanted
        })
    })
    .await;
}

/// A standby answers like any other while it replays what it has, however it was told.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_not_carried_out_yet_shows_to_whoever_comes_after() {
    let one = TestServer::primary("one").await;
    let two = TestServer::standby("two", &one.upstream()).await;
    assert!(!two.server().await.is_being_promoted);
    let recovery = startup_process(&two).await;
    assert!(signal(recovery, "STOP"));
    let late = two.instance.promote(None, Duration::from_secs(1)).await;
    assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");

    let again = two.reopened("two");
    let shown = again.facts().await.server.expect("it answers");
    assert!(shown.is_in_recovery() && shown.is_being_promoted);

    // The end of the server is the end of the order.
    let _ = again.kill_all(LONG).await.unwrap();
    let upstream = Some(one.upstream());
    let standby = StartAs::Standby { upstream };
    let _ = again.start(standby, LONG).await.unwrap();
    assert!(!two.server().await.is_being_promoted);

    two.instance.promote(None, LONG).await.unwrap();
    assert!(!two.server().await.is_in_recovery());
    assert!(!two.instance.data_dir().join("herdsman.promotion").exists());
}

async fn startup_process(server: &TestServer) -> u32 {
    let client = server.client().await;
    let ask = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'";
    let pid: i32 = client.query_one(ask, &[]).await.unwrap().get(0);
    pid.try_into().unwrap()
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    let copied = Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(copied.success());
}
