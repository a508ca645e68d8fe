//! A standby that streams from another standby, as its tag `replicatefrom` asks for.

use herdsman_tests::cluster::{Cluster, Member, wait_for};
use serde_json::json;

use super::{EVERY, assert_nothing_lost};

/// n3 streams from n2, and n1 leads. Of equals n2 takes over.
fn cluster() -> Cluster {
    let cluster = Cluster::builder()
        .ttl(5)
        .local_of("n2", json!({"tags": {"failover_priority": 2}}))
        .local_of("n3", json!({"tags": {"replicatefrom": "n2"}}))
        .start();
    let first = wait_for("a primary", || cluster.primary())
        .name()
        .to_owned();
    if first != "n1" {
        move_to(&cluster, &first, "n1");
    }
    cluster
}

fn move_to(cluster: &Cluster, from: &str, to: &str) {
    wait_for(&format!("the leadership to move to {to}"), || {
        let leader = cluster.primary()?;
        if leader.name() == to {
            return Some(());
        }
        // Refused until the candidate streams.
        let _ = cluster.switchover(from, Some(to));
        None
    });
}

fn wait_for_stream(from: &Member, to: &Member) {
    let what = format!("{} to stream from {}", to.name(), from.name());
    let port = from.port().to_string();
    wait_for(&what, || {
        let query = "SELECT sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'";
        (to.ask(query)? == port).then_some(())
    });
}

/// Whether a slot is in use, as its server tells.
fn slot(member: &Member, name: &str) -> Option<String> {
    member.ask(&format!(
        "SELECT active FROM pg_replication_slots WHERE slot_name = '{name}'"
    ))
}

#[test]
fn standby_follows_its_named_upstream_wherever_the_leadership_goes() {
    let cluster = cluster();
    let [n1, n2, n3] = ["n1", "n2", "n3"].map(|name| cluster.member(name));
    let writer = cluster.writer(EVERY);
    wait_for_stream(n1, n2);
    wait_for_stream(n2, n3);
    wait_for("the slot of n3 to be in use on n2 alone", || {
        (slot(n2, "n3")? == "t" && slot(n1, "n3")? == "f").then_some(())
    });
    // What nobody uses on the leader is moved on all the same.
    let end = n1
        .ask("SELECT pg_current_wal_flush_lsn()")
        .expect("it runs");
    wait_for("the unused slot of n3 on n1 to be moved on", || {
        let query = format!(
            "SELECT restart_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = 'n3'"
        );
        (n1.ask(&query)? == "t").then_some(())
    });
    let shown = n1.get("/cluster").expect("an answer").json().to_string();
    assert!(
        shown.contains(r#""tags":{"replicatefrom":"n2"}"#),
        "{shown}"
    );

    let before = n2.kill_host();
    wait_for_stream(n1, n3);
    let took = before.elapsed();
    eprintln!("n3 streams from the leader {took:?} after the death of n2");
    writer.wait_for_rows(20);
    n2.start_daemon();
    wait_for_stream(n2, n3);

    move_to(&cluster, "n1", "n3");
    wait_for_stream(n3, n1);
    wait_for_stream(n3, n2);
    writer.wait_for_rows(20);
    move_to(&cluster, "n3", "n1");
    wait_for_stream(n2, n3);
    writer.wait_for_rows(20);
    assert_nothing_lost(&writer.stop(), &cluster);

    let before = n1.kill_host();
    cluster.wait_for_leader("n2");
    let took = before.elapsed();
    wait_for_stream(n2, n3);
    eprintln!("n2 leads {took:?} after the death of n1");
}
