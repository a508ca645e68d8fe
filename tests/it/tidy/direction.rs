//! Which member of the workspace may use which: each leaf is useful alone, and
//! everything meets in `agent`.

use super::metadata::{Package, Packages, example, packages};
use super::{expect_none, expect_one};

const LIBRARIES: &[&str] = &[
    "herdsman-dcs",
    "herdsman-pgctl",
    "herdsman-ha-core",
    "herdsman-rest-api",
    "herdsman-agent",
];

#[test]
fn members_depend_on_each_other_in_the_agreed_direction() {
    expect_none(&wrong_arrows(packages()));
}

#[test]
fn demo_builds_without_the_etcd_backend() {
    expect_none(&etcd_in_demo(packages()));
}

/// What a member may depend on, or `None` if nobody has decided that.
fn allowed(package: &Package) -> Option<&'static [&'static str]> {
    let is_example = package.manifest.contains("/examples/");
    match package.name.as_str() {
        "herdsman-dcs" | "herdsman-pgctl" | "herdsman-ha-core" | "xtask" => Some(&[]),
        // The simulator has models in the place of everything else.
        "herdsman-rest-api" | "herdsman-sim" => Some(&["herdsman-ha-core"]),
        "herdsman-agent" => Some(&LIBRARIES[..4]),
        // Tests may use anything, examples included.
        "herdsman-tests" => None,
        _ if is_example => Some(LIBRARIES),
        _ => Some(&[]),
    }
}

/// Dependencies for tests count too: a leaf whose tests need another crate is
/// not useful alone.
fn wrong_arrows(packages: &Packages) -> Vec<String> {
    let members: Vec<&Package> = packages.values().filter(|p| p.is_member()).collect();
    let is_member = |name: &str| members.iter().any(|member| member.name == name);
    let mut problems = Vec::new();
    for member in &members {
        let Some(allowed) = allowed(member) else {
            continue;
        };
        let wrong = member.wishes.iter().filter(|wish| {
            let is_itself = wish.name == member.name;
            is_member(&wish.name) && !is_itself && !allowed.contains(&wish.name.as_str())
        });
        problems.extend(wrong.map(|wish| format!("{} depends on {}", member.name, wish.name)));
    }
    problems
}

/// The demo is the first thing a newcomer builds: the etcd client would ask for
/// protoc.
fn etcd_in_demo(packages: &Packages) -> Vec<String> {
    let demo = packages.values().filter(|p| p.name == "herdsman-demo");
    let ours = demo.flat_map(|demo| &demo.wishes);
    ours.filter(|wish| LIBRARIES.contains(&wish.name.as_str()))
        .filter(|wish| {
            let names_etcd = wish.features.iter().any(|feature| feature == "etcd");
            let defaults_to_etcd = wish.name == "herdsman-agent" && wish.has_default_features;
            names_etcd || defaults_to_etcd
        })
        .map(|wish| format!("herdsman-demo uses {} with etcd", wish.name))
        .collect()
}

fn arrows(member: &str, wishes: &[&str], place: &str) -> Vec<String> {
    let mut package = Package::member(member, wishes);
    package.manifest = format!("/somewhere/{place}/Cargo.toml");
    let mut all = vec![package];
    let others = LIBRARIES.iter().filter(|name| **name != member);
    all.extend(others.map(|name| Package::member(name, &[])));
    wrong_arrows(&example(&all))
}

#[test]
fn leaf_that_uses_another_leaf_is_found() {
    expect_one(
        &arrows("herdsman-pgctl", &["herdsman-dcs"], "pgctl"),
        "herdsman-pgctl depends on herdsman-dcs",
    );
    expect_one(
        &arrows("herdsman-rest-api", &["herdsman-agent"], "rest-api"),
        "herdsman-rest-api depends on herdsman-agent",
    );
}

#[test]
fn agreed_arrows_are_no_problem() {
    expect_none(&arrows("herdsman-agent", &LIBRARIES[..4], "agent"));
    expect_none(&arrows(
        "herdsman",
        &["herdsman-agent"],
        "examples/herdsman",
    ));
    expect_none(&arrows("herdsman-tests", LIBRARIES, "tests"));
    expect_none(&arrows("herdsman-pgctl", &["tokio"], "pgctl"));
}

#[test]
fn undecided_member_may_use_no_other() {
    expect_one(
        &arrows("herdsman-common", &["herdsman-dcs"], "common"),
        "herdsman-common",
    );
}

#[test]
fn demo_with_default_features_of_the_agent_is_found() {
    let demo = Package::member("herdsman-demo", &["herdsman-agent"]);
    expect_one(&etcd_in_demo(&example(&[demo])), "herdsman-agent");
}
