//! The leadership moves because somebody asked for it, while clients write.

use herdsman_tests::cluster::{Cluster, Writer};

use super::{EVERY, assert_nothing_lost, wait_for_rejoin};

#[test]
fn switchover_to_a_named_candidate_loses_nothing() {
    let cluster = Cluster::builder().start();
    let old = cluster.wait_until_settled().name();
    // The last one: the best of equals would be another.
    let candidate = cluster.others(old)[1].name();
    let writer = cluster.writer(EVERY);

    let new = move_leadership(&cluster, &writer, old, Some(candidate));

    assert_eq!(new, candidate);
    assert_nothing_lost(&writer.stop(), &cluster);
    assert_eq!(cluster.timeline(), 2);
}

#[test]
fn switchover_to_the_best_standby_and_back_loses_nothing() {
    let cluster = Cluster::builder().start();
    let first = cluster.wait_until_settled().name();
    let writer = cluster.writer(EVERY);

    let second = move_leadership(&cluster, &writer, first, None);
    let third = move_leadership(&cluster, &writer, &second, Some(first));

    assert_ne!(second, first);
    assert_eq!(third, first);
    assert_nothing_lost(&writer.stop(), &cluster);
    assert_eq!(cluster.timeline(), 3);
}

#[test]
fn switchover_to_an_unknown_candidate_is_refused_and_changes_nothing() {
    let cluster = Cluster::builder().members(2).start();
    let leader = cluster.wait_until_settled().name();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(10);

    let answer = cluster.switchover(leader, Some("nobody"));

    assert_eq!(answer.status, 412, "{}", answer.body);
    writer.wait_for_rows(10);
    assert_eq!(cluster.wait_until_settled().name(), leader);
    assert_eq!(writer.stop().refusals.len(), 0);
    assert_eq!(cluster.timeline(), 1);
}

/// Orders the move and waits until the new leader has taken writes and the others follow it.
fn move_leadership(
    cluster: &Cluster,
    writer: &Writer,
    from: &str,
    candidate: Option<&str>,
) -> String {
    writer.wait_for_rows(50);
    let ordered = std::time::Instant::now();
    let answer = cluster.switchover(from, candidate);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let first = writer.wait_for_other(from, ordered);
    wait_for_rejoin(cluster, &first.by);
    writer.wait_for_rows(50);
    first.by.to_string()
}
