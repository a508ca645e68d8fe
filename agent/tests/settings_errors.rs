//! Bad configurations and the exact messages that they get: one line each,
//! with the file, the place, the key and what to do.

use herdsman_agent::settings::{Error, Settings};

const BASE: &str = include_str!("fixtures/base.yml");

/// Messages for the complete example after one replacement.
fn after(from: &str, to: &str) -> Vec<String> {
    assert!(BASE.contains(from), "the base has no {from:?}");
    messages(&BASE.replace(from, to))
}

/// Messages for the complete example with more lines at its end.
fn with(more: &str) -> Vec<String> {
    messages(&format!("{BASE}{more}"))
}

fn messages(text: &str) -> Vec<String> {
    match Settings::from_text(text, "n1.yml") {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

#[test]
fn the_base_has_no_problem() {
    assert_eq!(messages(BASE), [""; 0]);
}

#[test]
fn an_empty_text_is_told_as_empty() {
    for text in ["", "# only a comment\n", "---\n"] {
        assert_eq!(messages(text), ["n1.yml: the configuration is empty"]);
    }
}

#[test]
fn a_text_that_is_not_a_map_is_told() {
    assert_eq!(
        messages("- a\n- b\n"),
        ["n1.yml: must be a map of sections, but is a list"]
    );
}

#[test]
fn yaml_errors_have_line_and_column() {
    assert_eq!(
        messages("scope: demo\nname: !secret x\n"),
        ["n1.yml:2:7: the tag `!secret` is not supported"]
    );
    let told = messages("scope: demo\nname: [1, 2\n");
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("n1.yml:3:1: this is not valid YAML: "),
        "{told:?}"
    );
}

#[test]
fn a_second_document_is_refused() {
    assert_eq!(
        messages("a: 1\n---\nb: 2\n"),
        ["n1.yml:2:1: there is a second document, only one is allowed"]
    );
}

#[test]
fn every_missing_key_is_told_at_once() {
    assert_eq!(
        messages("log: {level: INFO}\n"),
        [
            "n1.yml:1:1: name: is missing: write the name of this member, unique in its cluster",
            "n1.yml:1:1: scope: is missing: write the name of the cluster",
            "n1.yml:1:1: restapi.listen: is missing: write where the REST API listens, for example 0.0.0.0:8008",
            "n1.yml:1:1: restapi.connect_address: is missing: write the host:port at which other members reach \
             this REST API",
            "n1.yml:1:1: etcd3: is missing: there is no section for a store; write the servers of etcd or ZooKeeper, for \
             example etcd3: {hosts: \"10.0.0.1:2379,10.0.0.2:2379\"}",
            "n1.yml:1:1: postgresql.listen: is missing: write where PostgreSQL listens, for example 0.0.0.0:5432",
            "n1.yml:1:1: postgresql.connect_address: is missing: write the host:port at which other members \
             reach this PostgreSQL",
            "n1.yml:1:1: postgresql.data_dir: is missing: write the path of the data directory",
            "n1.yml:1:1: postgresql.authentication.replication.username: is missing: write the user that streams WAL",
        ]
    );
}

#[test]
fn wrong_values_are_told_one_by_one() {
    let table = [
        (
            "name: n1",
            "name: ''",
            "3:7: name: is missing: write the name of this member, unique in its cluster",
        ),
        (
            "name: n1",
            "name: on",
            "3:7: name: must be a text, but is a boolean",
        ),
        (
            "name: n1",
            "name: [a]",
            "3:7: name: must be a text, but is a list",
        ),
        (
            "name: n1",
            "name: __patroni_strict_sync_replica_placeholder__",
            "3:7: name: this name is reserved, write another one",
        ),
        (
            "name: n1",
            "name: <NODE_NAME>",
            "3:7: name: `<NODE_NAME>` is a placeholder, write the real name",
        ),
        (
            "\"0.0.0.0:8008\"",
            "'0.0.0.0'",
            "4:19: restapi.listen: `0.0.0.0` has no port, write host:port",
        ),
        (
            "\"0.0.0.0:8008\"",
            "'0.0.0.0:80080'",
            "4:19: restapi.listen: `0.0.0.0:80080` has no port from 1 to 65535, write host:port",
        ),
        (
            "\"10.0.0.1:8008\"",
            "'0.0.0.0:8008'",
            "4:52: restapi.connect_address: `0.0.0.0` is not an address that other members can \
             connect to, write this member's",
        ),
        (
            "\"10.0.0.1:8008\"",
            "'http://10.0.0.1:8008'",
            "4:52: restapi.connect_address: this is a URL or has a user in it, write host:port",
        ),
        (
            "[\"10.0.0.11:2379\", \"10.0.0.12:2379\"]",
            "[]",
            "5:16: etcd3.hosts: the list is empty, write host:port of each etcd server",
        ),
        (
            "\"10.0.0.12:2379\"",
            "'10.0.0.12:etcd'",
            "5:35: etcd3.hosts[1]: `10.0.0.12:etcd` has no port from 1 to 65535, write host:port",
        ),
        (
            "{hosts: [\"10.0.0.11:2379\", \"10.0.0.12:2379\"]}",
            "{username: u}",
            "5:8: etcd3.hosts: is missing: write host:port of each etcd server, or srv: the domain \
             whose DNS tells them",
        ),
        (
            "{hosts: [\"10.0.0.11:2379\", \"10.0.0.12:2379\"]}",
            "10.0.0.11:2379",
            "5:8: etcd3: must be a map, but is a text",
        ),
        (
            "/var/lib/postgresql/data",
            "",
            "7:3: postgresql.data_dir: is missing: write the path of the data directory",
        ),
        (
            "superuser: {username: postgres, password: x}",
            "superuser: postgres",
            "11:16: postgresql.authentication.superuser: must be a map, but is a text",
        ),
        (
            "{username: replicator, password: y}",
            "replicator",
            "12:18: postgresql.authentication.replication: must be a map, but is a text",
        ),
        (
            "{username: replicator, password: y}",
            "{password: y}",
            "12:18: postgresql.authentication.replication.username: is missing: write the user \
             that streams WAL",
        ),
    ];
    for (from, to, expected) in table {
        assert_eq!(after(from, to), [format!("n1.yml:{expected}")], "{to}");
    }
}

#[test]
fn wrong_sections_are_told_one_by_one() {
    let table = [
        (
            "log: {level: LOUD}\n",
            "13:14: log.level: `LOUD` is not a level, write DEBUG, INFO, WARNING or ERROR",
        ),
        ("log: INFO\n", "13:6: log: must be a map, but is a text"),
        (
            "watchdog: {mode: sometimes}\n",
            "13:18: watchdog.mode: `sometimes` is not a mode, write off, automatic or required",
        ),
        (
            "watchdog: {safety_margin: wide}\n",
            "13:27: watchdog.safety_margin: must be an integer, but is a text",
        ),
        (
            "tags: {nofailover: maybe}\n",
            "13:20: tags.nofailover: must be true or false, but is a text",
        ),
        (
            "tags: {failover_priority: high}\n",
            "13:27: tags.failover_priority: must be an integer, but is a text",
        ),
        (
            "tags: {weight: .inf}\n",
            "13:16: tags.weight: there is a number that JSON cannot hold, write a finite one",
        ),
        (
            "bootstrap: {dcs: [a]}\n",
            "13:18: bootstrap.dcs: must be a map, but is a list",
        ),
        (
            "bootstrap: {initdb: data-checksums}\n",
            "13:21: bootstrap.initdb: must be a list of options, but is a text",
        ),
        (
            "bootstrap: {initdb: [{a: b, c: d}]}\n",
            "13:22: bootstrap.initdb[0]: must be an option, or one `option: value`, but is a map",
        ),
        (
            "bootstrap: {pg_hba: local all all trust}\n",
            "13:21: bootstrap.pg_hba: must be a list of texts, but is a text",
        ),
        (
            "  parameters: {shared_preload_libraries: [a, b]}\n",
            "13:42: postgresql.parameters.shared_preload_libraries: must be a text, a number or a \
             boolean, but is a list",
        ),
        (
            "  use_unix_socket: perhaps\n",
            "13:20: postgresql.use_unix_socket: must be true or false, but is a text",
        ),
        (
            "  pg_ctl_timeout: 0\n",
            "13:19: postgresql.pg_ctl_timeout: 0 is not a timeout, write at least 1 second",
        ),
        (
            "ctl: {authentication: {username: u}}\n",
            "13:23: ctl.authentication.password: is missing: write the password",
        ),
    ];
    for (more, expected) in table {
        assert_eq!(with(more), [format!("n1.yml:{expected}")], "{more}");
    }
}

#[test]
fn what_must_not_be_ignored_is_refused() {
    const TLS: &str =
        "TLS is not served yet; remove it, or keep this member on Patroni until it is";
    let rest = "{listen: \"0.0.0.0:8008\",";
    assert_eq!(
        after(rest, &format!("{rest} certfile: /a,")),
        [format!("n1.yml:4:35: restapi.certfile: {TLS}")]
    );
    assert_eq!(
        after(rest, &format!("{rest} allowlist: [10.0.0.0/8],")),
        [
            "n1.yml:4:35: restapi.allowlist: an allow list is not served yet, and without it \
          everybody could change the cluster; remove it and use authentication"
        ]
    );
    assert_eq!(
        after("etcd3: {", "etcd3: {protocol: ftp, "),
        ["n1.yml:5:19: etcd3.protocol: `ftp` is not a protocol, write http or https"]
    );
    assert_eq!(
        with("citus: {group: 1, database: citus}\n"),
        [
            "n1.yml:13:1: citus: Citus is not served yet, and its keys lie elsewhere in the store; \
          remove the section"
        ]
    );
    assert_eq!(
        with(
            "bootstrap: {method: restore, restore: {command: /r, recovery_conf: [a], from: {}}}\n"
        ),
        [
            "n1.yml:13:68: bootstrap.restore.recovery_conf: must be a map, but is a list",
            "n1.yml:13:79: bootstrap.restore.from: must be a text, a number or a boolean, but is a \
          map",
        ]
    );
}

#[test]
fn a_store_that_is_not_served_is_refused() {
    let table = [
        ("consul", "Consul"),
        ("kubernetes", "Kubernetes"),
        ("exhibitor", "Exhibitor"),
        ("raft", "Raft"),
    ];
    for (section, shown) in table {
        assert_eq!(
            after("etcd3: {", &format!("{section}: {{")),
            [format!(
                "n1.yml:5:{}: {section}: {shown} is not served; the store must be etcd \
                 (section etcd3) or ZooKeeper (section zookeeper)",
                section.len() + 3
            )]
        );
    }
}

#[test]
fn a_zookeeper_section_is_checked() {
    let told = |section: &str| {
        let text = format!("scope: demo\nzookeeper: {section}\n");
        let read = herdsman_agent::settings::ControlSettings::from_text(&text, "n1.yml");
        read.expect_err(section).to_string()
    };
    for (section, about) in [
        ("{hosts: []}", "zookeeper.hosts: the list is empty"),
        ("{use_ssl: false}", "zookeeper.hosts: is missing"),
        ("{hosts: 'a:x'}", "zookeeper.hosts"),
        ("{hosts: a, use_ssl: often}", "zookeeper.use_ssl"),
        ("{hosts: a, use_ssl: true, cert: [x]}", "zookeeper.cert"),
        (
            "{hosts: a, set_acls: {'digest:u:hunter2': [FLY]}}",
            "zookeeper.set_acls: a permission",
        ),
        (
            "{hosts: a, auth_data: [hunter2]}",
            "zookeeper.auth_data: must be a map",
        ),
    ] {
        let told = told(section);
        assert!(told.contains(about), "{section}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn no_message_shows_a_password() {
    let hosts = "{hosts: [\"10.0.0.11:2379\", \"10.0.0.12:2379\"]}";
    for url in [
        "https://u:hunter2@h:port",
        "http://u:hunter2@h:port",
        "http://u:hunter2/more@h",
        "u:hunter2@h",
    ] {
        for key in ["url", "hosts", "host", "proxy"] {
            let told = after(hosts, &format!("{{{key}: '{url}'}}"));
            assert!(!told.is_empty(), "{key} {url}");
            assert!(!told.join("\n").contains("hunter2"), "{told:?}");
        }
    }
    let told = after("password: x", "password: [hunter2]");
    assert_eq!(
        told,
        [
            "n1.yml:11:47: postgresql.authentication.superuser.password: must be a text, but is a list"
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_its_cause() {
    let path = std::path::Path::new("/nonexistent/patroni.yml");
    let error = Settings::from_file(path).unwrap_err();
    assert!(matches!(error, Error::Read { .. }));
    assert_eq!(
        error.to_string(),
        "cannot read the configuration /nonexistent/patroni.yml"
    );
    assert!(std::error::Error::source(&error).is_some());
}
