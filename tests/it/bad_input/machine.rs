//! Machines on which the member must not start: told at once, and together.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::member::programs;
use super::{Member, refusal};

/// A member whose programs are in a folder of the test.
fn with_programs(write: impl FnOnce(&Path)) -> Member {
    let mut member = Member::new();
    let folder = member.folder().join("bin");
    fs::create_dir(&folder).expect("the folder is new");
    write(&folder);
    let own = folder.display().to_string();
    member.spoil(&programs().display().to_string(), &own);
    member
}

fn write_script(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("the folder is ours");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("the file is ours");
}

#[test]
fn missing_programs_are_named() {
    let member = with_programs(|_| {});
    refusal(&member).tells(&[&[
        "postgres, initdb, pg_controldata, pg_basebackup",
        &member.folder().join("bin").display().to_string(),
        "install PostgreSQL or set bin_dir",
    ]]);
}

#[test]
fn version_that_is_not_served_is_named() {
    let member = with_programs(|folder| {
        for name in ["postgres", "initdb", "pg_controldata", "pg_basebackup"] {
            write_script(folder, name, &format!("echo '{name} (PostgreSQL) 12.9'"));
        }
    });
    refusal(&member).tells(&[&["PostgreSQL 12.9", "13", "18"]]);
}

#[test]
fn data_of_another_version_is_named() {
    let member = Member::new();
    member.initdb();
    let version = member.data_dir().join("PG_VERSION");
    fs::write(&version, "13\n").expect("the file is ours");
    refusal(&member).tells(&[&["data directory", "PostgreSQL 13", "the programs are"]]);
}

#[test]
fn data_directory_that_is_open_to_others_is_refused() {
    let member = Member::new();
    member.initdb();
    fs::set_permissions(member.data_dir(), Permissions::from_mode(0o755)).expect("it is ours");
    refusal(&member).tells(&[&["has mode 0755", "change it to 0700 or 0750"]]);
}

#[test]
fn folder_of_something_else_is_refused() {
    let member = Member::new();
    fs::create_dir(member.data_dir()).expect("the folder is new");
    fs::write(member.data_dir().join("diary.txt"), "dear diary").expect("it is ours");
    refusal(&member).tells(&[&[
        &member.data_dir().display().to_string(),
        "is not empty",
        "empty it or name another data directory",
    ]]);
}

#[test]
fn taken_port_of_the_rest_api_is_told() {
    let member = Member::new();
    let _taken = TcpListener::bind(member.rest).expect("nobody listens there");
    let address = member.rest.to_string();
    refusal(&member).tells(&[&[
        "restapi.listen: ",
        &address,
        "is taken: stop the other process or choose another port",
    ]]);
}

#[test]
fn taken_port_of_postgresql_is_told() {
    let member = Member::new();
    let _taken = TcpListener::bind(member.postgres).expect("nobody listens there");
    let address = member.postgres.to_string();
    refusal(&member).tells(&[&[
        &address,
        "in use",
        "stop the other program or change postgresql.listen",
    ]]);
}

#[test]
fn all_that_is_wrong_with_a_machine_is_told_together() {
    let member = with_programs(|_| {});
    fs::create_dir(member.data_dir()).expect("the folder is new");
    fs::write(member.data_dir().join("diary.txt"), "dear diary").expect("it is ours");
    let _taken = TcpListener::bind(member.postgres).expect("nobody listens there");
    refusal(&member).tells(&[
        &["install PostgreSQL or set bin_dir"],
        &["is not empty"],
        &["in use"],
    ]);
}
