//! Synchronous mode: what a client was told is never lost, and what an operator sees of it.

use herdsman_tests::cluster::{Cluster, Control, Member, wait_for};
use herdsman_tests::keys::Keys;
use herdsman_tests::soak::synchronous::{Blow, cluster, strike, wait_for_listed};
use serde_json::{Value, json};

use super::{EVERY, assert_nothing_lost};

fn sync_key(cluster: &Cluster) -> Option<Value> {
    serde_json::from_str(&Keys::of(cluster).read("sync")?).ok()
}

fn names_in_force(cluster: &Cluster) -> Option<String> {
    cluster
        .primary()?
        .ask("SELECT pg_catalog.current_setting('synchronous_standby_names')")
}

/// Changes the configuration as an operator does.
fn configure(member: &Member, change: &Value) {
    let changed = member.send("PATCH", "/config", change).expect("an answer");
    assert_eq!(changed.status, 200, "{}", changed.body);
}

/// What every page of the members says about who confirms commits.
fn shows_who_confirms(cluster: &Cluster, leader: &str, standby: &Member, other: &Member) {
    for (page, of_standby, of_other) in [
        ("/synchronous", 200, 503),
        ("/sync", 200, 503),
        ("/asynchronous", 503, 200),
        ("/async", 503, 200),
        ("/replica", 200, 200),
    ] {
        wait_for(&format!("{page} to say who confirms commits"), || {
            let code = |member: &Member| Some(member.get(page).ok()?.status);
            let codes = (code(standby)?, code(other)?);
            (codes == (of_standby, of_other)).then_some(())
        });
    }
    wait_for("the roles in /cluster", || {
        let members = cluster.member(leader).get("/cluster").ok()?.json();
        let role = |name: &str| {
            let members = members["members"].as_array()?.iter();
            let member = members.clone().find(|member| member["name"] == name)?;
            member["role"].as_str().map(str::to_owned)
        };
        let names = [leader, standby.name(), other.name()];
        let roles = names.map(|name| role(name).unwrap_or_default());
        (roles == ["leader", "sync_standby", "replica"]).then_some(())
    });
    let control = Control::with(other.configuration());
    let list = control.run(&["list", cluster.scope()]);
    let line = |name: &str| {
        let begin = format!("| {name} ");
        let line = list.out.lines().find(|line| line.starts_with(&begin));
        line.unwrap_or_default().to_owned()
    };
    assert!(
        line(standby.name()).contains("| Sync Standby |"),
        "{list:?}"
    );
    assert!(line(other.name()).contains("| Replica      |"), "{list:?}");
}

#[test]
fn rows_that_a_killed_leader_acknowledged_are_on_its_successor() {
    check(Blow::Kill);
}

#[test]
fn rows_that_a_frozen_leader_acknowledged_are_on_its_successor() {
    check(Blow::Freeze);
}

#[test]
fn rows_that_a_leader_without_the_store_acknowledged_are_on_its_successor() {
    check(Blow::Partition);
}

fn check(blow: Blow) {
    let struck = strike(&cluster(), blow);
    eprintln!("{struck}");
    assert_eq!(struck.lost, 0, "{struck}");
}

#[test]
fn synchronous_standby_is_named_replaced_and_forgotten_when_the_mode_is_switched_off() {
    let cluster = Cluster::builder()
        .config(&json!({"synchronous_mode": true}))
        .start();
    let leader = cluster.wait_until_settled().name();
    let listed = wait_for_listed(&cluster, leader);
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(names_in_force(&cluster), Some(listed[0].clone()));
    let standby = cluster.member(&listed[0]);
    let others = cluster.others(leader);
    let other = others.iter().find(|member| member.name() != listed[0]);
    let other = other.expect("three members");
    shows_who_confirms(&cluster, leader, standby, other);
    let refused = cluster.switchover(leader, Some(other.name()));
    assert_eq!(refused.status, 412, "{}", refused.body);
    assert_eq!(
        refused.body,
        "candidate name does not match with sync_standby"
    );

    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);
    standby.kill_host();
    wait_for("the other standby to be listed", || {
        (sync_key(&cluster)?["sync_standby"] == other.name()).then_some(())
    });
    writer.wait_for_rows(20);
    standby.start_daemon();
    cluster.wait_until_settled();

    let moved = cluster.switchover(leader, Some(other.name()));
    assert_eq!(moved.status, 200, "{}", moved.body);
    cluster.wait_for_leader(other.name());
    let _ = wait_for_listed(&cluster, other.name());
    writer.wait_for_rows(20);
    assert_nothing_lost(&writer.stop(), &cluster);

    configure(standby, &json!({"synchronous_mode": false}));
    wait_for("the sync key to go", || {
        sync_key(&cluster).is_none().then_some(())
    });
    wait_for("commits to wait for nobody", || {
        names_in_force(&cluster)?.is_empty().then_some(())
    });
    let all = json!({"synchronous_mode": true, "synchronous_node_count": 2});
    configure(standby, &all);
    wait_for("commits to wait for both standbys", || {
        (wait_for_listed(&cluster, other.name()).len() == 2).then_some(())
    });
    let names = names_in_force(&cluster).unwrap_or_default();
    assert!(names.starts_with("2 ("), "{names}");
}

#[test]
fn strict_mode_without_a_standby_acknowledges_nothing_and_says_why() {
    let config = json!({"synchronous_mode": true, "synchronous_mode_strict": true});
    let cluster = Cluster::builder().members(2).config(&config).start();
    let leader = cluster.wait_until_settled();
    let listed = wait_for_listed(&cluster, leader.name());
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);
    let standby = cluster.member(&listed[0]);
    standby.kill_host();
    wait_for("the leader to say that commits wait", || {
        super::decided_at(leader, "leading-blocked")
    });
    let before = writer.written().acks.len();
    wait_for("a row to wait", || {
        let waiting =
            "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE wait_event = 'SyncRep'";
        (leader.ask(waiting)? != "0").then_some(())
    });
    assert_eq!(names_in_force(&cluster), Some(listed[0].clone()));
    standby.start_daemon();
    wait_for("rows to be acknowledged again", || {
        (writer.written().acks.len() > before + 20).then_some(())
    });
    assert_nothing_lost(&writer.stop(), &cluster);
}

/// No commit waits for a server that is down because somebody wants it restarted.
#[test]
fn synchronous_standby_that_is_restarted_is_replaced_first() {
    let cluster = Cluster::builder()
        .config(&json!({"synchronous_mode": true}))
        .start();
    let leader = cluster.wait_until_settled().name();
    let listed = wait_for_listed(&cluster, leader);
    let standby = cluster.member(&listed[0]);
    let others = cluster.others(leader);
    let other = others.iter().find(|member| member.name() != listed[0]);
    let other = other.expect("three members");
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);

    let restarted = standby
        .send("POST", "/restart", &json!({}))
        .expect("an answer");

    assert_eq!(
        (restarted.status, restarted.body.as_str()),
        (200, "restarted successfully")
    );
    let decisions = standby.decisions();
    let codes: Vec<&str> = decisions
        .iter()
        .filter_map(|told| told["code"].as_str())
        .collect();
    let at = |code: &str| codes.iter().rposition(|told| *told == code);
    let (left, stopped) = (at("restart-leaving-sync"), at("restart-stopping"));
    assert!(left.is_some() && left < stopped, "{codes:?}");
    assert_eq!(
        sync_key(&cluster).map(|key| key["sync_standby"].clone()),
        Some(json!(other.name()))
    );
    wait_for("its own tags to be back", || {
        let member: Value =
            serde_json::from_str(&Keys::of(&cluster).read(&format!("members/{}", standby.name()))?)
                .ok()?;
        member["tags"]["nosync"].is_null().then_some(())
    });
    writer.wait_for_rows(20);
    assert_nothing_lost(&writer.stop(), &cluster);
}
