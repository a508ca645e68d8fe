//! Configurations in which something is wrong: told by file, place and key.

use super::daemon::refused_arguments;
use super::{Member, refusal};

#[track_caller]
fn told(from: &str, to: &str, words: &[&str]) {
    refusal(&Member::spoiled(from, to)).tells(&[words]);
}

#[test]
fn broken_yaml_is_told_with_line_and_column() {
    told("name: n1", "name: [n1", &["n1.yml:", "not valid YAML"]);
    told(
        "name: n1",
        "name: !secret n1",
        &["n1.yml:2:7:", "the tag `!secret` is not supported"],
    );
}

#[test]
fn missing_key_is_told_with_its_path() {
    told(
        "scope: lone\n",
        "",
        &["n1.yml:1:1: scope: is missing: write the name of the cluster"],
    );
    let mut member = Member::new();
    let data_dir = format!("  data_dir: {}\n", member.data_dir().display());
    member.spoil(&data_dir, "");
    refusal(&member).tells(&[&["postgresql.data_dir: is missing: write the path"]]);
}

#[test]
fn every_problem_has_a_line_of_its_own() {
    let mut member = Member::spoiled("scope: lone\n", "");
    member.spoil("name: n1", "name: [n1]");
    refusal(&member).tells(&[&["name: must be a text"], &["scope: is missing"]]);
}

#[test]
fn value_of_a_wrong_type_is_told_with_its_place() {
    told(
        "name: n1",
        "name: [n1]",
        &["n1.yml:2:7: name: must be a text, but is a list"],
    );
    told(
        "  initdb: [{encoding: UTF8}, data-checksums]",
        "  initdb: 5",
        &["bootstrap.initdb: must be a list"],
    );
}

#[test]
fn missing_store_is_told_with_an_example() {
    told(
        "etcd3:\n  hosts: ",
        "log:\n  format: ",
        &[
            "etcd3: is missing: there is no section for a store; write the servers of etcd or ZooKeeper",
        ],
    );
}

#[test]
fn store_that_is_not_served_is_refused() {
    for (section, name) in [("consul", "Consul"), ("raft", "Raft")] {
        told(
            "etcd3:",
            &format!("{section}:"),
            &[section, name, "the store must be etcd (section etcd3)"],
        );
    }
}

#[test]
fn tls_is_refused_rather_than_left_out() {
    told(
        "restapi:\n",
        "restapi:\n  certfile: /etc/ssl/certs/n1.pem\n",
        &[
            "restapi.certfile: ",
            "TLS",
            "remove it, or keep this member",
        ],
    );
}

#[test]
fn allow_list_is_refused_rather_than_left_out() {
    told(
        "restapi:\n",
        "restapi:\n  allowlist: [10.0.0.0/8]\n",
        &["restapi.allowlist: ", "use authentication"],
    );
}

#[test]
fn quorum_mode_of_a_new_cluster_is_refused() {
    told(
        "    ttl: 5\n",
        "    ttl: 5\n    synchronous_mode: quorum\n",
        &["bootstrap.dcs.synchronous_mode quorum is not served yet"],
    );
}

#[test]
fn standby_cluster_with_a_slip_is_not_made_as_one_of_its_own() {
    let told_of = |section: &str, lines: &[&[&str]]| {
        let spoiled = format!("    ttl: 5\n    standby_cluster: {section}\n");
        refusal(&Member::spoiled("    ttl: 5\n", &spoiled)).tells(lines);
    };
    told_of(
        "{hots: 10.0.0.1}",
        &[
            &["bootstrap.dcs.standby_cluster.hots is not a known key"],
            &["bootstrap.dcs.standby_cluster names no source"],
        ],
    );
    told_of(
        "{host: 10.0.0.1, port: 70000}",
        &[&["bootstrap.dcs.standby_cluster.port", "no port"]],
    );
    told_of(
        "{primary_slot_name: dr}",
        &[&["write at least one of host, port and restore_command"]],
    );
}

#[test]
fn unknown_key_is_named_with_the_one_that_was_meant() {
    // The key alone is no reason to stay away; the missing programs are.
    let mut member = Member::new();
    let programs = super::member::programs().display().to_string();
    member.spoil(&programs, "/nowhere/at/all");
    member.spoil("  bin_dir:", "  bin_dri: x\n  bin_dir:");
    let refusal = refusal(&member);
    let named = |line: &String| line.contains("bin_dri") && line.contains("bin_dir");
    assert!(refusal.log.iter().any(named), "{:#?}", refusal.log);
}

#[test]
fn unknown_option_is_answered_with_the_usage() {
    let refusal = refused_arguments(&["--force"]);
    assert_eq!(refusal.code, 2);
    assert_eq!(refusal.lines[0], "herdsman: `--force` is not understood");
    assert!(refusal.lines[1].starts_with("usage: "), "{refusal:#?}");

    assert_eq!(refused_arguments(&["a.yml", "b.yml"]).code, 2);
}

#[test]
fn missing_file_is_told_with_its_path_and_the_reason() {
    let refusal = refused_arguments(&["/nowhere/n1.yml"]);
    refusal.tells(&[&["/nowhere/n1.yml", "No such file"]]);
}

#[test]
fn secret_in_a_broken_value_is_not_told() {
    // Everything that the daemon writes is searched for the passwords of the member.
    let values = "{username: postgres, password: wren-of-the-superuser}";
    let list = "[postgres, wren-of-the-superuser]";
    told(
        values,
        list,
        &["postgresql.authentication.superuser: must be"],
    );

    let url = "  url: http://root:lark-of-the-replication\n  unused: ";
    let member = Member::spoiled("  hosts: ", url);
    let refusal = refusal(&member);
    assert!(refusal.lines[0].contains("etcd3.url: "), "{refusal:#?}");
}
