//! One walk through what an operator asks of a cluster, by two command lines: ours, and that of
//! the reference where it is installed.

use std::path::PathBuf;
use std::process::Command;

use herdsman_tests::cluster::{Cluster, Member, control_program, wait_for};
use serde_json::Value;

use super::super::wait_for_rejoin;

const SCOPE: &str = "e2e";

struct Tool {
    program: PathBuf,
    configuration: PathBuf,
}

impl Tool {
    /// Runs a command that must succeed; gives what it printed.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        let ran = Command::new(&self.program)
            .arg("-c")
            .arg(&self.configuration)
            .args(arguments)
            .output()
            .expect("the program can be started");
        let told = String::from_utf8_lossy(&ran.stdout).into_owned();
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(
            ran.status.success(),
            "{arguments:?}: {}\n{told}\n{errors}",
            ran.status
        );
        told
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let told = self.run(arguments);
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {told}"))
    }

    #[track_caller]
    fn says(&self, arguments: &[&str], expected: &str) {
        let told = self.run(arguments);
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
}

#[test]
fn patronictl_works_against_our_cluster() {
    let program = PathBuf::from("patronictl");
    if Command::new(&program).arg("version").output().is_err() {
        eprintln!("skipped: patronictl is not installed");
        return;
    }
    walk(program);
}

#[test]
fn our_command_line_does_all_that_patronictl_does() {
    walk(control_program());
}

fn walk(program: PathBuf) {
    let cluster = Cluster::builder().start();
    let leader = cluster.wait_until_settled();
    let other = cluster.others(leader.name())[0];
    let tool = Tool {
        program,
        configuration: leader.configuration(),
    };
    shows_and_changes_the_configuration(&tool, leader);
    restarts(&tool, &cluster, leader, other);
    tool.says(&["pause", SCOPE, "--wait"], "cluster management is paused");
    tool.says(
        &["resume", SCOPE, "--wait"],
        "cluster management is resumed",
    );
    moves(&tool, &cluster, leader, other);
    tool.says(
        &["reinit", SCOPE, other.name(), "--force", "--wait"],
        "Success: reinitialize for member",
    );
    wait_for_rejoin(&cluster, leader.name());
    let history = tool.json(&["history", SCOPE, "-f", "json"]);
    assert_eq!(history.as_array().map(Vec::len), Some(2), "{history}");
}

fn shows_and_changes_the_configuration(tool: &Tool, leader: &Member) {
    let listed = tool.json(&["list", SCOPE, "-f", "json"]);
    let members = listed.as_array().expect("a list");
    assert_eq!(members.len(), 3, "{listed}");
    let leads = |member: &&Value| member["Role"] == "Leader";
    let shown = members.iter().find(leads).expect("a leader");
    assert_eq!(shown["Member"], leader.name(), "{listed}");

    tool.says(&["show-config", SCOPE], "max_connections");
    let change = "maximum_lag_on_failover=2097152";
    tool.says(
        &["edit-config", SCOPE, "--force", "-s", change],
        "Configuration changed",
    );
    tool.says(&["show-config", SCOPE], "2097152");
}

fn restarts(tool: &Tool, cluster: &Cluster, leader: &Member, other: &Member) {
    let restart = ["restart", SCOPE, other.name(), "--force"];
    tool.says(
        &["reload", SCOPE, other.name(), "--force"],
        "Reload request received",
    );
    tool.says(&restart, "Success: restart on member");
    let at = ["--scheduled", "2099-01-01T00:00:00+00:00"];
    tool.says(
        &[&restart[..], &at[..]].concat(),
        "Success: restart scheduled",
    );
    tool.says(
        &["flush", SCOPE, other.name(), "restart", "--force"],
        "Success: flush scheduled restart",
    );
    tool.says(
        &["restart", SCOPE, leader.name(), "--force"],
        "Success: restart on member",
    );

    let change = "max_locks_per_transaction=72";
    tool.says(
        &["edit-config", SCOPE, "--force", "-p", change],
        "Configuration changed",
    );
    let waiting = || {
        let listed = tool.json(&["list", SCOPE, "-f", "json"]);
        let members = listed.as_array().cloned().unwrap_or_default();
        let waits = |member: &&Value| member["Pending restart"] == "*";
        members.iter().filter(waits).count()
    };
    wait_for("all to wait for a restart", || {
        (waiting() == 3).then_some(())
    });
    let done = tool.run(&["restart", SCOPE, "--pending", "--force"]);
    assert_eq!(
        done.matches("Success: restart on member").count(),
        3,
        "{done}"
    );
    wait_for("no restart to be waited for", || {
        (waiting() == 0).then_some(())
    });
    let value = leader.ask("SHOW max_locks_per_transaction");
    assert_eq!(value.unwrap_or_default(), "72");
    wait_for_rejoin(cluster, leader.name());
}

fn moves(tool: &Tool, cluster: &Cluster, leader: &Member, other: &Member) {
    let switch = |from: &Member, to: &Member, more: &[&str]| {
        let mut words = vec!["switchover", SCOPE, "--leader", from.name()];
        words.extend(["--candidate", to.name(), "--force"]);
        words.extend(more);
        tool.run(&words)
    };
    let moved = switch(leader, other, &[]);
    assert!(moved.contains("Successfully switched over to"), "{moved}");
    wait_for_rejoin(cluster, other.name());
    let later = switch(other, leader, &["--scheduled", "2099-01-01T00:00:00+00:00"]);
    assert!(later.contains("Switchover scheduled"), "{later}");
    wait_for("the scheduled switchover to show", || {
        let view = other.get("/cluster").ok()?.json();
        view["scheduled_switchover"]["at"].is_string().then_some(())
    });
    tool.says(
        &["flush", SCOPE, "switchover", "--force"],
        "Success: scheduled switchover deleted",
    );
    tool.says(
        &["failover", SCOPE, "--candidate", leader.name(), "--force"],
        "Successfully failed over to",
    );
    wait_for_rejoin(cluster, leader.name());
}
