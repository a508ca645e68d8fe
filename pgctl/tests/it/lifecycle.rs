//! From nothing to a running server and back.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use herdsman_pgctl::{
    ClusterState, DataDirectory, Error, Leftover, Process, ServerRole, StartAs, StopMode, Timeline,
    ToolOption, Upstream,
};

use crate::support::{
    LONG, REPLICATION_PASSWORD, SUPERUSER_PASSWORD, TestServer, control_of, free_port, is_down,
    wait_for,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_cluster_is_made_started_looked_at_and_stopped() {
    let server = TestServer::new("one");
    let instance = &server.instance;
    let facts = instance.facts().await;
    assert_eq!(
        (facts.data, facts.process),
        (DataDirectory::Missing, Process::Down)
    );
    let problems = instance.preflight().await;
    assert!(problems.is_empty(), "{problems:?}");

    let mut config = (*instance.config()).clone();
    config.initdb = vec![
        ToolOption::flag("data-checksums"),
        ToolOption::with_value("encoding", "UTF8"),
        ToolOption::with_value("auth", "scram-sha-256"),
        ToolOption::with_value("pwfile", "/dev/null"),
    ];
    instance.set_config(config);
    let mut lines = Vec::new();
    instance
        .initdb(LONG, |line| lines.push(line.to_owned()))
        .await
        .unwrap();
    assert!(
        lines.iter().any(|line| line.contains("Success")),
        "{lines:?}"
    );

    let facts = instance.facts().await;
    let control = control_of(&facts.data).clone();
    assert_eq!(
        (control.state, control.timeline),
        (ClusterState::ShutDown, Timeline(1))
    );
    assert!(control.checksums);

    let pid = server.start_primary().await;
    instance.bootstrap_users(LONG).await.unwrap();
    instance.bootstrap_users(LONG).await.unwrap();
    let facts = instance.facts().await;
    assert!(
        matches!(facts.process, Process::Running { pid: p, start_time } if p == pid && start_time > 0)
    );
    assert!(!facts.orphans);
    assert_eq!(control_of(&facts.data).state, ClusterState::InProduction);
    assert!(control_of(&facts.data).wal_log_hints);
    let seen = facts.server.unwrap();
    assert_eq!(
        (seen.system_id, seen.timeline),
        (control.system_id, Timeline(1))
    );
    assert!(matches!(seen.role, ServerRole::Primary { flushed } if flushed > control.checkpoint));
    assert!(
        seen.pending_restart.is_empty(),
        "{:?}",
        seen.pending_restart
    );
    assert_eq!(seen.version.major(), control.major_version);

    instance.checkpoint(LONG).await.unwrap();
    let exit = instance.stop(StopMode::Fast, LONG).await.unwrap().unwrap();
    assert_eq!((exit.pid, exit.code), (pid, Some(0)));
    let facts = instance.facts().await;
    assert_eq!((&facts.process, facts.orphans), (&Process::Down, false));
    assert_eq!(control_of(&facts.data).state, ClusterState::ShutDown);
    assert_eq!(instance.stop(StopMode::Fast, LONG).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_stay_out_of_log_arguments_and_readable_files() {
    let server = TestServer::primary("one").await;
    let instance = &server.instance;
    // The roles have these passwords: a wrong one would not get in.
    let identity = instance.identify(&server.upstream(), LONG).await.unwrap();
    assert_eq!(identity.system_id, server.server().await.system_id);
    instance.follow(Some(server.upstream())).await.unwrap();

    let log = std::fs::read_to_string(server.folder().join("log")).unwrap();
    assert!(
        log.contains("statement:"),
        "statements are logged in this test"
    );
    assert!(!log.contains("SCRAM-SHA-256$"), "{log}");
    let pid = instance.adopt().await.unwrap();
    let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let settings = std::fs::read_to_string(instance.data_dir().join("postgresql.conf")).unwrap();
    for text in [&log, &arguments, &settings] {
        assert!(!text.contains("ecret"), "{text}");
    }
    let pgpass = server.folder().join("data.pgpass");
    let mode = std::fs::metadata(&pgpass).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let escaped = REPLICATION_PASSWORD
        .replace('\\', "\\\\")
        .replace(':', "\\:");
    let line = format!("127.0.0.1:{}:*:repl:{escaped}\n", server.port);
    assert_eq!(std::fs::read_to_string(&pgpass).unwrap(), line);
    let conf = std::fs::metadata(instance.data_dir().join("postgresql.conf")).unwrap();
    assert_eq!(conf.permissions().mode() & 0o777, 0o600);
    assert!(!format!("{:?}", instance.config()).contains(SUPERUSER_PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_setting_is_reloaded_or_waits_for_a_restart() {
    let server = TestServer::primary("one").await;
    let instance = &server.instance;
    assert!(
        !instance.write_config().await.unwrap().any(),
        "nothing has changed"
    );
    let mut config = (*instance.config()).clone();
    for (name, value) in [
        ("work_mem", "5MB"),
        ("max_connections", "31"),
        ("shared_buffers", "17MB"),
    ] {
        config.parameters.insert(name.to_owned(), value.to_owned());
    }
    instance.set_config(config);
    let change = instance.write_config().await.unwrap();
    assert!(
        change.settings && !change.hba && !change.ident,
        "{change:?}"
    );
    instance.reload().await.unwrap();
    wait_for("the reload", async || {
        let row = server
            .client()
            .await
            .query_one("SHOW work_mem", &[])
            .await
            .unwrap();
        row.get::<_, String>(0) == "5MB"
    })
    .await;
    let pending = server.server().await.pending_restart;
    let names: Vec<_> = pending
        .iter()
        .map(|p| (p.name.as_str(), p.old_value.as_str(), p.new_value.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("max_connections", "30", "31"),
            ("shared_buffers", "16MB", "17MB")
        ]
    );
    let _ = instance
        .restart(StartAs::Primary, StopMode::Fast, LONG)
        .await
        .unwrap();
    assert!(server.server().await.pending_restart.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_original_configuration_is_kept_and_included() {
    let server = TestServer::new("one");
    server.make_cluster();
    let path = |name: &str| server.instance.data_dir().join(name);
    let original = std::fs::read_to_string(path("postgresql.conf")).unwrap();
    std::fs::write(
        path("postgresql.conf"),
        format!("{original}\nwork_mem = '6MB'\n"),
    )
    .unwrap();
    std::fs::write(
        path("postgresql.auto.conf"),
        "primary_slot_name = 'old'\nmaintenance_work_mem = '7MB'\n",
    )
    .unwrap();
    server.start_primary().await;
    let client = server.client().await;
    for (name, value) in [
        ("work_mem", "6MB"),
        ("maintenance_work_mem", "7MB"),
        ("primary_slot_name", ""),
    ] {
        let row = client
            .query_one(&format!("SHOW {name}"), &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, String>(0), value, "{name}");
    }
    assert!(path("postgresql.base.conf").exists());
    // A handle that knows nothing finds the same files as they should be.
    assert!(!server.reopened("one").write_config().await.unwrap().any());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_start_says_why() {
    let server = TestServer::new("one");
    server.make_cluster();
    // PostgreSQL looks for libraries only when it starts, so no check before can keep this out.
    let mut config = (*server.instance.config()).clone();
    config.parameters.insert(
        "shared_preload_libraries".to_owned(),
        "no_such_library".to_owned(),
    );
    server.instance.set_config(config);
    let error = server
        .instance
        .start(StartAs::Primary, LONG)
        .await
        .unwrap_err();
    let Error::StartFailed { exit, log } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(exit.code, Some(1));
    assert!(
        log.iter().any(|line| line.contains("no_such_library")),
        "{log:?}"
    );
    assert!(is_down(&server.instance).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn preflight_names_each_obstacle() {
    let server = TestServer::new("one");
    let listener = std::net::TcpListener::bind(("127.0.0.1", server.port)).unwrap();
    let data_dir = server.instance.data_dir();
    std::fs::create_dir(data_dir).unwrap();
    std::fs::write(data_dir.join("PG_VERSION"), "12\n").unwrap();
    std::fs::set_permissions(data_dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    let problems = server.instance.preflight().await;
    let has = |wanted: &dyn Fn(&Error) -> bool| problems.iter().any(wanted);
    assert!(
        has(&|e| matches!(e, Error::PortTaken { .. })),
        "{problems:?}"
    );
    assert!(
        has(&|e| matches!(e, Error::WrongMode { mode: 0o755, .. })),
        "{problems:?}"
    );
    assert!(
        has(&|e| matches!(e, Error::NotEmpty { .. })),
        "{problems:?}"
    );
    assert!(
        has(&|e| matches!(e, Error::UnsupportedVersion { .. })),
        "{problems:?}"
    );
    assert!(
        problems.iter().all(|e| !e.to_string().contains('\n')),
        "{problems:?}"
    );
    drop(listener);
    let error = server.instance.initdb(LONG, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::NotEmpty { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_programs_are_named_with_the_place() {
    let server = TestServer::new("one");
    let mut options = herdsman_pgctl::InstanceOptions::new(
        "one",
        server.instance.data_dir(),
        (*server.instance.config()).clone(),
    );
    options.bin_dir = Some("/nowhere/bin".into());
    let instance = herdsman_pgctl::Instance::new(options);
    let problems = instance.preflight().await;
    let text = problems[0].to_string();
    assert!(
        text.contains("pg_basebackup") && text.contains("/nowhere/bin"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_initdb_is_a_fact_and_can_be_wiped() {
    let server = TestServer::new("one");
    let instance = &server.instance;
    let error = instance
        .initdb(Duration::from_millis(60), |_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    let leftover = DataDirectory::Leftover(Leftover::Bootstrap);
    assert_eq!(instance.facts().await.data, leftover);
    wait_for("the end of initdb's children", async || {
        !instance.facts().await.orphans
    })
    .await;
    instance.wipe().await.unwrap();
    assert_eq!(instance.facts().await.data, DataDirectory::Empty);
    // A mark that a caller holds stays over initdb.
    instance.mark(Leftover::Bootstrap).await.unwrap();
    instance.initdb(LONG, |_| {}).await.unwrap();
    assert_eq!(instance.facts().await.data, leftover);
    instance.unmark().await.unwrap();
    assert!(matches!(
        instance.facts().await.data,
        DataDirectory::Cluster(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_unreachable_in_time() {
    let server = TestServer::new("one");
    let nobody = Upstream::new("127.0.0.1", free_port());
    let error = server.instance.identify(&nobody, LONG).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    // A listener that never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = Upstream::new("127.0.0.1", silent.local_addr().unwrap().port());
    let limit = Duration::from_millis(200);
    let asked = server.instance.identify(&silent, limit).await;
    assert!(asked.is_err(), "{asked:?}");
}
