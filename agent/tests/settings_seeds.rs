//! Configurations as people wrote them, character for character. Fragments
//! are laid over a whole configuration, as a folder of files does.

use std::fs;
use std::path::{Path, PathBuf};

use herdsman_agent::settings::{EffectivePostgres, Settings, WatchdogMode, effective_parameters};
use serde_json::{Value, json};

const KEPT: &str = " has no effect here: only the dynamic configuration of the cluster sets it";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn seed(name: &str) -> String {
    fs::read_to_string(fixture(&format!("seeds/{name}.yml")))
        .expect("fixtures are readable and temporary folders writable")
}

/// Reads a seed over the base, and `over` over both.
fn laid_over_base(name: &str, over: &str) -> Settings {
    let folder = tempfile::tempdir().expect("fixtures are readable and temporary folders writable");
    fs::copy(fixture("base.yml"), folder.path().join("0.yml"))
        .expect("fixtures are readable and temporary folders writable");
    fs::write(folder.path().join("1.yml"), seed(name))
        .expect("fixtures are readable and temporary folders writable");
    if !over.is_empty() {
        fs::write(folder.path().join("2.yml"), over)
            .expect("fixtures are readable and temporary folders writable");
    }
    match Settings::from_file(folder.path()) {
        Ok(settings) => settings,
        Err(error) => panic!("{name}: {error}"),
    }
}

/// The warnings about the seed, without the name of its file.
fn warnings(settings: &Settings) -> Vec<String> {
    let without_file = |text: String| match text.split_once("1.yml:") {
        Some((_, rest)) => rest.to_owned(),
        None => text,
    };
    settings
        .warnings
        .iter()
        .map(|warning| without_file(warning.to_string()))
        .collect()
}

#[test]
fn every_seed_has_a_test() {
    let mut found: Vec<String> = fs::read_dir(fixture("seeds"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            path.file_stem().unwrap().to_string_lossy().into_owned()
        })
        .collect();
    found.sort();
    let mut tested: Vec<&str> = FRAGMENTS.iter().map(|fragment| fragment.name).collect();
    tested.extend(["00-compose", "01-postgres0", "04-patroni"]);
    tested.sort_unstable();
    assert_eq!(found, tested);
}

struct Fragment {
    name: &'static str,
    /// Warnings: place and key, and what follows the key.
    warnings: &'static [(&'static str, &'static str)],
    /// Local parameters: name and text.
    parameters: &'static [(&'static str, &'static str)],
    /// A part of the first dynamic configuration.
    dynamic: Option<(&'static str, &'static str)>,
}

const fn fragment(name: &'static str) -> Fragment {
    Fragment {
        name,
        warnings: &[],
        parameters: &[],
        dynamic: None,
    }
}

const MISPLACED_DCS: &str = " is not a known key and has no effect; did you mean bootstrap.dcs?";

static FRAGMENTS: &[Fragment] = &[
    Fragment {
        warnings: &[
            ("3:22: postgresql.parameters.max_connections", KEPT),
            ("8:1: retry_timeout", KEPT),
            ("9:1: ttl", KEPT),
            ("12:1: fencing", " is not a known key and has no effect"),
        ],
        parameters: &[
            ("max_connections", "500"),
            ("shared_buffers", "4GB"),
            ("synchronous_commit", "remote_apply"),
        ],
        ..fragment("00-production")
    },
    fragment("01-postgres1"),
    Fragment {
        warnings: &[(
            "1:1: authentication",
            " is not a known key and has no effect; did you mean postgresql.authentication?",
        )],
        ..fragment("04-authentication")
    },
    Fragment {
        warnings: &[
            ("3:3: postgresql.use_slots", KEPT),
            ("5:16: postgresql.parameters.wal_level", KEPT),
            ("6:18: postgresql.parameters.hot_standby", KEPT),
            ("7:22: postgresql.parameters.max_wal_senders", KEPT),
            ("8:28: postgresql.parameters.max_replication_slots", KEPT),
            ("9:20: postgresql.parameters.wal_keep_size", KEPT),
            ("10:20: postgresql.parameters.wal_log_hints", KEPT),
        ],
        parameters: &[("hot_standby", "on"), ("wal_keep_size", "1GB")],
        ..fragment("04-bootstrap-postgresql")
    },
    Fragment {
        warnings: &[("1:1: dcs", MISPLACED_DCS)],
        ..fragment("04-dcs")
    },
    Fragment {
        warnings: &[("1:1: dcs", MISPLACED_DCS)],
        ..fragment("04-failover")
    },
    Fragment {
        warnings: &[("1:1: dcs", MISPLACED_DCS)],
        ..fragment("04-timing")
    },
    Fragment {
        dynamic: Some(("/postgresql/parameters/wal_log_hints", "true")),
        ..fragment("04-rewind")
    },
    Fragment {
        dynamic: Some(("/postgresql/use_pg_rewind", "true")),
        ..fragment("04-rewind-practice")
    },
    Fragment {
        dynamic: Some(("/postgresql/parameters/max_replication_slots", "10")),
        ..fragment("04-slots")
    },
    Fragment {
        dynamic: Some(("/synchronous_node_count", "1")),
        ..fragment("04-synchronous")
    },
    Fragment {
        parameters: &[
            ("synchronous_commit", "on"),
            ("synchronous_standby_names", "*"),
        ],
        ..fragment("04-synchronous-parameters")
    },
    Fragment {
        parameters: &[
            ("max_standby_streaming_delay", "30s"),
            ("hot_standby_feedback", "on"),
        ],
        ..fragment("04-standby-parameters")
    },
    Fragment {
        warnings: &[("3:22: postgresql.parameters.max_wal_senders", KEPT)],
        parameters: &[("max_wal_senders", "20")],
        ..fragment("04-wal-senders")
    },
];

#[test]
fn fragments_mean_what_they_mean_to_patroni() {
    for fragment in FRAGMENTS {
        let settings = laid_over_base(fragment.name, "");
        let expected: Vec<String> = fragment
            .warnings
            .iter()
            .map(|(key, rest)| format!("{key}{rest}"))
            .collect();
        assert_eq!(warnings(&settings), expected, "{}", fragment.name);
        for (name, text) in fragment.parameters {
            let parameter = settings
                .postgresql
                .parameters
                .iter()
                .find(|parameter| parameter.name == *name);
            let value = parameter.and_then(|parameter| parameter.value.as_deref());
            assert_eq!(value, Some(*text), "{}: {name}", fragment.name);
        }
        if let Some((pointer, text)) = fragment.dynamic {
            let dynamic = &settings.bootstrap.as_ref().unwrap().dcs;
            let value = dynamic.pointer(pointer).map(Value::to_string);
            assert_eq!(value.as_deref(), Some(text), "{}", fragment.name);
        }
    }
}

#[test]
fn the_second_member_differs_in_its_addresses() {
    let settings = laid_over_base("01-postgres1", "");
    assert_eq!(
        (settings.scope.as_str(), settings.name.as_str()),
        ("my_cluster", "postgresql1")
    );
    assert_eq!(settings.rest_api.listen.to_string(), "pg-slave:8008");
    assert_eq!(
        settings.postgresql.connect_address.to_string(),
        "pg-slave:5432"
    );
    assert_eq!(
        settings.postgresql.data_dir,
        Path::new("/var/lib/postgresql/data/postgresql1")
    );
}

#[test]
fn a_zookeeper_member_starts_from_its_own_file() {
    let settings = Settings::from_text(&seed("01-postgres0"), "postgres0.yml").unwrap();
    let hosts = &settings.store.zookeeper().expect("this is the store").hosts;
    assert_eq!(hosts[0].to_string(), "zoo:2181");
}

#[test]
fn a_zookeeper_member_moved_to_etcd_keeps_the_rest() {
    let settings = laid_over_base("01-postgres0", "zookeeper: null\n");
    assert_eq!(
        (settings.scope.as_str(), settings.name.as_str()),
        ("my_cluster", "postgresql0")
    );
    assert_eq!(settings.rest_api.listen.to_string(), "pg-master:8008");
    assert_eq!(settings.postgresql.listen.to_string(), "0.0.0.0:5432");
    assert_eq!(settings.watchdog.mode, WatchdogMode::Off);
    assert_eq!(
        settings.postgresql.pgpass.as_deref(),
        Some(Path::new("/tmp/pgpass0"))
    );
    assert_eq!(settings.tags.published(), serde_json::Map::new());
    assert_eq!(warnings(&settings), [""; 0]);
    let bootstrap = settings.bootstrap.as_ref().unwrap();
    assert_eq!(bootstrap.pg_hba.len(), 2);
    assert_eq!(bootstrap.dcs["master_start_timeout"], json!(300));
    assert_eq!(bootstrap.dcs["synchronous_mode"], json!(true));

    let parameters = effective_parameters(&settings, &bootstrap.dcs, 15);
    let expected = [
        (
            "archive_command",
            "mkdir -p /tmp/wal_archive && test ! -f /tmp/wal_archive/%f && cp %p /tmp/wal_archive/%f",
        ),
        ("archive_mode", "always"),
        ("archive_timeout", "1800s"),
        ("cluster_name", "my_cluster"),
        ("hot_standby", "on"),
        ("listen_addresses", "0.0.0.0"),
        ("max_connections", "100"),
        ("max_locks_per_transaction", "64"),
        ("max_prepared_transactions", "0"),
        ("max_replication_slots", "10"),
        ("max_wal_senders", "10"),
        ("max_worker_processes", "8"),
        ("port", "5432"),
        ("track_commit_timestamp", "off"),
        ("unix_socket_directories", "."),
        ("wal_keep_segments", "8"),
        ("wal_level", "replica"),
        ("wal_log_hints", "on"),
    ];
    let values: Vec<(&str, &str)> = parameters
        .values
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    assert_eq!(values, expected);
    assert_eq!(parameters.warnings, []);
}

#[test]
fn placeholders_of_an_example_are_told_all_at_once() {
    let error = Settings::from_text(&seed("04-patroni"), "patroni.yml").unwrap_err();
    let told = error.to_string();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(
        told,
        [
            "patroni.yml:3:7: name: `<NODE_NAME>` is a placeholder, write the real name",
            "patroni.yml:7:20: restapi.connect_address: `<NODE_IP>` is a placeholder, write the \
             address",
            "patroni.yml:10:9: etcd.host: `<ETCD_IP>` is a placeholder, write the address",
            "patroni.yml:50:20: postgresql.connect_address: `<NODE_IP>` is a placeholder, write \
             the address",
        ]
    );
}

#[test]
fn an_example_with_its_placeholders_filled_is_read() {
    let text = seed("04-patroni")
        .replace("<NODE_NAME>", "node1")
        .replace("<NODE_IP>", "10.0.0.1")
        .replace("<ETCD_IP>", "10.0.0.11");
    let settings = Settings::from_text(&text, "patroni.yml").unwrap();
    assert_eq!(
        (settings.scope.as_str(), settings.name.as_str()),
        ("postgres-cluster", "node1")
    );
    assert_eq!(settings.namespace, "service");
    assert_eq!(
        settings.store.etcd().expect("this is the store").hosts[0].to_string(),
        "10.0.0.11:2379"
    );
    assert_eq!(
        settings.rest_api.connect_address.to_string(),
        "10.0.0.1:8008"
    );
    assert_eq!(
        settings.postgresql.shared.bin_dir.as_deref(),
        Some(Path::new("/usr/lib/postgresql/14/bin"))
    );
    let keys: Vec<&str> = settings.warnings.iter().map(|w| w.path.as_str()).collect();
    assert_eq!(keys, ["etcd", "bootstrap.users"]);
    let bootstrap = settings.bootstrap.as_ref().unwrap();
    let initdb: Vec<String> = bootstrap.initdb.iter().map(ToString::to_string).collect();
    assert_eq!(initdb, ["--encoding=UTF8", "--data-checksums"]);

    let parameters = effective_parameters(&settings, &bootstrap.dcs, 14);
    assert_eq!(parameters.values["wal_log_hints"], "on");
    assert_eq!(parameters.values["wal_keep_size"], "1GB");
    let effective = EffectivePostgres::new(&settings, &bootstrap.dcs);
    assert!(effective.use_pg_rewind && effective.use_slots);
}

#[test]
fn variables_of_a_compose_file_are_a_part_of_a_configuration() {
    // The compose file is not a configuration; its variables are.
    let settings = laid_over_base("00-compose", "");
    let keys: Vec<&str> = settings.warnings.iter().map(|w| w.path.as_str()).collect();
    assert_eq!(keys, ["version", "services"]);
    let variables: Vec<(String, String)> = seed("00-compose")
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(variables.len(), 2);
    let settings = Settings::from_path_or_env(Some(&fixture("base.yml")), variables).unwrap();
    assert_eq!(
        (settings.scope.as_str(), settings.name.as_str()),
        ("postgres-cluster", "patroni1")
    );
}
