//! Commands of the user's that make standbys and clusters, as a file writes them.

use herdsman_agent::settings::{EffectivePostgres, Settings};

const BASE: &str = include_str!("fixtures/base.yml");

fn with(more: &str) -> Settings {
    match Settings::from_text(&format!("{BASE}{more}"), "n1.yml") {
        Ok(settings) => settings,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn commands_that_make_standbys_and_clusters_are_read_with_their_arguments() {
    let settings = with(
        "  create_replica_methods: [pgbackrest, plain, basebackup]
  pgbackrest:
    command: /usr/bin/pgbackrest --stanza=demo --delta restore
    keep_data: true
    no_params: true
  wal_g: {command: /usr/bin/wal-g, threshold: 10, verbose: true, keep_data: on}
bootstrap:
  method: restore
  restore:
    command: /usr/bin/restore
    from: s3
    keep_existing_recovery_conf: false
    recovery_conf: {recovery_target_time: '2026-01-01', restore_command: cp}
  post_bootstrap: /usr/bin/after
",
    );
    let dynamic = serde_json::json!({});
    let effective = EffectivePostgres::new(&settings, &dynamic);
    let [Some(first), Some(second), None] = &effective.replica_methods[..] else {
        panic!("{:?}", effective.replica_methods);
    };
    assert!(first.keep_data && first.no_params && !first.no_leader);
    assert_eq!(
        first.command,
        "/usr/bin/pgbackrest --stanza=demo --delta restore"
    );
    assert_eq!(second.command, "plain");
    // A section that only the cluster's configuration lists.
    let dynamic = serde_json::json!({"postgresql": {"create_replica_methods": ["wal_g"]}});
    let local =
        with("  wal_g: {command: /usr/bin/wal-g, threshold: 10, verbose: true, keep_data: on}\n");
    let effective = EffectivePostgres::new(&local, &dynamic);
    let [Some(method)] = &effective.replica_methods[..] else {
        panic!("{:?}", effective.replica_methods);
    };
    let arguments: Vec<(&str, &str)> = method
        .arguments
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        arguments,
        [("threshold", "10"), ("verbose", "True"), ("keep_data", "1")]
    );
    let bootstrap = settings.bootstrap.as_ref().unwrap();
    let method = bootstrap.method.as_ref().unwrap();
    assert_eq!(method.command, "/usr/bin/restore");
    assert_eq!(method.arguments, [("from".to_owned(), "s3".to_owned())]);
    assert_eq!(method.recovery_conf.len(), 2);
    assert_eq!(bootstrap.post_bootstrap.as_deref(), Some("/usr/bin/after"));
}
