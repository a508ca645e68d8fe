//! A cluster in failsafe mode whose store goes away: does its primary go on while all members are
//! there, and stop in time when one is not?

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::{Cluster, Member, StoreKind, Writer, wait_for};

/// The lease, in seconds.
pub const TTL: u64 = 5;
/// The pause between two rows.
const EVERY: Duration = Duration::from_millis(10);

/// A settled cluster of three in failsafe mode, whose key names all of them.
#[must_use]
pub fn cluster(kind: StoreKind) -> Cluster {
    let cluster = Cluster::builder()
        .store(kind)
        .ttl(TTL)
        .config(&json!({"failsafe_mode": true}))
        .start();
    wait_until_listed(&cluster);
    cluster
}

/// Waits until every member is told that all of them are listed.
pub fn wait_until_listed(cluster: &Cluster) {
    for member in cluster.members() {
        wait_for("all members to be listed", || {
            let listed = member.get("/failsafe").ok()?;
            let count = listed.json().as_object().map(serde_json::Map::len);
            (listed.status == 200 && count == Some(cluster.members().len())).then_some(())
        });
    }
}

/// Waits until a member tells that failsafe mode is active.
pub fn wait_until_active(member: &Member) {
    wait_for(
        &format!("failsafe mode to be active at {}", member.name()),
        || (member.status()?["failsafe_mode_is_active"] == Value::Bool(true)).then_some(()),
    );
}

/// The longest time without an acknowledged row in an outage of the store that all members live
/// through, while the agent of a standby is started anew.
///
/// # Panics
/// When the leader or its timeline is another one afterwards, or a row is lost.
#[must_use]
pub fn ride_out(cluster: &Cluster, outage: Duration) -> Duration {
    let leader = cluster.wait_until_settled();
    let (name, timeline) = (leader.name(), cluster.timeline());
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(50);
    let since = Instant::now();
    cluster.store().kill(0);
    wait_until_active(leader);
    let others = cluster.others(name);
    others.iter().for_each(|other| wait_until_active(other));
    others[0].kill_daemon();
    others[0].start_daemon();
    std::thread::sleep(outage.saturating_sub(since.elapsed()));
    let gap = writer.gap_after(since);
    cluster.store().restart(0);
    cluster.store().wait_until_all_answer();
    assert_eq!(cluster.wait_until_settled().name(), name);
    assert_eq!(cluster.timeline(), timeline, "nobody was promoted");
    writer.wait_for_rows(50);
    let gap = gap.max(writer.gap_after(since));
    let lost = writer.stop().lost(cluster);
    assert!(lost.is_empty(), "lost rows: {lost:?}");
    gap
}

/// How long after the store went away the last row was acknowledged, when a member is down.
///
/// # Panics
/// When the primary does not stop.
#[must_use]
pub fn stop_in_time(cluster: &Cluster, writer: &Writer) -> Duration {
    let leader = cluster.wait_until_settled();
    let down = cluster.others(leader.name())[0];
    down.kill_host();
    let since = Instant::now();
    cluster.store().kill(0);
    wait_for("the primary to be read only", || {
        (leader.is_primary() == Some(false)).then_some(())
    });
    let written = writer.written();
    let last = written.last_by(leader.name()).expect("it took rows");
    let took = last.at.saturating_duration_since(since);
    cluster.store().restart(0);
    cluster.store().wait_until_all_answer();
    down.start_daemon();
    cluster.wait_until_settled();
    took
}

/// The outages of a minute, on both stores.
///
/// # Panics
/// When something is not as it should be.
pub fn run(tell: impl Fn(&str)) {
    for kind in [StoreKind::Etcd, StoreKind::ZooKeeper] {
        let cluster = cluster(kind);
        let gap = ride_out(&cluster, Duration::from_secs(60));
        tell(&format!(
            "{kind:?}: 60 s without the store, longest time without a row {gap:?}"
        ));
        assert!(gap < Duration::from_secs(1), "{gap:?} without a row");
    }
}
