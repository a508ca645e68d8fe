//! The cluster's configuration changes while everything runs.

use serde_json::{Value, json};

use herdsman_tests::cluster::{Cluster, Member, wait_for};
use herdsman_tests::keys::Keys;

fn configure(keys: &Keys, parameters: &Value) {
    keys.configure("postgresql", json!({"parameters": parameters}));
}

fn wait_for_setting(member: &Member, name: &str, value: &str) {
    wait_for(&format!("{name} = {value} on {}", member.name()), || {
        (member.ask(&format!("SHOW {name}"))? == value).then_some(())
    });
}

/// Waits until the status and the key of the member say so.
fn wait_for_pending(keys: &Keys, member: &Member, reason: &Value) {
    let flag = if reason.is_null() {
        Value::Null
    } else {
        true.into()
    };
    let says =
        |told: &Value| told["pending_restart"] == flag && told["pending_restart_reason"] == *reason;
    let name = member.name();
    wait_for(&format!("{name} to wait for a restart: {reason}"), || {
        let key = keys.read(&format!("members/{name}"))?;
        let key: Value = serde_json::from_str(&key).ok()?;
        (says(&member.status()?) && says(&key)).then_some(())
    });
}

#[test]
fn parameters_of_the_store_are_in_force_at_once_or_wait_for_a_restart() {
    let cluster = Cluster::builder().start();
    cluster.wait_until_settled();
    let keys = Keys::of(&cluster);

    configure(&keys, &json!({"max_connections": 40, "work_mem": "5120kB"}));

    for member in cluster.members() {
        wait_for_setting(member, "work_mem", "5MB");
        let reason = json!({"max_connections": {"old_value": "30", "new_value": "40"}});
        wait_for_pending(&keys, member, &reason);
    }

    configure(&keys, &json!({"max_connections": 30}));

    for member in cluster.members() {
        wait_for_setting(member, "work_mem", "4MB");
        wait_for_pending(&keys, member, &Value::Null);
    }
}
