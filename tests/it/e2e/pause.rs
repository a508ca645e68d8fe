//! A paused cluster: people are at work on PostgreSQL, and nobody interferes.

use std::time::{Duration, Instant};

use herdsman_tests::cluster::{Cluster, wait_for};
use herdsman_tests::keys::Keys;
use herdsman_tests::witness::Witness;

const TTL: u64 = 5;

fn pause(cluster: &Cluster, keys: &Keys, is_wanted: bool) {
    keys.configure("pause", is_wanted.into());
    wait_for("all members to know of the pause", || {
        let mut members = cluster.members().iter();
        let knows = members.all(|member| {
            let view = member.get("/cluster").map(|answer| answer.json());
            view.is_ok_and(|view| view["pause"].as_bool().unwrap_or(false) == is_wanted)
        });
        knows.then_some(())
    });
}

#[test]
fn killed_postmaster_stays_down_in_a_paused_cluster_and_comes_back_after_it() {
    let cluster = Cluster::builder().ttl(TTL).start();
    let leader = cluster.wait_until_settled();
    let witness = Witness::of(&cluster);
    let keys = Keys::of(&cluster);
    pause(&cluster, &keys, true);

    let postmaster = leader.postmaster_pid();
    let killed = leader.kill_postmaster();

    let late = killed + Duration::from_secs(3 * TTL);
    wait_for("more than the life of a lease", || {
        let running = leader.postmaster_pid();
        let is_same = running.is_none() || running == postmaster;
        assert!(is_same, "it was started again");
        let others = cluster.others(leader.name());
        let are_standbys = others
            .iter()
            .all(|member| member.is_primary() == Some(false));
        assert!(are_standbys, "another member was promoted");
        (Instant::now() > late).then_some(())
    });
    assert!(leader.is_daemon_running());
    pause(&cluster, &keys, false);

    let resumed = Instant::now();
    cluster.wait_until_settled();
    let _ = witness.wait_for_row(resumed);
    witness.assert_one_writer_at_a_time();
}

#[test]
fn clients_see_nothing_of_a_pause() {
    let cluster = Cluster::builder().ttl(TTL).start();
    let leader = cluster.wait_until_settled();
    let postmaster = leader.postmaster_pid();
    let keys = Keys::of(&cluster);
    let writer = cluster.writer(super::EVERY);
    writer.wait_for_rows(50);

    pause(&cluster, &keys, true);
    writer.wait_for_rows(50);
    pause(&cluster, &keys, false);
    writer.wait_for_rows(50);

    assert_eq!(cluster.wait_until_settled().name(), leader.name());
    assert_eq!(leader.postmaster_pid(), postmaster);
    assert!(writer.stop().refusals.is_empty());
}
