//! Following: at the start, anew after a promotion, and after an agent's restart.

use herdsman_pgctl::{ClusterState, Followed, ServerRole, Timeline};

use crate::support::{LONG, TestServer, control_of, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn standbys_go_over_to_a_promoted_server_by_a_reload() {
    let one = TestServer::primary("one").await;
    let two = TestServer::standby("two", &one.upstream()).await;
    let three = TestServer::standby("three", &one.upstream()).await;
    let pid = three.instance.adopt().await;
    wait_for("the end of the log", async || {
        three.standby_facts().await.wal_end_reached
    })
    .await;

    let _ = one.instance.kill_all(LONG).await.unwrap();
    two.instance.promote(None, LONG).await.unwrap();
    two.instance.promote(None, LONG).await.unwrap();
    let promoted = two.server().await;
    assert_eq!(promoted.timeline, Timeline(2));
    let ServerRole::Primary { flushed } = promoted.role else {
        panic!("{promoted:?}");
    };

    assert_eq!(
        three.instance.follow(Some(two.upstream())).await.unwrap(),
        Followed::Reloaded
    );
    let told = three.standby_facts().await.upstream;
    assert_eq!(told, Some(("127.0.0.1".to_owned(), two.port)));
    assert_eq!(
        three.instance.follow(Some(two.upstream())).await.unwrap(),
        Followed::Unchanged
    );
    three.wait_for_streaming(two.port).await;
    assert_eq!(three.instance.adopt().await, pid, "no restart");
    wait_for("the new timeline", async || {
        three.server().await.timeline == Timeline(2)
    })
    .await;
    two.client()
        .await
        .batch_execute("CREATE TABLE t AS SELECT 1")
        .await
        .unwrap();
    wait_for("replay", async || {
        three.standby_facts().await.replayed > Some(flushed)
    })
    .await;
    let standby = three.standby_facts().await;
    assert!(
        standby.received >= standby.replayed && standby.wal_end_reached,
        "{standby:?}"
    );

    let ask = &one.instance;
    assert!(ask.is_primary(&two.upstream(), LONG).await.unwrap());
    assert!(!ask.is_primary(&three.upstream(), LONG).await.unwrap());
    let history = ask
        .timeline_history(&two.upstream(), Timeline(2), LONG)
        .await
        .unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].timeline, Timeline(1));
    assert!(history[0].switch_lsn <= flushed, "{history:?}");
    assert!(
        ask.timeline_history(&two.upstream(), Timeline(1), LONG)
            .await
            .unwrap()
            .is_empty()
    );
    let missing = ask
        .timeline_history(&two.upstream(), Timeline(9), LONG)
        .await
        .unwrap_err();
    assert!(
        matches!(missing, herdsman_pgctl::Error::Sql { .. }),
        "{missing:?}"
    );
    let identity = ask.identify(&two.upstream(), LONG).await.unwrap();
    assert_eq!(
        (identity.timeline, identity.system_id),
        (Timeline(2), promoted.system_id)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_handle_keeps_the_upstream_it_finds() {
    let one = TestServer::primary("one").await;
    let two = TestServer::standby("two", &one.upstream()).await;
    let reopened = two.reopened("two");
    assert!(!reopened.write_config().await.unwrap().any());
    let mut config = (*reopened.config()).clone();
    config
        .parameters
        .insert("work_mem".to_owned(), "9MB".to_owned());
    reopened.set_config(config);
    assert!(reopened.write_config().await.unwrap().settings);
    let conf = std::fs::read_to_string(two.instance.data_dir().join("postgresql.conf")).unwrap();
    assert!(
        conf.contains("primary_conninfo") && conf.contains("9MB"),
        "{conf}"
    );
    assert!(conf.contains("application_name=two"), "{conf}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_without_upstream_shows_that_it_has_come_to_the_end_of_its_log() {
    let one = TestServer::primary("one").await;
    let two = TestServer::standby("two", &one.upstream()).await;
    assert_eq!(two.instance.follow(None).await.unwrap(), Followed::Reloaded);
    wait_for("the end of streaming", async || {
        two.standby_facts().await.receiver.is_none()
    })
    .await;
    let nobody = herdsman_pgctl::StartAs::Standby { upstream: None };
    let fast = herdsman_pgctl::StopMode::Fast;
    let _ = two.instance.restart(nobody, fast, LONG).await.unwrap();
    wait_for("the end of the log", async || {
        two.standby_facts().await.wal_end_reached
    })
    .await;
    let standby = two.standby_facts().await;
    assert_eq!((standby.received, standby.receiver), (None, None));
    assert!(standby.replayed.is_some());
    two.instance.stop(fast, LONG).await.unwrap();
    let facts = two.instance.facts().await;
    let control = control_of(&facts.data);
    assert_eq!(control.state, ClusterState::ShutDownInRecovery);
    assert!(control.min_recovery.is_some());
}
