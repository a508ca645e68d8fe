//! Replication slots that an operator names, and those that nobody does.

use herdsman_tests::cluster::{Cluster, Member, wait_for};
use serde_json::json;

/// Which of these slots a server has.
fn slots(member: &Member, names: &[&str]) -> Option<Vec<String>> {
    let found =
        member.ask("SELECT coalesce(string_agg(slot_name, ','), '') FROM pg_replication_slots")?;
    let found: Vec<&str> = found.split(',').collect();
    let there = names.iter().filter(|name| found.contains(name));
    Some(there.map(|name| (*name).to_owned()).collect())
}

fn wait_for_slots(member: &Member, asked: &[&str], wanted: &[&str]) {
    wait_for(
        &format!("{} to have {wanted:?} of {asked:?}", member.name()),
        || (slots(member, asked)? == wanted).then_some(()),
    );
}

#[test]
fn permanent_slots_are_kept_and_unknown_ones_are_dropped() {
    const ALL: &[&str] = &["backup", "cdc", "kept", "stray"];
    let cluster = Cluster::builder()
        .members(2)
        .ttl(5)
        .config(&json!({
            "slots": {
                "backup": {"type": "physical"},
                "cdc": {"type": "logical", "database": "postgres", "plugin": "pgoutput"},
            },
            "ignore_slots": [{"name": "kept", "type": "physical"}],
            "postgresql": {"parameters": {"wal_level": "logical"}},
        }))
        .start();
    let old = cluster.wait_until_settled();
    let new = cluster.others(old.name())[0];
    wait_for_slots(old, ALL, &["backup", "cdc"]);
    // Whether it can have the logical one already depends on which WAL it was copied with.
    wait_for_slots(new, &["backup", "kept", "stray"], &["backup"]);

    let made = "SELECT count(pg_create_physical_replication_slot(name, true)) \
                FROM unnest(ARRAY['kept', 'stray']) AS name";
    assert_eq!(old.ask(made).as_deref(), Some("2"));
    wait_for_slots(old, ALL, &["backup", "cdc", "kept"]);

    // Its user has everything up to here: so the standby need not keep it either.
    let end = old
        .ask(
            "SELECT end_lsn FROM pg_replication_slot_advance('backup', pg_current_wal_flush_lsn())",
        )
        .expect("the slot is moved on");
    wait_for("the standby's slot to follow", || {
        let query = format!(
            "SELECT restart_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = 'backup'"
        );
        (new.ask(&query)? == "t").then_some(())
    });

    let answer = cluster.switchover(old.name(), Some(new.name()));
    assert_eq!(answer.status, 200, "{}", answer.body);
    cluster.wait_for_leader(new.name());
    wait_for_slots(new, ALL, &["backup", "cdc"]);
    wait_for_slots(old, ALL, &["backup", "cdc", "kept"]);
    let leader = new.name().to_owned();
    let slot_of_leader = leader.replace('-', "_");
    wait_for("the former leader to keep a slot for its successor", || {
        (slots(old, &[&slot_of_leader])? == [slot_of_leader.as_str()]).then_some(())
    });

    let less = json!({"slots": null});
    let answer = new.send("PATCH", "/config", &less).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    wait_for_slots(new, ALL, &[]);
}

/// The changes that a consumer of the logical slot has not read.
fn unread(member: &Member) -> Option<String> {
    member.ask(
        "SELECT coalesce(string_agg(data, ';'), '') \
         FROM pg_logical_slot_peek_changes('cdc', NULL, NULL) WHERE data LIKE 'table%'",
    )
}

/// Where the logical slot is: what its consumer has confirmed.
fn confirmed(member: &Member) -> Option<String> {
    member.ask("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'cdc'")
}

#[test]
fn a_consumer_of_changes_goes_on_where_it_was_after_a_failover() {
    let cluster = Cluster::builder()
        .members(2)
        .ttl(5)
        .config(&json!({
            "primary_start_timeout": 0,
            "postgresql": {"parameters": {
                "wal_level": "logical",
                "wal_receiver_status_interval": "1s",
            }},
        }))
        .start();
    let old = cluster.wait_until_settled();
    let new = cluster.others(old.name())[0];
    let more = json!({
        "slots": {"cdc": {"type": "logical", "database": "postgres", "plugin": "test_decoding"}},
    });
    let answer = new.send("PATCH", "/config", &more).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    wait_for("the standby to have the slot", || {
        (slots(new, &["cdc"])? == ["cdc"]).then_some(())
    });
    assert_eq!(new.ask("SHOW hot_standby_feedback").as_deref(), Some("on"));
    // Before that a promotion is warned of.
    wait_for("the primary to keep what the copied slot needs", || {
        let line = "the primary keeps what copied slots need";
        new.log().contains(line).then_some(())
    });
    let kept = "SELECT count(*) FROM pg_replication_slots \
                WHERE slot_type = 'physical' AND catalog_xmin IS NOT NULL";
    assert_eq!(old.ask(kept).as_deref(), Some("1"));

    let write = |sql: &str| {
        let session = old.session().expect("a session");
        session.execute(sql).expect("it is done");
    };
    write("CREATE TABLE changes (number int)");
    write("INSERT INTO changes VALUES (1)");
    let read = "SELECT count(*) FROM pg_logical_slot_get_changes('cdc', NULL, NULL)";
    assert!(old.ask(read).is_some_and(|count| count != "0"));
    let here = confirmed(old).expect("the slot is there");
    write("INSERT INTO changes VALUES (2)");
    wait_for("the standby's slot to follow", || {
        (confirmed(new)? == here).then_some(())
    });
    let row = "SELECT count(*) FROM changes";
    wait_for("the standby to have both rows", || {
        (new.ask(row)? == "2").then_some(())
    });

    old.kill_server();
    cluster.wait_for_leader(new.name());
    wait_for("the new primary to tell what is unread", || {
        let unread = unread(new)?;
        let has_second = unread.contains("number[integer]:2");
        (has_second && !unread.contains("number[integer]:1")).then_some(())
    });

    // Whatever the former primary had of it: it has it anew, and where the new one is.
    assert!(new.ask(read).is_some_and(|count| count != "0"));
    wait_for(
        "the former primary to have the slot where it is now",
        || (confirmed(old)? >= confirmed(new)?).then_some(()),
    );
}
