//! Real daemons, real PostgreSQL, real etcd and ZooKeeper: what a client and an operator would see.
//!
//! Each test has a cluster of its own. Conditions are waited for, never a time.

use std::path::PathBuf;
use std::time::Duration;

use herdsman_tests::cluster::{Cluster, Member, Written, wait_for};

mod balancer;
mod beside_patroni;
mod bootstrap;
mod cascade;
mod crash;
mod daemon;
mod embedding;
mod encrypted;
mod failsafe;
mod garbage;
mod guide;
mod host;
mod identity;
mod leaving;
mod maintenance;
mod parameters;
mod pause;
mod reality;
mod rewind;
mod scripts;
mod secrets;
mod secured_store;
mod slots;
mod standby_cluster;
mod store_lost;
mod store_of_three;
mod switchover;
mod synchronous;
mod take_over;
mod zookeeper;
mod zookeeper_guide;

/// How often the clients of these tests write.
const EVERY: Duration = Duration::from_millis(10);

/// What the file of a guide leaves to its reader, for one member.
struct Blanks {
    /// Everything of the member lies in it.
    folder: PathBuf,
    /// Where one of its ports is.
    address: fn(u16) -> String,
    /// Quoted, because it holds what YAML would read otherwise.
    password: String,
}

impl Blanks {
    fn of(member: &Member) -> Self {
        let file = member.configuration();
        let folder = file.parent().expect("it is in the member's folder");
        Self {
            folder: folder.to_owned(),
            address: |port| format!("127.0.0.1:{port}"),
            password: serde_json::Value::from(member.endpoint().password).to_string(),
        }
    }
}

/// The text of a guide with something else in each of these places, all of which it has.
fn with_blanks_filled(text: &str, blanks: &[(&str, String)]) -> String {
    let mut text = text.to_owned();
    for (theirs, value) in blanks {
        assert!(text.contains(theirs), "{theirs}");
        text = text.replace(theirs, value);
    }
    text
}

/// When a member last decided so, as the text of its API; nothing when it never did.
fn decided_at(member: &Member, code: &str) -> Option<String> {
    let decisions = member.decisions();
    let mut decisions = decisions.iter().rev();
    let decision = decisions.find(|decision| decision["code"] == code)?;
    decision["since"].as_str().map(str::to_owned)
}

/// Every row that was acknowledged is there.
fn assert_nothing_lost(written: &Written, cluster: &Cluster) {
    let lost = written.lost(cluster);
    assert!(lost.is_empty(), "lost rows: {lost:?}");
}

/// What an asynchronous standby may miss are the last rows before a crash. A hole before rows that
/// it has would be something else.
fn assert_only_the_newest_are_lost(written: &Written, cluster: &Cluster, old_leader: &str) {
    let lost = written.lost(cluster);
    let by_old = written.acks.iter().filter(|ack| *ack.by == *old_leader);
    let newest: Vec<i64> = by_old.map(|ack| ack.id).collect();
    let newest = &newest[newest.len().saturating_sub(lost.len())..];
    assert_eq!(lost, newest, "of the rows that {old_leader} acknowledged");
}

/// Waits until all members are in order again, also one that had to replace its data.
fn wait_for_rejoin(cluster: &Cluster, leader: &str) {
    wait_for(&format!("all to follow {leader}"), || {
        (cluster.wait_until_settled().name() == leader).then_some(())
    });
}

/// What a primary must take.
fn write(member: &Member, sql: &str) {
    let session = member.session().expect("the primary takes connections");
    session.execute(sql).expect("the primary takes writes");
}
