//! The daemon is killed and started again while PostgreSQL runs.

use herdsman_tests::cluster::{Cluster, wait_for};

use super::{EVERY, wait_for_rejoin};

#[test]
fn restarted_daemon_of_the_leader_is_not_seen_by_clients() {
    let cluster = Cluster::builder().start();
    let leader = cluster.wait_until_settled();
    let postmaster = leader.postmaster_pid();
    let open = leader.session().unwrap();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);

    leader.kill_daemon();
    leader.start_daemon();

    cluster.wait_for_leader(leader.name());
    // The lease of before, had it been left alone, would have ended within this many rows.
    writer.wait_for_rows(700);
    wait_for_rejoin(&cluster, leader.name());
    let written = writer.stop();
    assert_eq!(written.refusals.len(), 0, "{:?}", written.refusals);
    assert_eq!(open.value("SELECT 1").unwrap(), "1");
    assert_eq!(leader.postmaster_pid(), postmaster);
    assert_eq!(cluster.timeline(), 1);
}

#[test]
fn restarted_daemon_of_a_standby_keeps_its_server() {
    let cluster = Cluster::builder().members(2).start();
    let leader = cluster.wait_until_settled().name();
    let standby = cluster.others(leader)[0];
    let postmaster = standby.postmaster_pid();
    let open = standby.session().unwrap();

    standby.kill_daemon();
    standby.start_daemon();

    wait_for_rejoin(&cluster, leader);
    wait_for("the standby to answer as one", || {
        let answer = standby.get("/replica").ok()?;
        (answer.status == 200).then_some(())
    });
    assert_eq!(standby.postmaster_pid(), postmaster);
    assert_eq!(open.value("SELECT pg_is_in_recovery()").unwrap(), "t");
}
