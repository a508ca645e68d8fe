//! Files, folders and the environment, and which of them wins.

use std::fs;
use std::path::Path;

use herdsman_agent::settings::{Settings, is_own_variable};

const BASE: &str = include_str!("fixtures/base.yml");

fn variables(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn read(path: Option<&Path>, environment: &[(&str, &str)]) -> Settings {
    match Settings::from_path_or_env(path, variables(environment)) {
        Ok(settings) => settings,
        Err(error) => panic!("{error}"),
    }
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("the folder is writable");
    }
    folder
}

fn warnings(settings: &Settings) -> Vec<String> {
    settings.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn files_of_a_folder_are_merged_in_name_order() {
    let folder = folder(&[
        (
            "20-over.yml",
            "name: n2\nrestapi: {connect_address: '10.0.0.2:8008'}\n",
        ),
        ("10-base.yaml", BASE),
        ("30-etcd.yml", "etcd3: null\netcd: {host: e}\n"),
        ("40-notes.txt", "name: ignored\n"),
    ]);
    let settings = Settings::from_file(folder.path()).unwrap();
    assert_eq!(settings.name, "n2");
    assert_eq!(settings.rest_api.listen.to_string(), "0.0.0.0:8008");
    assert_eq!(
        settings.rest_api.connect_address.to_string(),
        "10.0.0.2:8008"
    );
    assert_eq!(
        settings.store.etcd().expect("this is the store").hosts[0].to_string(),
        "e:2379"
    );
}

#[test]
fn problems_name_their_file() {
    let folder = folder(&[
        ("10.yml", BASE),
        ("20.yml", "\nname: []\n"),
        ("30.yml", "- a\n"),
    ]);
    let error = Settings::from_file(folder.path()).unwrap_err().to_string();
    let file = folder.path().join("30.yml");
    let expected = format!(
        "{}: must be a map of sections, but is a list",
        file.display()
    );
    assert_eq!(error, expected);
    fs::remove_file(file).unwrap();
    let error = Settings::from_file(folder.path()).unwrap_err().to_string();
    let file = folder.path().join("20.yml");
    assert_eq!(
        error,
        format!(
            "{}:2:7: name: must be a text, but is a list",
            file.display()
        )
    );
}

#[test]
fn a_folder_without_files_is_told() {
    let folder = folder(&[("notes.txt", "")]);
    let error = Settings::from_file(folder.path()).unwrap_err().to_string();
    let expected = "is missing: the folder has no *.yml or *.yaml file, add one";
    assert_eq!(error, format!("{}: {expected}", folder.path().display()));
}

#[test]
fn text_that_is_not_utf8_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yml");
    fs::write(&file, b"name: \xff\n").unwrap();
    let error = Settings::from_file(&file).unwrap_err().to_string();
    let expected = "the file is not UTF-8 text, save it as UTF-8";
    assert_eq!(error, format!("{}: {expected}", file.display()));
}

#[test]
fn variables_win_over_the_file() {
    let folder = folder(&[("a.yml", BASE)]);
    let settings = read(
        Some(&folder.path().join("a.yml")),
        &[
            ("PATH", "/bin"),
            ("PATRONI_NAME", "n9"),
            ("PATRONI_SCOPE", ""),
            ("PATRONI_RESTAPI_CONNECT_ADDRESS", "10.0.0.9:8009"),
            ("PATRONI_RESTAPI_USERNAME", "admin"),
            ("PATRONI_RESTAPI_PASSWORD", "0755"),
            ("PATRONI_ETCD3_HOSTS", "'a:1', 'b:2'"),
            ("PATRONI_ETCD3_USERNAME", "u"),
            ("PATRONI_SUPERUSER_PASSWORD", "z"),
            ("PATRONI_SUPERUSER_SSLMODE", "require"),
            ("PATRONI_POSTGRESQL_BIN_PG_CTL", "/x/pg_ctl"),
            ("PATRONI_LOGLEVEL", "DEBUG"),
        ],
    );
    assert_eq!(settings.name, "n9");
    assert_eq!(settings.scope, "base");
    assert_eq!(
        settings.rest_api.connect_address.to_string(),
        "10.0.0.9:8009"
    );
    let authentication = settings.rest_api.authentication.as_ref().unwrap();
    assert_eq!(authentication.password.expose(), "0755");
    let hosts: Vec<String> = settings
        .store
        .etcd()
        .expect("this is the store")
        .hosts
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(hosts, ["a:1", "b:2"]);
    assert_eq!(
        settings
            .store
            .etcd()
            .expect("this is the store")
            .username
            .as_deref(),
        Some("u")
    );
    let superuser = &settings.postgresql.authentication.superuser;
    assert_eq!(superuser.username.as_deref(), Some("postgres"));
    assert_eq!(superuser.password.as_ref().unwrap().expose(), "z");
    assert_eq!(
        superuser.options,
        [("sslmode".to_owned(), "require".to_owned())]
    );
    assert_eq!(
        settings.postgresql.shared.bin_name.as_ref().unwrap()["pg_ctl"],
        "/x/pg_ctl"
    );
    assert_eq!(
        settings.log.level,
        herdsman_agent::settings::LogLevel::Debug
    );
    assert_eq!(warnings(&settings), [""; 0]);
}

#[test]
fn the_environment_alone_can_be_a_configuration() {
    let settings = read(
        None,
        &[
            ("PATRONI_NAME", "n1"),
            ("PATRONI_SCOPE", "demo"),
            ("PATRONI_RESTAPI_LISTEN", "10.0.0.1:8008"),
            ("PATRONI_ETCD3_HOST", "e"),
            ("PATRONI_POSTGRESQL_LISTEN", "10.0.0.1:5432"),
            ("PATRONI_POSTGRESQL_DATA_DIR", "/data"),
            ("PATRONI_REPLICATION_USERNAME", "replicator"),
            ("PATRONI_LOG_FILE_NUM", "many"),
            ("PATRONI_POSTGRESQL_LISTN", "x"),
            ("PATRONI_ETCD_USERNAME", "u"),
        ],
    );
    assert_eq!(settings.scope, "demo");
    assert_eq!(
        warnings(&settings),
        [
            "environment variable PATRONI_ETCD_USERNAME: PATRONI_ETCD_USERNAME is not a known key \
             and has no effect",
            "environment variable PATRONI_LOG_FILE_NUM: PATRONI_LOG_FILE_NUM: is not an integer \
             and has no effect",
            "environment variable PATRONI_POSTGRESQL_LISTN: PATRONI_POSTGRESQL_LISTN is not a \
             known key and has no effect",
        ]
    );
}

#[test]
fn problems_name_their_variable() {
    let folder = folder(&[("a.yml", BASE)]);
    let environment = variables(&[
        ("PATRONI_POSTGRESQL_CONNECT_ADDRESS", "10.0.0.1:pg"),
        ("PATRONI_ETCD3_HOSTS", "a:1,b:"),
    ]);
    let error = Settings::from_path_or_env(Some(&folder.path().join("a.yml")), environment)
        .unwrap_err()
        .to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(
        lines,
        [
            "environment variable PATRONI_ETCD3_HOSTS: etcd3.hosts[1]: must be a text, but is a map",
            "environment variable PATRONI_POSTGRESQL_CONNECT_ADDRESS: postgresql.connect_address: \
             `10.0.0.1:pg` has no port from 1 to 65535, write host:port",
        ]
    );
}

#[test]
fn a_whole_configuration_in_a_variable_stands_alone() {
    let settings = read(
        None,
        &[("PATRONI_CONFIGURATION", BASE), ("PATRONI_NAME", "n9")],
    );
    assert_eq!(settings.name, "n1");
    assert_eq!(
        warnings(&settings),
        [
            "environment variable PATRONI_NAME: PATRONI_NAME: has no effect beside \
          PATRONI_CONFIGURATION"
        ]
    );
}

#[test]
fn no_source_at_all_is_told_as_empty() {
    let error = Settings::from_path_or_env(None, variables(&[("HOME", "/")])).unwrap_err();
    assert_eq!(error.to_string(), "environment: the configuration is empty");
}

#[test]
fn own_variables_are_those_with_the_prefix() {
    assert!(is_own_variable("PATRONI_SUPERUSER_PASSWORD"));
    assert!(!is_own_variable("PATRONICTL_CONFIG_FILE"));
    assert!(!is_own_variable("PATH"));
}
