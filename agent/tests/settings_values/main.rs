//! Good configurations and what they become, old spellings included.

mod store;

use std::path::{Path, PathBuf};
use std::time::Duration;

use herdsman_agent::settings::{EtcdDiscovery, EtcdSection, LogLevel, Settings, WatchdogMode};
use serde_json::json;

const BASE: &str = include_str!("../fixtures/base.yml");

fn read(text: &str) -> Settings {
    match Settings::from_text(text, "n1.yml") {
        Ok(settings) => settings,
        Err(error) => panic!("{error}"),
    }
}

fn with(more: &str) -> Settings {
    read(&format!("{BASE}{more}"))
}

fn after(from: &str, to: &str) -> Settings {
    assert!(BASE.contains(from), "the base has no {from:?}");
    read(&BASE.replace(from, to))
}

fn warnings(settings: &Settings) -> Vec<String> {
    settings.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn defaults_are_those_of_patroni() {
    let settings = read(BASE);
    assert_eq!(settings.namespace, "service");
    assert_eq!(settings.bootstrap, None);
    assert_eq!(settings.rest_api.authentication, None);
    assert_eq!(settings.watchdog.mode, WatchdogMode::Automatic);
    assert_eq!(settings.watchdog.device, Path::new("/dev/watchdog"));
    assert_eq!(settings.watchdog.safety_margin_seconds, 5);
    assert_eq!(settings.log.level, LogLevel::Info);
    assert_eq!(settings.log.dir, None);
    assert_eq!(settings.postgresql.config_dir, settings.postgresql.data_dir);
    assert_eq!(settings.tags.failover_priority(), 1);
    assert_eq!(
        settings.store.etcd().expect("this is the store").section,
        EtcdSection::Etcd3
    );
    assert_eq!(
        settings.store.etcd().expect("this is the store").discovery,
        EtcdDiscovery::Members
    );
    assert_eq!(warnings(&settings), [""; 0]);
}

#[test]
fn namespace_has_no_slashes_at_its_ends() {
    for (written, expected) in [("/service/", "service"), ("a//b", "a/b"), ("/", "")] {
        assert_eq!(with(&format!("namespace: {written}\n")).namespace, expected);
    }
}

#[test]
fn watchdog_off_is_a_boolean_in_yaml() {
    let table = [
        ("off", WatchdogMode::Off),
        ("'off'", WatchdogMode::Off),
        ("false", WatchdogMode::Off),
        ("disabled", WatchdogMode::Off),
        ("AUTO", WatchdogMode::Automatic),
        ("automatic", WatchdogMode::Automatic),
        ("require", WatchdogMode::Required),
        ("required", WatchdogMode::Required),
    ];
    for (written, expected) in table {
        let settings = with(&format!("watchdog: {{mode: {written}, device: /dev/w}}\n"));
        assert_eq!(settings.watchdog.mode, expected, "{written}");
        assert_eq!(settings.watchdog.device, Path::new("/dev/w"));
        assert_eq!(
            settings.warnings.is_empty(),
            expected == WatchdogMode::Off,
            "{written}"
        );
    }
}

#[test]
fn old_spellings_mean_the_same() {
    let old = read(
        "scope: demo
restapi: {listen: '10.0.0.1:8008'}
etcd3: {host: 10.0.0.11}
postgresql:
  name: n1
  listen: 10.0.0.1
  data_dir: /data
  create_replica_method: [basebackup]
  pg_rewind: {username: postgres, password: x}
  replication: {username: replicator, password: y, sslmode: require, network: 10.0.0.0/8}
",
    );
    assert_eq!(old.name, "n1");
    assert_eq!(old.rest_api.connect_address.to_string(), "10.0.0.1:8008");
    assert_eq!(old.postgresql.connect_address.to_string(), "10.0.0.1:5432");
    let authentication = &old.postgresql.authentication;
    assert_eq!(
        authentication.superuser.username.as_deref(),
        Some("postgres")
    );
    assert_eq!(
        authentication.replication.options,
        [("sslmode".to_owned(), "require".to_owned())]
    );
    assert_eq!(authentication.rewind, None);
    assert_eq!(old.postgresql.shared.use_pg_rewind, Some(true));
    assert_eq!(
        warnings(&old),
        ["n1.yml:10:79: postgresql.replication.network is not a known key and has no effect"]
    );
}

#[test]
fn old_users_beside_the_present_section_are_named() {
    let settings = with("  superuser: {username: a}\n  pg_rewind: {username: b}\n");
    let superuser = &settings.postgresql.authentication.superuser;
    assert_eq!(superuser.username.as_deref(), Some("postgres"));
    assert_eq!(
        warnings(&settings),
        [
            "n1.yml:13:14: postgresql.superuser: has no effect beside postgresql.authentication",
            "n1.yml:14:14: postgresql.pg_rewind: has no effect beside postgresql.authentication",
        ]
    );
}

#[test]
fn numbers_are_texts_as_python_prints_them() {
    let settings = after("password: x", "password: 0755");
    let password = settings
        .postgresql
        .authentication
        .superuser
        .password
        .as_ref();
    assert_eq!(password.map(|secret| secret.expose()), Some("493"));
    assert_eq!(
        warnings(&settings),
        [
            "n1.yml:11:47: postgresql.authentication.superuser.password: is read as a number, which \
          is not the text that is written; put it in quotes"
        ]
    );
}

#[test]
fn bootstrap_keeps_the_dynamic_configuration_as_written() {
    let settings = with(
        "bootstrap:
  dcs:
    ttl: 30
    master_start_timeout: 300
    synchronous_mode: on
    postgresql: {parameters: {wal_keep_segments: 8, wal_level: replica}}
  initdb: [{encoding: UTF8}, data-checksums, {locale: \"'en_US.UTF-8'\"}, {pwfile: /x}]
  pg_hba: [local all all trust]
",
    );
    let bootstrap = settings.bootstrap.as_ref().unwrap();
    assert_eq!(
        bootstrap.dcs,
        json!({
            "ttl": 30,
            "master_start_timeout": 300,
            "synchronous_mode": true,
            "postgresql": {"parameters": {"wal_keep_segments": 8, "wal_level": "replica"}},
        })
    );
    let arguments: Vec<String> = bootstrap.initdb.iter().map(|o| o.to_argument()).collect();
    assert_eq!(
        arguments,
        [
            "--encoding=UTF8",
            "--data-checksums",
            "--locale=en_US.UTF-8"
        ]
    );
    assert_eq!(bootstrap.pg_hba, ["local all all trust"]);
    assert_eq!(
        warnings(&settings),
        [
            "n1.yml:19:82: bootstrap.initdb[3].pwfile: the option pwfile is set by the agent, it is \
          left out"
        ]
    );
}

#[test]
fn the_postgresql_section_is_read_whole() {
    let settings = with("  config_dir: /etc/pg
  config_base_name: main
  custom_conf: /etc/pg/custom.conf
  bin_dir: /usr/lib/pg/bin
  bin_name: {postgres: postgres.real}
  pgpass: /run/pgpass
  database: admin
  use_unix_socket: yes
  use_unix_socket_repl: 'on'
  pg_ctl_timeout: 90
  pg_hba: [a, b]
  pg_ident: [c]
  recovery_conf: {restore_command: cp %p, recovery_min_apply_delay: 5min}
  basebackup: {max-rate: 100M, checkpoint: fast}
  parameters: {Work_Mem: 8MB, log_file_mode: 0640, jit: off, random_page_cost: 1.1, x.y:, fsync: 'off'}
");
    let postgresql = &settings.postgresql;
    let shared = &postgresql.shared;
    assert_eq!(postgresql.config_dir, Path::new("/etc/pg"));
    assert_eq!(postgresql.pgpass, Some(PathBuf::from("/run/pgpass")));
    assert_eq!(shared.config_base_name.as_deref(), Some("main"));
    assert_eq!(
        shared.custom_conf,
        Some(PathBuf::from("/etc/pg/custom.conf"))
    );
    assert_eq!(shared.bin_dir, Some(PathBuf::from("/usr/lib/pg/bin")));
    assert_eq!(
        shared.bin_name.as_ref().unwrap()["postgres"],
        "postgres.real"
    );
    assert_eq!(shared.database.as_deref(), Some("admin"));
    assert_eq!(
        (shared.use_unix_socket, shared.use_unix_socket_repl),
        (Some(true), Some(true))
    );
    assert_eq!(shared.pg_ctl_timeout, Some(Duration::from_secs(90)));
    assert_eq!(shared.pg_hba.as_deref().unwrap(), ["a", "b"]);
    assert_eq!(shared.pg_ident.as_deref().unwrap(), ["c"]);
    let recovery: Vec<&str> = shared
        .recovery_conf
        .iter()
        .flatten()
        .map(|parameter| parameter.name.as_str())
        .collect();
    assert_eq!(recovery, ["restore_command", "recovery_min_apply_delay"]);
    let basebackup: Vec<String> = shared
        .basebackup
        .iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    assert_eq!(basebackup, ["--max-rate=100M", "--checkpoint=fast"]);
    let parameters: Vec<(&str, Option<&str>)> = postgresql
        .parameters
        .iter()
        .map(|parameter| (parameter.name.as_str(), parameter.value.as_deref()))
        .collect();
    assert_eq!(
        parameters,
        [
            ("work_mem", Some("8MB")),
            ("log_file_mode", Some("416")),
            ("jit", Some("off")),
            ("random_page_cost", Some("1.1")),
            ("x.y", None),
            ("fsync", Some("off")),
        ]
    );
    assert_eq!(warnings(&settings), [""; 0]);
}

#[test]
fn what_has_no_effect_is_named_once() {
    let settings = with(
        "  callbacks: {on_start: /a, on_stat: /b}
  use_pg_rewind: true
  pre_promote: /a
  create_replica_methods: [pgbackrest, basebackup]
  pgbackrest: {command: /usr/bin/pgbackrest, no_leader: 1}
  bin_dri: /x
  use_slots: true
  parameters: {max_connections: 500, work_mem: 1MB}
bootstrap: {users: {admin: {password: hunter2}}, post_init: /x}
log: {format: '%(message)s', level: debug, dir: /log}
tags: {replicatefrom: n2, nosync: true, noloadbalance: true, zone: a}
ctl: {insecure: true}
ttl: 30
thread_pool_size: 9
fencing: {loop_wait: 10}
zookeeper: {hosts: ['z:2181']}
scope: demo
",
    );
    assert_eq!(settings.scope, "demo");
    let kept = " has no effect here: only the dynamic configuration of the cluster sets it";
    let expected = [
        "13:29: postgresql.callbacks.on_stat is not a known key and has no effect; did you mean \
         postgresql.callbacks.on_start?"
            .to_owned(),
        "18:3: postgresql.bin_dri is not a known key and has no effect; did you mean \
         postgresql.bin_dir?"
            .to_owned(),
        format!("19:3: postgresql.use_slots{kept}"),
        format!("20:33: postgresql.parameters.max_connections{kept}"),
        "21:20: bootstrap.users: has no effect, as in Patroni since version 4; create users in the \
         new cluster yourself"
            .to_owned(),
        "22:7: log.format is accepted but has no effect yet".to_owned(),
        "24:7: ctl.insecure is accepted but has no effect yet".to_owned(),
        format!("25:1: ttl{kept}"),
        "26:1: thread_pool_size is accepted but has no effect yet".to_owned(),
        "27:1: fencing is not a known key and has no effect".to_owned(),
        "28:12: zookeeper: has no effect beside etcd3".to_owned(),
        "29:1: scope is written twice: line 2 has no effect, line 29 is used".to_owned(),
    ];
    let expected: Vec<String> = expected
        .iter()
        .map(|text| format!("n1.yml:{text}"))
        .collect();
    assert_eq!(warnings(&settings), expected);
}

#[test]
fn a_boolean_tag_wins_over_its_priority() {
    let table = [
        ("{}", false, 1),
        ("{nofailover: true}", true, 0),
        ("{nofailover: 'on'}", true, 0),
        ("{failover_priority: 0}", true, 0),
        ("{failover_priority: '2'}", false, 2),
        ("{nofailover: true, failover_priority: 2}", true, 0),
        ("{nofailover: false, failover_priority: 0}", false, 0),
    ];
    for (written, is_forbidden, priority) in table {
        let tags = with(&format!("tags: {written}\n")).tags;
        assert_eq!(tags.is_failover_forbidden(), is_forbidden, "{written}");
        assert_eq!(tags.failover_priority(), priority, "{written}");
    }
}

#[test]
fn published_tags_hide_what_is_off() {
    let settings = with(
        "tags: {clonefrom: true, noloadbalance: false, nofailover: false, failover_priority: 0, \
         nosync: no, nostream: off, zone: a, rack: 0x10}\n",
    );
    let published = serde_json::Value::Object(settings.tags.published());
    assert_eq!(
        published,
        json!({
            "clonefrom": true,
            "nofailover": false,
            "failover_priority": 0,
            "zone": "a",
            "rack": 16,
        })
    );
    assert!(settings.tags.is_preferred_clone_source());
    assert!(!settings.tags.is_load_balancing_forbidden());
    assert!(!settings.tags.is_streaming_forbidden());
    assert_eq!(
        warnings(&settings),
        ["n1.yml:13:85: tags.failover_priority: contradicts nofailover: false, which is used"]
    );
}

#[test]
fn calls_to_peers_use_the_rest_user_unless_ctl_has_one() {
    let rest = "{listen: \"0.0.0.0:8008\",";
    let text = BASE.replace(
        rest,
        &format!("{rest} authentication: {{username: r, password: s}},"),
    );
    let settings = read(&text);
    assert_eq!(
        settings.peer_authentication,
        settings.rest_api.authentication
    );
    let settings = read(&format!(
        "{text}ctl: {{authentication: {{username: c, password: d}}}}\n"
    ));
    assert_eq!(settings.peer_authentication.as_ref().unwrap().username, "c");
    assert_eq!(
        settings.rest_api.authentication.as_ref().unwrap().username,
        "r"
    );
}

#[test]
fn debug_output_shows_no_password() {
    let text = BASE.replace("password: x", "password: hunter2, sslpassword: hunter2");
    let text = text.replace("etcd3: {", "etcd3: {username: u, password: hunter2, ");
    let settings = read(&format!(
        "{text}ctl: {{authentication: {{username: c, password: hunter2}}}}\n"
    ));
    assert!(!format!("{settings:?}").contains("hunter2"));
}
