//! Members of both programs in one cluster, where Patroni is installed: failsafe mode.

use std::time::{Duration, Instant};

use herdsman_tests::bench::Contender;
use herdsman_tests::cluster::{Cluster, Member, Writer, wait_for};
use herdsman_tests::soak::failsafe::{wait_until_active, wait_until_listed};
use serde_json::json;

use super::{EVERY, assert_nothing_lost};

/// Patroni uses no shorter one.
const TTL: u64 = 20;
/// Who is Patroni's.
const THEIRS: &str = "n3";

/// A cluster in failsafe mode of two members of ours and one of Patroni, made by `first`, who leads
/// it; nothing where there is no Patroni.
fn cluster_led_by(first: &str) -> Option<Cluster> {
    let program = match Contender::patroni() {
        Ok(Contender::Patroni(program)) => program,
        Ok(Contender::Herdsman) | Err(_) => {
            eprintln!("skipped: Patroni is not installed");
            return None;
        }
    };
    let cluster = Cluster::builder()
        .ttl(TTL)
        .config(&json!({"failsafe_mode": true, "retry_timeout": 3}))
        .daemon_of(THEIRS, program)
        .allow_errors()
        .prepare();
    cluster.member(first).start_daemon();
    cluster.wait_for_leader(first);
    cluster
        .others(first)
        .into_iter()
        .for_each(Member::start_daemon);
    assert_eq!(cluster.wait_until_settled().name(), first);
    wait_until_listed(&cluster);
    Some(cluster)
}

/// Takes etcd away for longer than a lease, while everybody is there: the primary goes on. Gives the
/// client that went on writing.
fn outlast_a_lease(cluster: &Cluster, leader: &Member) -> Writer {
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(50);
    let since = Instant::now();
    cluster.store().kill(0);
    cluster.members().iter().for_each(wait_until_active);
    let late = since + Duration::from_secs(TTL + 3);
    wait_for("the lease to be over", || {
        (Instant::now() > late).then_some(())
    });
    let gap = writer.gap_after(since);
    eprintln!(
        "led by {}: longest time without a row in {:?} without etcd: {gap:?}",
        leader.name(),
        since.elapsed()
    );
    assert!(gap < Duration::from_secs(1), "{gap:?} without a row");
    for other in cluster.others(leader.name()) {
        assert_eq!(other.is_primary(), Some(false), "{}", other.name());
    }
    writer
}

fn give_etcd_back(cluster: &Cluster) {
    cluster.store().restart(0);
    cluster.store().wait_until_all_answer();
}

#[test]
fn our_primary_goes_on_without_etcd_while_patroni_holds_back_and_stops_when_it_is_silent() {
    let Some(cluster) = cluster_led_by("n1") else {
        return;
    };
    let leader = cluster.member("n1");
    let writer = outlast_a_lease(&cluster, leader);

    let silent = cluster.member(THEIRS);
    let since = Instant::now();
    silent.freeze_daemon();
    wait_for("the primary to be read only", || {
        (leader.is_primary() == Some(false)).then_some(())
    });
    let written = writer.written();
    let last = written.last_by(leader.name()).expect("it took rows");
    let took = last.at.saturating_duration_since(since);
    eprintln!("the last row came {took:?} after Patroni fell silent");
    assert!(took < Duration::from_secs(TTL), "{took:?}");

    silent.thaw_daemon();
    give_etcd_back(&cluster);
    cluster.wait_until_settled();
    writer.wait_for_row_after(Instant::now());
    assert_nothing_lost(&writer.stop(), &cluster);
}

#[test]
fn primary_of_patroni_goes_on_without_etcd_while_our_members_hold_back() {
    let Some(cluster) = cluster_led_by(THEIRS) else {
        return;
    };
    let leader = cluster.member(THEIRS);
    let timeline = cluster.timeline();
    let writer = outlast_a_lease(&cluster, leader);
    give_etcd_back(&cluster);
    assert_eq!(cluster.wait_until_settled().name(), THEIRS);
    assert_eq!(cluster.timeline(), timeline, "nobody was promoted");
    writer.wait_for_row_after(Instant::now());
    assert_nothing_lost(&writer.stop(), &cluster);
}
