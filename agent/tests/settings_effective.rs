//! What is in force when a member's file meets its cluster's configuration.

use std::path::Path;
use std::time::Duration;

use herdsman_agent::settings::{
    EffectiveParameters, EffectivePostgres, ServerRole, Settings, Warning, effective_parameters,
};
use serde_json::{Value, json};

const BASE: &str = include_str!("fixtures/base.yml");

fn with(more: &str) -> Settings {
    match Settings::from_text(&format!("{BASE}{more}"), "n1.yml") {
        Ok(settings) => settings,
        Err(error) => panic!("{error}"),
    }
}

fn parameters(local: &str, dynamic: Value) -> EffectiveParameters {
    let dynamic = json!({"postgresql": {"parameters": dynamic}});
    effective_parameters(&with(local), &dynamic, 15)
}

fn texts(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn managed_parameters_have_defaults_without_any_configuration() {
    for dynamic in [
        json!({}),
        json!(null),
        json!({"postgresql": null}),
        json!([]),
    ] {
        let parameters = effective_parameters(&with(""), &dynamic, 15);
        let values: Vec<String> = parameters
            .values
            .iter()
            .map(|(name, text)| format!("{name}={text}"))
            .collect();
        assert_eq!(
            values,
            [
                "cluster_name=base",
                "hot_standby=on",
                "listen_addresses=0.0.0.0",
                "max_connections=100",
                "max_locks_per_transaction=64",
                "max_prepared_transactions=0",
                "max_replication_slots=10",
                "max_wal_senders=10",
                "max_worker_processes=8",
                "port=5432",
                "track_commit_timestamp=off",
                "wal_keep_size=128MB",
                "wal_level=replica",
                "wal_log_hints=on",
            ]
        );
        assert_eq!(texts(&parameters.warnings), [""; 0]);
    }
}

#[test]
fn listen_addresses_are_all_hosts_of_listen() {
    let settings = Settings::from_text(
        &BASE.replace("\"0.0.0.0:5432\"", "'10.0.0.1,[::1]:5433'"),
        "n1.yml",
    )
    .unwrap();
    let values = effective_parameters(&settings, &json!({}), 15).values;
    assert_eq!(values["listen_addresses"], "10.0.0.1,::1");
    assert_eq!(values["port"], "5433");
}

#[test]
fn local_parameters_win_but_never_for_managed_ones() {
    let local = "  parameters: {work_mem: 8MB, Max_Connections: 500, jit: off, log_statement: }\n";
    let dynamic = json!({
        "work_mem": "4MB",
        "max_connections": "200",
        "LOG_STATEMENT": "ddl",
        "fsync": true,
    });
    let parameters = parameters(local, dynamic);
    assert_eq!(parameters.values["work_mem"], "8MB");
    assert_eq!(parameters.values["max_connections"], "200");
    assert_eq!(parameters.values["jit"], "off");
    assert_eq!(parameters.values["fsync"], "on");
    assert!(!parameters.values.contains_key("log_statement"));
    assert_eq!(texts(&parameters.warnings), [""; 0]);
}

#[test]
fn values_that_are_not_accepted_fall_back_to_the_default() {
    let parameters = parameters(
        "",
        json!({
            "max_connections": 10,
            "hot_standby": false,
            "wal_level": "minimal",
            "wal_keep_size": "8MB",
            "port": 5433,
            "work_mem": {"a": 1},
        }),
    );
    assert_eq!(parameters.values["max_connections"], "100");
    assert_eq!(parameters.values["hot_standby"], "on");
    assert_eq!(parameters.values["wal_level"], "replica");
    assert_eq!(parameters.values["wal_keep_size"], "128MB");
    assert_eq!(parameters.values["port"], "5432");
    let place = "dynamic configuration: postgresql.parameters.";
    assert_eq!(
        texts(&parameters.warnings),
        [
            format!("{place}hot_standby: `off` is not accepted, it must be on; on is used"),
            format!(
                "{place}max_connections: `10` is not accepted, it must be at least 25; 100 is used"
            ),
            format!("{place}port has no effect here: only the file of each member sets it"),
            format!(
                "{place}wal_keep_size: `8MB` is not accepted, it must be at least 16MB; it is left \
                 out"
            ),
            format!(
                "{place}wal_level: `minimal` is not accepted, it must be replica or logical; \
                 replica is used"
            ),
            format!(
                "{place}work_mem: is passed over: must be a text, a number or a boolean, but is a \
                 map"
            ),
        ]
    );
}

#[test]
fn kept_wal_is_left_under_the_name_that_was_given() {
    let parameters = parameters("", json!({"wal_keep_segments": 8}));
    assert_eq!(parameters.values["wal_keep_segments"], "8");
    assert!(!parameters.values.contains_key("wal_keep_size"));
}

#[test]
fn the_file_wins_over_the_dynamic_configuration_key_by_key() {
    let settings = with("  pg_hba: [local]\n  pg_ctl_timeout: 5\n  use_unix_socket: false\n");
    let dynamic = json!({"postgresql": {
        "pg_hba": ["dynamic"],
        "pg_ident": ["dynamic"],
        "use_unix_socket": "on",
        "use_slots": "off",
        "bin_dir": "/usr/pg",
        "basebackup": [{"max-rate": "10M"}, "verbose"],
        "recovery_conf": {"restore_command": "cp"},
    }});
    let effective = EffectivePostgres::new(&settings, &dynamic);
    assert_eq!(effective.pg_hba.as_deref().unwrap(), ["local"]);
    assert_eq!(effective.pg_ident.as_deref().unwrap(), ["dynamic"]);
    assert!(!effective.use_unix_socket);
    assert!(!effective.use_slots);
    assert_eq!(effective.pg_ctl_timeout, Duration::from_secs(5));
    assert_eq!(effective.bin_dir.as_deref(), Some(Path::new("/usr/pg")));
    let basebackup: Vec<String> = effective
        .basebackup
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(basebackup, ["--max-rate=10M", "--verbose"]);
    assert_eq!(effective.recovery_conf[0].value.as_deref(), Some("cp"));
    assert_eq!(texts(&effective.warnings), [""; 0]);
}

#[test]
fn a_role_has_its_own_lines_and_parameters_and_the_file_of_the_member_wins() {
    let settings = with(
        "  pg_hba: [local]\n  pg_hba_primary: [local primary]\n  \
         parameters_replica: {Work_Mem: 8MB, jit: , max_connections: 50}\n",
    );
    let dynamic = json!({"postgresql": {
        "parameters_replica": {"work_mem": "1MB", "fsync": "off"},
        "parameters_standby_leader": {"wal_level": "minimal", "work_mem": "2MB"},
        "pg_hba_replica": ["dynamic replica"],
        "pg_ident_primary": ["dynamic ident"],
        "pg_ident_replica": "no list",
    }});
    let effective = EffectivePostgres::new(&settings, &dynamic);
    let of = |role| {
        let overlay = effective.overlays.of(role);
        let parameters = overlay.parameters.iter().flatten();
        let parameters = parameters.map(|parameter| {
            let value = parameter.value.as_deref().unwrap_or("-");
            format!("{}={value}", parameter.name)
        });
        let lines = |lines: &Option<Vec<String>>| lines.clone().unwrap_or_default().concat();
        let parameters: Vec<String> = parameters.collect();
        (parameters, lines(&overlay.pg_hba), lines(&overlay.pg_ident))
    };
    let none = String::new;
    let primary = (
        vec![],
        "local primary".to_owned(),
        "dynamic ident".to_owned(),
    );
    assert_eq!(of(ServerRole::Primary), primary);
    // A map of the file stands for the whole map of the store.
    let replica = vec!["work_mem=8MB".to_owned(), "jit=-".to_owned()];
    assert_eq!(
        of(ServerRole::Replica),
        (replica, "dynamic replica".to_owned(), none())
    );
    let standby_leader = vec!["work_mem=2MB".to_owned()];
    assert_eq!(
        of(ServerRole::StandbyLeader),
        (standby_leader, none(), none())
    );
    let place = "dynamic configuration: postgresql.";
    assert_eq!(
        texts(&effective.warnings),
        [
            format!(
                "{place}parameters_standby_leader.wal_level: is passed over: a server needs the \
                 same in every role"
            ),
            format!(
                "{place}pg_ident_replica: is passed over: must be a list of texts, but is a text"
            ),
        ]
    );
    let warnings = texts(&settings.warnings);
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("parameters_replica.max_connections"))
    );
}

#[test]
fn defaults_are_in_force_where_nobody_says_anything() {
    let effective = EffectivePostgres::new(&with(""), &json!({}));
    assert_eq!(effective.config_base_name, "postgresql");
    assert_eq!(effective.database, "postgres");
    assert_eq!(effective.pg_ctl_timeout, Duration::from_secs(60));
    assert_eq!(effective.pg_hba, None);
    assert!(effective.use_slots && !effective.use_pg_rewind);
}

#[test]
fn a_bad_dynamic_configuration_is_passed_over_with_warnings() {
    let dynamic = json!({"postgresql": {
        "pg_hba": "local all all trust",
        "data_dir": "/elsewhere",
        "pre_promote": "/a",
        "authentication": {"superuser": {"password": "hunter2"}},
        "pg_hbaa": [],
    }});
    let effective = EffectivePostgres::new(&with(""), &dynamic);
    assert_eq!(effective.pg_hba, None);
    assert_eq!(effective.pre_promote.as_deref(), Some("/a"));
    let local = "has no effect here: only the file of each member sets it";
    assert_eq!(
        texts(&effective.warnings),
        [
            format!("dynamic configuration: postgresql.authentication {local}"),
            format!("dynamic configuration: postgresql.data_dir {local}"),
            "dynamic configuration: postgresql.pg_hbaa is not a known key and has no effect; did \
             you mean postgresql.pg_hba?"
                .into(),
            "dynamic configuration: postgresql.pg_hba: is passed over: must be a list of texts, \
             but is a text"
                .into(),
        ]
    );
    let effective = EffectivePostgres::new(&with(""), &json!({"postgresql": [1]}));
    assert_eq!(
        texts(&effective.warnings),
        ["dynamic configuration: postgresql: is passed over: must be a map, but is a list"]
    );
}
