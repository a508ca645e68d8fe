//! Which configuration is found, and how the program ends without one.

use std::fs;
use std::path::Path;

use crate::support::{Ended, Store, nobody, program, run};

fn ended(arguments: &[&str]) -> Ended {
    let mut command = program();
    command.args(arguments);
    run(command, "")
}

/// What a member's own file may look like; its passwords must not be seen.
fn member_file(store: &Store) -> String {
    format!(
        "scope: batman\nname: n1\n\
         restapi: {{listen: '0.0.0.0:8008', authentication: {{username: u, password: hunter2}}}}\n\
         etcd3: {{hosts: ['{}']}}\n\
         postgresql: {{data_dir: data, authentication: {{superuser: {{password: hunter2}}}}}}\n",
        store.address()
    )
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    let parent = file.parent().expect("it is in the folder");
    fs::create_dir_all(parent).expect("the folder is writable");
    fs::write(&file, text).expect("the folder is writable");
    file.to_str().expect("our paths are text").to_owned()
}

#[test]
fn files_are_found_by_option_variable_and_home() {
    let store = Store::with_cluster(nobody());
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let text = member_file(&store);
    let file = write(folder.path(), "patroni/patronictl.yaml", &text);
    let shown = ended(&["-c", &file, "list"]);
    assert_eq!((shown.code, shown.err.as_str()), (Some(0), ""));
    assert!(shown.out.contains("postgresql1"), "{}", shown.out);

    let mut command = program();
    command.arg("list").env("PATRONICTL_CONFIG_FILE", &file);
    assert_eq!(run(command, ""), shown);

    let mut command = program();
    command.arg("list").env("XDG_CONFIG_HOME", folder.path());
    assert_eq!(run(command, ""), shown);
}

#[test]
fn the_url_of_the_store_wins_over_the_file() {
    let store = Store::with_cluster(nobody());
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let text = "scope: batman\nconsul: {host: 'x:8500'}\n";
    let file = write(folder.path(), "ctl.yml", text);
    let refused = ended(&["-c", &file, "list"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.err.contains("Consul is not served"),
        "{}",
        refused.err
    );
    let url = format!("etcd3://{}/service", store.address());
    let shown = ended(&["-k", "-c", &file, "--dcs-url", &url, "list"]);
    assert_eq!((shown.code, shown.err.as_str()), (Some(0), ""));
    let mut command = program();
    command.args(["-c", &file, "list"]).env("DCS_URL", &url);
    assert_eq!(run(command, ""), shown);
}

#[test]
fn a_file_that_cannot_be_used_is_told_without_its_passwords() {
    let missing = ended(&["-c", "/nonexistent.yml", "list"]);
    assert_eq!(missing.code, Some(1));
    assert_eq!(
        missing.err,
        "Error: Provided config file /nonexistent.yml not existing or no read rights. \
         Check the -c/--config-file parameter\n"
    );
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let text = "scope: batman\netcd3: {url: 'ftp://u:hunter2@h:1', password: hunter2}\n";
    let file = write(folder.path(), "ctl.yml", text);
    let refused = ended(&["-c", &file, "list"]);
    assert_eq!(refused.code, Some(1));
    let place = format!("Error: {file}:2:");
    assert!(refused.err.starts_with(&place), "{}", refused.err);
    assert!(!refused.err.contains("hunter2"), "{}", refused.err);
}

#[test]
fn without_a_cluster_there_is_nothing_to_do() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = write(folder.path(), "ctl.yml", "etcd3: {host: 127.0.0.1}\n");
    let nothing = ended(&["-c", &file, "list"]);
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(0), ""));
    assert_eq!(
        nothing.err,
        "Warning: Listing members: No cluster names were provided\n"
    );
    let pause = ended(&["-c", &file, "pause"]);
    assert_eq!(pause.code, Some(1));
    assert!(
        pause.err.starts_with("Error: no cluster is named"),
        "{}",
        pause.err
    );
}

#[test]
fn version_needs_no_configuration() {
    let version = ended(&["version"]);
    assert_eq!(version.code, Some(0));
    assert!(
        version.out.starts_with("herdsmanctl version "),
        "{}",
        version.out
    );
}

#[test]
fn bad_usage_ends_with_status_2() {
    for arguments in [
        &["lisst"][..],
        &["list", "--format", "xml"],
        &["list", "-w", "0"],
        &[],
    ] {
        assert_eq!(ended(arguments).code, Some(2), "{arguments:?}");
    }
}
