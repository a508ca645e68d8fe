//! Base backups.

use std::time::Duration;

use herdsman_pgctl::{DataDirectory, Error, Leftover, ServerRole, SlotPlan, StartAs, ToolOption};

use crate::support::{LONG, TestServer, control_of, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_reports_progress_and_becomes_a_standby() {
    let primary = TestServer::primary("one").await;
    let slots = ["two".to_owned(), "gone".to_owned()];
    let wanted = SlotPlan {
        physical: slots.to_vec(),
        ..SlotPlan::default()
    };
    let changes = primary.instance.sync_slots(&wanted).await.unwrap();
    assert_eq!(changes.created, slots);
    let without = SlotPlan {
        physical: slots[..1].to_vec(),
        dropped: slots[1..].to_vec(),
        ..SlotPlan::default()
    };
    let changes = primary.instance.sync_slots(&without).await.unwrap();
    assert_eq!(
        (changes.dropped, changes.created),
        (vec!["gone".to_owned()], Vec::new())
    );

    let standby = TestServer::new("two");
    let mut last = None;
    let upstream = primary.upstream().with_slot("two");
    let cloned = standby
        .instance
        .basebackup(&upstream, LONG, |progress| last = Some(progress));
    cloned.await.unwrap();
    let last = last.unwrap();
    assert!(
        last.done_bytes > 1 << 20 && last.total_bytes > 1 << 20,
        "{last:?}"
    );
    let facts = standby.instance.facts().await;
    let of_primary = primary.server().await.system_id;
    assert_eq!(control_of(&facts.data).system_id, of_primary);

    let as_standby = StartAs::Standby {
        upstream: Some(upstream),
    };
    let _ = standby.instance.start(as_standby, LONG).await.unwrap();
    standby.wait_for_streaming(primary.port).await;
    let receiver = standby.standby_facts().await.receiver.unwrap();
    assert_eq!(receiver.slot.as_deref(), Some("two"));
    assert_eq!(receiver.host.as_deref(), Some("127.0.0.1"));
    wait_for("the sender", async || {
        let senders = primary.server().await.senders;
        senders
            .iter()
            .any(|s| s.application_name == "two" && s.state == "streaming")
    })
    .await;
    let slots = primary.server().await.slots;
    assert!(
        slots
            .iter()
            .any(|slot| slot.name == "two" && slot.is_active),
        "{slots:?}"
    );
    let used = SlotPlan {
        dropped: vec!["two".to_owned()],
        ..SlotPlan::default()
    };
    let changes = primary.instance.sync_slots(&used).await.unwrap();
    assert_eq!(changes.dropped, [""; 0], "a slot in use stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_clone_leaves_a_fact_and_no_process() {
    let primary = TestServer::primary("one").await;
    let standby = TestServer::new("two");
    let mut config = (*standby.instance.config()).clone();
    config.basebackup = vec![ToolOption::with_value("max-rate", "1M")];
    standby.instance.set_config(config);
    let upstream = primary.upstream();
    {
        let clone = standby.instance.basebackup(&upstream, LONG, |_| {});
        let begun = wait_for("the first files", async || {
            standby.instance.data_dir().join("PG_VERSION").exists()
                || standby.instance.data_dir().join("base").exists()
        });
        tokio::select! {
            ended = clone => panic!("it was to be slow: {ended:?}"),
            () = begun => {}
        }
    }
    let leftover = DataDirectory::Leftover(Leftover::Clone);
    assert_eq!(standby.instance.facts().await.data, leftover);
    wait_for("the end of the backup", async || {
        primary.server().await.senders.is_empty()
    })
    .await;
    let error = standby
        .instance
        .start(StartAs::Primary, LONG)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoCluster { .. }), "{error:?}");
    let error = standby
        .instance
        .basebackup(&upstream, LONG, |_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotEmpty { .. }), "{error:?}");
    standby.instance.wipe().await.unwrap();
    assert_eq!(standby.instance.facts().await.data, DataDirectory::Empty);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_falls_silent_or_is_refused_fails_with_the_reason() {
    let primary = TestServer::primary("one").await;
    let standby = TestServer::new("two");
    let mut config = (*standby.instance.config()).clone();
    config.replication.password = Some(herdsman_pgctl::Secret::new("wrong"));
    standby.instance.set_config(config);
    let refused = standby
        .instance
        .basebackup(&primary.upstream(), LONG, |_| {})
        .await
        .unwrap_err();
    let Error::Command { program, lines, .. } = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(program, "pg_basebackup");
    assert!(
        lines.iter().any(|line| line.contains("password")),
        "{lines:?}"
    );

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let other = TestServer::new("three");
    let upstream = herdsman_pgctl::Upstream::new("127.0.0.1", port);
    let limit = Duration::from_millis(300);
    let late = other
        .instance
        .basebackup(&upstream, limit, |_| {})
        .await
        .unwrap_err();
    assert!(matches!(late, Error::TimedOut { .. }), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_started_with_no_less_than_its_primary_had() {
    let primary = TestServer::primary("one").await;
    let standby = TestServer::new("two");
    standby
        .instance
        .basebackup(&primary.upstream(), LONG, |_| {})
        .await
        .unwrap();
    let mut config = (*standby.instance.config()).clone();
    config
        .parameters
        .insert("max_connections".to_owned(), "26".to_owned());
    standby.instance.set_config(config);
    let upstream = Some(primary.upstream());
    let started = standby
        .instance
        .start(StartAs::Standby { upstream }, LONG)
        .await
        .unwrap();
    let raised = &started.raised[0];
    assert_eq!(
        (raised.name.as_str(), raised.configured, raised.in_force),
        ("max_connections", 26, 30)
    );
    let server = standby.server().await;
    assert!(matches!(server.role, ServerRole::Standby(_)));
    assert_eq!(server.pending_restart[0].name, "max_connections");
}
