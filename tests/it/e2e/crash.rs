//! The leader's PostgreSQL crashes; its daemon lives.

use std::time::Duration;

use herdsman_tests::cluster::{Cluster, Notice, Session, wait_for};
use serde_json::json;

use super::{
    EVERY, assert_nothing_lost, assert_only_the_newest_are_lost, decided_at, wait_for_rejoin,
};

#[test]
fn crashed_primary_with_time_to_start_is_restarted_in_place() {
    let config = json!({"primary_start_timeout": 300});
    let cluster = Cluster::builder().config(&config).start();
    let leader = cluster.wait_until_settled();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);

    leader.kill_postmaster();

    wait_for("the first refusal", || {
        (!writer.written().refusals.is_empty()).then_some(())
    });
    writer.wait_for_rows(50);
    assert_eq!(cluster.wait_until_settled().name(), leader.name());
    let written = writer.stop();
    assert_eq!(cluster.timeline(), 1);
    assert_nothing_lost(&written, &cluster);
    let others = written.acks.iter().filter(|ack| *ack.by != *leader.name());
    assert_eq!(others.count(), 0, "another server acknowledged rows");
    for member in cluster.others(leader.name()) {
        assert_eq!(decided_at(member, "lease-acquired"), None);
    }
}

#[test]
fn crashed_primary_without_time_to_start_is_replaced_and_rejoins() {
    let config = json!({"primary_start_timeout": 0});
    let cluster = Cluster::builder().config(&config).start();
    let old = cluster.wait_until_settled().name();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);

    let killed = cluster.member(old).kill_postmaster();

    let first = writer.wait_for_other(old, killed);
    wait_for_rejoin(&cluster, &first.by);
    writer.wait_for_rows(20);
    let written = writer.stop();
    assert_ne!(*first.by, *old);
    assert_eq!(cluster.timeline(), 2);
    assert_only_the_newest_are_lost(&written, &cluster, old);
    let again = written.acks.iter().filter(|ack| ack.at > first.at);
    assert!(again.clone().all(|ack| *ack.by == *first.by));
}

/// A backend that waits for nothing does not notice that its postmaster is dead.
const BUSY: &str = "
    CREATE TABLE announced (id bigint PRIMARY KEY);
    CREATE PROCEDURE pour() LANGUAGE plpgsql AS $$
    DECLARE
        id bigint := 0;
        begun timestamptz;
    BEGIN
        LOOP
            id := id + 1;
            INSERT INTO announced VALUES (id);
            COMMIT;
            begun := clock_timestamp();
            RAISE NOTICE '%', to_char(begun AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"');
            WHILE clock_timestamp() < begun + interval '2 ms' LOOP
            END LOOP;
        END LOOP;
    END $$";

#[test]
fn orphaned_backend_adds_nothing_after_the_leadership_is_released() {
    let config = json!({"primary_start_timeout": 0});
    let cluster = Cluster::builder().config(&config).start();
    let old = cluster.wait_until_settled();
    old.session().unwrap().execute(BUSY).unwrap();
    let client = old.session().unwrap();
    let client = std::thread::spawn(move || pour(&client));
    wait_for("rows of the busy backend", || {
        let rows = old.ask("SELECT count(*) FROM announced")?;
        (rows.parse::<u32>().ok()? > 100).then_some(())
    });

    old.kill_postmaster();

    let announced = client.join().unwrap();
    let new = cluster.wait_for_leader_other_than(old.name()).name();
    let released = wait_for("the old leader's decision to release", || {
        decided_at(old, "released-after-crash")
    });
    // Both times are of one clock and have milliseconds: the decision's part of one is cut.
    let last = &announced.last().expect("more than a hundred").text;
    assert!(*last <= released, "announced {last}, released {released}");
    wait_for_rejoin(&cluster, new);
    let kept: usize = cluster
        .member(new)
        .ask("SELECT max(id) FROM announced")
        .unwrap()
        .parse()
        .unwrap();
    let rows: usize = cluster
        .member(new)
        .ask("SELECT count(*) FROM announced")
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(rows, kept, "the new primary has a hole");
    eprintln!(
        "announced {}, kept {kept}, last {last}, released {released}",
        announced.len()
    );
}

/// Calls the procedure until its backend is gone; all that it announced.
fn pour(client: &Session) -> Vec<Notice> {
    let ended = client.execute_within("CALL pour()", Duration::from_secs(60));
    assert!(ended.is_err(), "it has no end");
    client.notices()
}
