//! What operators do to a living cluster: restarts, new copies, moves by hand, changes of the
//! configuration.

mod command_lines;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use herdsman_ha_core::Wall;
use herdsman_tests::cluster::{Cluster, Member, wait_for};
use serde_json::{Value, json};

use super::{EVERY, assert_nothing_lost, decided_at, wait_for_rejoin};

fn post(member: &Member, path: &str, body: &Value) -> (u16, String) {
    let answer = member.send("POST", path, body);
    let answer = answer.unwrap_or_else(|error| panic!("POST {path}: {error}"));
    (answer.status, answer.body)
}

fn delete(member: &Member, path: &str) -> (u16, String) {
    let answer = member.send("DELETE", path, &json!({}));
    let answer = answer.unwrap_or_else(|error| panic!("DELETE {path}: {error}"));
    (answer.status, answer.body)
}

fn done(text: &str) -> (u16, String) {
    (200, text.to_owned())
}

/// An instant some seconds from now, as the API reads it.
#[expect(
    clippy::disallowed_methods,
    reason = "a schedule names an hour of the day"
)]
fn soon(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let at = now.expect("after 1970") + Duration::from_secs(seconds);
    Wall(i64::try_from(at.as_millis()).expect("this century")).iso()
}

/// Pauses over the API of the first member that answers, or ends the pause.
fn pause(cluster: &Cluster, is_wanted: bool) {
    let wanted = if is_wanted { json!(true) } else { Value::Null };
    let answer = cluster.members()[0].send("PATCH", "/config", &json!({"pause": wanted}));
    assert_eq!(answer.expect("an answer").status, 200);
    wait_for("all to know of it", || {
        let mut members = cluster.members().iter();
        let knows = members.all(|member| {
            let status = member.status().unwrap_or_default();
            status["pause"].as_bool().unwrap_or(false) == is_wanted
        });
        knows.then_some(())
    });
}

/// What the callbacks of a member were told, reloads left out.
fn told(member: &Member) -> Vec<String> {
    let path = member.configuration().with_file_name("callbacks");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with("on_reload"));
    lines.map(str::to_owned).collect()
}

#[test]
fn restarted_leader_keeps_its_leadership_and_a_restarted_standby_follows_again() {
    let script = "sh -c 'echo \"$@\" >> callbacks' callback";
    let actions = ["on_start", "on_stop", "on_restart", "on_role_change"];
    let callbacks: Value = actions.map(|action| (action, script)).into_iter().collect();
    let cluster = Cluster::builder()
        .local(&json!({"postgresql": {"callbacks": callbacks}}))
        .start();
    let leader = cluster.wait_until_settled();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);
    let postmaster = leader.postmaster_pid();

    assert_eq!(
        post(leader, "/restart", &json!({})),
        done("restarted successfully")
    );

    assert_ne!(leader.postmaster_pid(), postmaster);
    assert_eq!(cluster.wait_until_settled().name(), leader.name());
    writer.wait_for_rows(20);
    assert_eq!(cluster.timeline(), 1);
    let standby = cluster.others(leader.name())[0];
    let postmaster = standby.postmaster_pid();
    assert_eq!(
        post(standby, "/restart", &json!({"role": "replica"})),
        done("restarted successfully")
    );
    assert_ne!(standby.postmaster_pid(), postmaster);
    wait_for_rejoin(&cluster, leader.name());
    let unmet = "restart conditions are not satisfied".to_owned();
    for condition in [
        json!({"role": "primary"}),
        json!({"postgres_version": "9.6.1"}),
        json!({"restart_pending": true}),
    ] {
        let answer = post(standby, "/restart", &condition);
        assert_eq!(answer, (503, unmet.clone()), "{condition}");
    }
    for (member, role) in [(leader, "primary"), (standby, "replica")] {
        let lines = ["on_start", "on_restart"].map(|action| format!("{action} {role} e2e"));
        wait_for("the callbacks to be told of the restart alone", || {
            (told(member) == lines).then_some(())
        });
    }
    apply_what_waits_for_a_restart(&cluster, standby, leader);
    assert_nothing_lost(&writer.stop(), &cluster);
}

/// A setting that waits for a restart is what a restart may be limited to.
fn apply_what_waits_for_a_restart(cluster: &Cluster, standby: &Member, leader: &Member) {
    let patch = json!({"postgresql": {"parameters": {"max_connections": 40}}});
    let changed = leader.send("PATCH", "/config", &patch);
    assert_eq!(changed.expect("an answer").status, 200);
    // A standby never has less than its primary.
    for member in [standby, leader] {
        wait_for("the setting to wait for a restart", || {
            let reason = member.status()?["pending_restart_reason"].clone();
            (reason["max_connections"]["new_value"] == "40").then_some(())
        });
        let answer = post(member, "/restart", &json!({"restart_pending": true}));
        assert_eq!(answer, done("restarted successfully"));
        wait_for("the setting to be in force", || {
            (member.ask("SHOW max_connections")? == "40").then_some(())
        });
        wait_for("nothing to wait for a restart", || {
            member.status()?["pending_restart"].is_null().then_some(())
        });
    }
    wait_for_rejoin(cluster, leader.name());
}

#[test]
fn restart_waits_for_its_time_and_can_be_cancelled() {
    let cluster = Cluster::builder().members(2).start();
    let leader = cluster.wait_until_settled();
    let scheduled = (202, "Restart scheduled".to_owned());

    let far = json!({"schedule": soon(3600), "role": "primary"});
    assert_eq!(post(leader, "/restart", &far), scheduled);
    let again = post(leader, "/restart", &far);
    assert_eq!(
        again,
        (409, "Another restart is already scheduled".to_owned())
    );
    wait_for("the others to see it", || {
        let view = cluster.others(leader.name())[0]
            .get("/cluster")
            .ok()?
            .json();
        let members = view["members"].as_array()?;
        let mine = members.iter().find(|m| m["name"] == leader.name())?;
        let restart = &mine["scheduled_restart"];
        (restart["role"] == "primary" && restart["schedule"].is_string()).then_some(())
    });
    let status = leader.status().expect("a status");
    assert_eq!(status["scheduled_restart"]["role"], "primary", "{status}");
    assert_eq!(
        delete(leader, "/restart"),
        done("scheduled restart deleted")
    );
    assert_eq!(delete(leader, "/restart").0, 404);

    let postmaster = leader.postmaster_pid();
    let near = json!({"schedule": soon(3)});
    assert_eq!(post(leader, "/restart", &near), scheduled);
    wait_for("another postmaster", || {
        let running = leader.postmaster_pid();
        (running.is_some() && running != postmaster).then_some(())
    });
    assert_eq!(cluster.wait_until_settled().name(), leader.name());
    assert!(decided_at(leader, "restart-due").is_some());
}

#[test]
fn leader_that_does_not_come_back_from_a_restart_is_replaced() {
    let cluster = Cluster::builder().start();
    let leader = cluster.wait_until_settled();
    // A library that is not there keeps PostgreSQL from starting; nobody knows before.
    let included = leader.data_dir().join("postgresql.auto.conf");
    let library = "shared_preload_libraries = 'no_such_library'\n";
    std::fs::write(&included, library).expect("the data directory is ours");

    let (status, text) = post(leader, "/restart", &json!({"timeout": 10}));

    assert_eq!(status, 503, "{text}");
    assert!(text.starts_with("restart failed"), "{text}");
    let next = cluster.wait_for_leader_other_than(leader.name());
    // Its promotion is on the way.
    wait_for("the next leader to take writes", || {
        (next.is_primary() == Some(true)).then_some(())
    });
}

#[test]
fn standby_is_copied_anew_and_tells_how_far_it_is() {
    let cluster = Cluster::builder().members(2).start();
    let leader = cluster.wait_until_settled();
    let standby = cluster.others(leader.name())[0];
    let session = leader.session().expect("the leader takes connections");
    session
        .execute("CREATE TABLE ballast AS SELECT repeat(md5(n::text), 40) FROM generate_series(1, 60000) n")
        .expect("a table");
    let refused = (503, "I am the leader, can not reinitialize".to_owned());
    assert_eq!(post(leader, "/reinitialize", &json!({})), refused);
    let sentinel = standby.data_dir().join("left-by-the-test");
    std::fs::write(&sentinel, "x").expect("the data directory is ours");

    let started = post(standby, "/reinitialize", &json!({"from_leader": true}));

    assert_eq!(started, done("reinitialize started"));
    let second = post(standby, "/reinitialize", &json!({}));
    assert_eq!(second, (503, "reinitialize already in progress".to_owned()));
    let told = wait_for("a word on how far it is", || {
        let answer = standby.get("/decisions").ok()?.json();
        let task = answer["current"]["task"].clone();
        task["done_bytes"].is_u64().then_some(answer)
    });
    assert_eq!(told["current"]["task"]["name"], "reinitialize", "{told}");
    assert!(told["current"]["task"]["total_bytes"].as_u64() > Some(1 << 20));
    let sentence = told["current"]["sentence"].as_str().unwrap_or_default();
    assert!(sentence.contains(" done"), "{sentence}");
    wait_for_rejoin(&cluster, leader.name());
    assert!(!sentinel.exists(), "the old data is still there");
    let count = standby.ask("SELECT count(*) FROM ballast");
    assert_eq!(count.as_deref(), Some("60000"));
}

#[test]
fn scheduled_switchover_happens_at_its_time_and_can_be_removed() {
    let cluster = Cluster::builder().start();
    let old = cluster.wait_until_settled();
    let candidate = cluster.others(old.name())[1];
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);
    let order = |seconds| {
        let at = soon(seconds);
        json!({"leader": old.name(), "candidate": candidate.name(), "scheduled_at": at})
    };
    let scheduled = (202, "Switchover scheduled".to_owned());
    // Any member takes it.
    let other = cluster.others(old.name())[0];

    assert_eq!(post(other, "/switchover", &order(3600)), scheduled);
    wait_for("the scheduled switchover to show", || {
        let view = old.get("/cluster").ok()?.json();
        (view["scheduled_switchover"]["to"] == candidate.name()).then_some(())
    });
    assert_eq!(
        delete(other, "/switchover"),
        done("scheduled switchover deleted")
    );
    wait_for("its removal to show", || {
        let view = other.get("/cluster").ok()?.json();
        view["scheduled_switchover"].is_null().then_some(())
    });
    assert_eq!(delete(other, "/switchover").0, 404);

    let ordered = Instant::now();
    assert_eq!(post(other, "/switchover", &order(3)), scheduled);
    let first = writer.wait_for_other(old.name(), ordered);
    assert_eq!(*first.by, *candidate.name());
    assert!(first.at.duration_since(ordered) > Duration::from_secs(1));
    wait_for_rejoin(&cluster, candidate.name());
    assert_nothing_lost(&writer.stop(), &cluster);
}

#[test]
fn failover_by_hand_names_a_leader_where_there_is_none() {
    let cluster = Cluster::builder().ttl(5).start();
    let old = cluster.wait_until_settled();
    let candidate = cluster.others(old.name())[0];
    pause(&cluster, true);
    old.kill_host();
    wait_for("the leadership to end", || {
        let status = candidate.status()?;
        (status["cluster_unlocked"] == true).then_some(())
    });
    // Nobody leads by itself in a pause.
    assert_eq!(candidate.is_primary(), Some(false));
    let nobody = post(candidate, "/failover", &json!({"candidate": old.name()}));
    assert_eq!(nobody.0, 412, "{nobody:?}");

    let answer = post(
        candidate,
        "/failover",
        &json!({"candidate": candidate.name()}),
    );

    let text = format!("Successfully failed over to \"{}\"", candidate.name());
    assert_eq!(answer, done(&text));
    assert_eq!(candidate.is_primary(), Some(true));
}

#[test]
fn paused_cluster_moves_only_where_it_is_told_to() {
    let cluster = Cluster::builder().start();
    let old = cluster.wait_until_settled();
    let candidate = cluster.others(old.name())[0];
    pause(&cluster, true);

    let best = post(old, "/switchover", &json!({"leader": old.name()}));
    let text = "Switchover is possible only to a specific candidate in a paused state";
    assert_eq!(best, (400, text.to_owned()));
    let later = json!({"schedule": soon(60)});
    let text = "Can't schedule restart in the paused state";
    assert_eq!(post(old, "/restart", &later), (500, text.to_owned()));
    assert_eq!(
        post(old, "/restart", &json!({})),
        done("restarted successfully")
    );
    let order = json!({"leader": old.name(), "candidate": candidate.name()});
    let text = format!("Successfully switched over to \"{}\"", candidate.name());
    assert_eq!(post(old, "/switchover", &order), done(&text));
    wait_for("the former leader to follow", || {
        (old.is_primary() == Some(false)).then_some(())
    });
    // The agent of the leader goes and comes back: its server and its key stay.
    let postmaster = candidate.postmaster_pid();
    candidate.stop_daemon();
    candidate.start_daemon();
    wait_for("its agent to lead again", || {
        let leads = candidate.get("/leader").ok()?.status == 200;
        (leads && candidate.postmaster_pid() == postmaster).then_some(())
    });
    pause(&cluster, false);
    wait_for_rejoin(&cluster, candidate.name());
    assert_eq!(cluster.timeline(), 2);
}

#[test]
fn configuration_is_merged_replaced_and_refused_over_the_api() {
    let cluster = Cluster::builder().members(1).start();
    let member = cluster.wait_until_settled();
    let send = |method: &str, body: &Value| {
        let answer = member.send(method, "/config", body);
        answer.unwrap_or_else(|error| panic!("{method} /config: {error}"))
    };
    let before = member.get("/config").expect("an answer").json();

    let patch = json!({"postgresql": {"parameters": {"work_mem": "5MB"}}, "ttl": null});
    let changed = send("PATCH", &patch);
    assert_eq!(changed.status, 200, "{}", changed.body);
    let after = changed.json();
    assert_eq!(after["postgresql"]["parameters"]["work_mem"], "5MB");
    assert_eq!(after["postgresql"]["parameters"]["max_connections"], 30);
    assert!(after["ttl"].is_null());
    wait_for("PostgreSQL to hear of it", || {
        (member.ask("SHOW work_mem").as_deref() == Some("5MB")).then_some(())
    });

    let wrong = send("PATCH", &json!({"ttl": "soon"}));
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("ttl"), "{}", wrong.body);
    let replaced = send("PUT", &before);
    assert_eq!((replaced.status, replaced.json()), (200, before.clone()));
    wait_for("the configuration to be as before", || {
        (member.get("/config").ok()?.json() == before).then_some(())
    });
    assert_eq!(
        post(member, "/reload", &json!({})),
        (202, "reload scheduled".to_owned())
    );
}
