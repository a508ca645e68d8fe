//! What `ControlSettings` takes from a member's file, a small file, the
//! environment and a URL, and what it leaves alone.

use std::fs;

use herdsman_agent::settings::{BasicAuth, ControlSettings, EtcdDiscovery, Secret};

const BASE: &str = include_str!("fixtures/base.yml");

fn read(text: &str) -> ControlSettings {
    match ControlSettings::from_text(text, "ctl.yml") {
        Ok(settings) => settings,
        Err(error) => panic!("{error}"),
    }
}

fn refusal(text: &str) -> String {
    ControlSettings::from_text(text, "ctl.yml").map_or_else(
        |error| error.to_string(),
        |settings| panic!("{settings:?} was taken"),
    )
}

fn with_url(url: &str) -> Result<ControlSettings, String> {
    ControlSettings::from_path_or_env(None, Vec::new(), Some(url)).map_err(|e| e.to_string())
}

fn hosts(settings: &ControlSettings) -> Vec<String> {
    settings
        .store
        .etcd()
        .expect("this is the store")
        .hosts
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_members_file_serves_as_it_is() {
    let settings = read(BASE);
    assert!(settings.scope.is_some());
    assert_eq!(settings.namespace, "service");
    assert_eq!(settings.warnings, []);
}

#[test]
fn a_small_file_needs_a_store_only() {
    let settings = read("etcd3: {hosts: ['a:1', 'b']}\nnamespace: /db/x/\n");
    assert_eq!(settings.scope, None);
    assert_eq!(settings.namespace, "db/x");
    assert_eq!(hosts(&settings), ["a:1", "b:2379"]);
    assert_eq!(settings.authentication, None);
    let told = refusal("scope: demo\n");
    assert!(told.contains("no section for a store"), "{told}");
}

#[test]
fn sections_of_the_member_are_not_judged() {
    let settings = read(
        "scope: demo\netcd3: {host: a}\nnonsense: 1\nsynchronous_mode: true\n\
         postgresql: [broken]\nrestapi: {certfile: x, allowlist: [y]}\nctl: {insecure: true}\n",
    );
    assert_eq!(settings.warnings, []);
}

#[test]
fn a_file_whose_keys_lie_elsewhere_is_refused() {
    let told = refusal("scope: demo\netcd3: {host: a}\ncitus: {group: 0, database: d}\n");
    assert!(told.contains("Citus is not served yet"), "{told}");
    let told = refusal("scope: demo\nconsul: {host: 'a:8500'}\n");
    assert!(told.contains("Consul is not served"), "{told}");
}

#[test]
fn the_old_section_of_etcd_is_named() {
    let settings = read("scope: demo\netcd: {host: a}\n");
    assert_eq!(settings.warnings.len(), 1, "{:?}", settings.warnings);
    assert!(settings.warnings[0].to_string().contains("version 3"));
}

#[test]
fn credentials_of_ctl_win_over_those_of_restapi() {
    let both = "etcd3: {host: a}\nrestapi: {authentication: {username: r, password: s}}\n";
    let basic = |username: &str, password: &str| {
        Some(BasicAuth {
            username: username.to_owned(),
            password: Secret::new(password),
        })
    };
    assert_eq!(read(both).authentication, basic("r", "s"));
    let both = format!("{both}ctl: {{authentication: {{username: c, password: t}}}}\n");
    assert_eq!(read(&both).authentication, basic("c", "t"));
}

#[test]
fn variables_win_over_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("ctl.yml");
    fs::write(&file, "scope: demo\netcd3: {host: a}\n").expect("the folder is writable");
    let variables = [
        ("PATRONI_SCOPE", "other"),
        ("PATRONI_ETCD3_HOSTS", "b:1,c:2"),
        ("HOME", "/somewhere"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = ControlSettings::from_path_or_env(Some(&file), variables.clone(), None);
    let settings = settings.expect("the file is good");
    assert_eq!(settings.scope.as_deref(), Some("other"));
    assert_eq!(hosts(&settings), ["b:1", "c:2"]);
    let alone = ControlSettings::from_path_or_env(None, variables, None);
    assert_eq!(
        hosts(&alone.expect("the variables suffice")),
        ["b:1", "c:2"]
    );
}

#[test]
fn a_url_names_store_and_namespace() {
    let settings = with_url("etcd3://a:1/db/").expect("the URL is good");
    assert_eq!(hosts(&settings), ["a:1"]);
    assert_eq!(settings.namespace, "db");
    assert_eq!(
        settings.store.etcd().expect("this is the store").discovery,
        EtcdDiscovery::Members
    );
    let settings = with_url("[::1]:5,b").expect("the URL is good");
    assert_eq!(hosts(&settings), ["[::1]:5", "b:2379"]);
    assert_eq!(settings.namespace, "service");
}

#[test]
fn a_url_takes_the_place_of_the_files_store() {
    let variables = [
        ("PATRONI_SCOPE", "demo"),
        ("PATRONI_ZOOKEEPER_HOSTS", "a:2181"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = ControlSettings::from_path_or_env(None, variables, Some("b:1"));
    let settings = settings.expect("ZooKeeper is replaced");
    assert_eq!(settings.scope.as_deref(), Some("demo"));
    assert_eq!(hosts(&settings), ["b:1"]);
}

#[test]
fn a_url_that_cannot_be_used_is_refused_without_showing_a_password() {
    for (url, about) in [
        ("consul://a", "Consul is not served"),
        ("http://a:1", "unknown scheme `http`"),
        ("etcd3://", "hosts"),
        ("etcd3://user:hunter2@a:1", "write host:port"),
        ("a:x", "no port"),
    ] {
        let told = with_url(url).expect_err(url);
        assert!(told.contains(about), "{url}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_url_names_zookeeper_as_well() {
    let settings = with_url("zookeeper://a:2182,b/herd").expect("it is served");
    let hosts = &settings.store.zookeeper().expect("this is the store").hosts;
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["a:2182", "b:2181"]);
    assert_eq!(settings.namespace, "herd");
}

#[test]
fn without_any_configuration_the_store_is_missing() {
    let nothing = ControlSettings::from_path_or_env(None, Vec::new(), None);
    let told = nothing.expect_err("there is no store").to_string();
    assert!(told.contains("no section for a store"), "{told}");
}
