//! The command line tool of the reference, as it is installed, against a cluster of ours.

use std::path::PathBuf;
use std::process::Command;

use herdsman_tests::cluster::{Cluster, wait_for};
use serde_json::Value;

use super::super::wait_for_rejoin;

const SCOPE: &str = "e2e";

struct Tool {
    configuration: PathBuf,
}

impl Tool {
    /// Runs a command that must succeed; gives what it printed.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        let ran = Command::new("patronictl")
            .arg("-c")
            .arg(&self.configuration)
            .args(arguments)
            .output()
            .expect("patronictl is installed");
        let told = String::from_utf8_lossy(&ran.stdout).into_owned();
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(
            ran.status.success(),
            "patronictl {arguments:?}: {}\n{told}\n{errors}",
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
    if Command::new("patronictl").arg("version").output().is_err() {
        eprintln!("skipped: patronictl is not installed");
        return;
    }
    let cluster = Cluster::builder().start();
    let leader = cluster.wait_until_settled();
    let tool = Tool {
        configuration: leader.configuration(),
    };
    let other = cluster.others(leader.name())[0];

    let listed = tool.json(&["list", SCOPE, "-f", "json"]);
    let members = listed.as_array().expect("a list");
    assert_eq!(members.len(), 3, "{listed}");
    let leads = |member: &&Value| member["Role"] == "Leader";
    let shown = members.iter().find(leads).expect("a leader");
    assert_eq!(shown["Member"], leader.name(), "{listed}");

    tool.says(&["show-config", SCOPE], "max_connections");
    tool.says(
        &[
            "edit-config",
            SCOPE,
            "--force",
            "-s",
            "maximum_lag_on_failover=2097152",
        ],
        "Configuration changed",
    );
    tool.says(&["show-config", SCOPE], "2097152");
    tool.says(
        &["reload", SCOPE, other.name(), "--force"],
        "Reload request received",
    );
    tool.says(
        &["restart", SCOPE, other.name(), "--force"],
        "Success: restart on member",
    );
    tool.says(
        &[
            "restart",
            SCOPE,
            other.name(),
            "--force",
            "--scheduled",
            "2099-01-01T00:00:00+00:00",
        ],
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
    tool.says(&["pause", SCOPE, "--wait"], "cluster management is paused");
    tool.says(
        &["resume", SCOPE, "--wait"],
        "cluster management is resumed",
    );

    let switch = [
        "switchover",
        SCOPE,
        "--leader",
        leader.name(),
        "--candidate",
        other.name(),
        "--force",
    ];
    tool.says(&switch, "Successfully switched over to");
    wait_for_rejoin(&cluster, other.name());
    let later = [
        "switchover",
        SCOPE,
        "--leader",
        other.name(),
        "--candidate",
        leader.name(),
        "--force",
        "--scheduled",
        "2099-01-01T00:00:00+00:00",
    ];
    tool.says(&later, "Switchover scheduled");
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
    wait_for_rejoin(&cluster, leader.name());
    tool.says(
        &["reinit", SCOPE, other.name(), "--force"],
        "Success: reinitialize for member",
    );
    wait_for_rejoin(&cluster, leader.name());
    let history = tool.json(&["history", SCOPE, "-f", "json"]);
    assert_eq!(history.as_array().map(Vec::len), Some(2), "{history}");
}
