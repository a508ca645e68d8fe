//! The cluster's configuration changes while everything runs.

use serde_json::{Value, json};

use herdsman_tests::cluster::{Cluster, Member, wait_for};
use herdsman_tests::keys::Keys;

use super::{EVERY, assert_nothing_lost, decided_at};

fn configure(keys: &Keys, parameters: &Value) {
    keys.configure("postgresql", json!({"parameters": parameters}));
}

fn wait_for_setting(member: &Member, name: &str, value: &str) {
    wait_for(&format!("{name} = {value} on {}", member.name()), || {
        (member.ask(&format!("SHOW {name}"))? == value).then_some(())
    });
}

/// Waits until the status and the key of the member say so.
fn wait_for_pending(keys: &Keys, member: &Member, reason: &Value) {
    let flag = if reason.is_null() {
        Value::Null
    } else {
        true.into()
    };
    let says =
        |told: &Value| told["pending_restart"] == flag && told["pending_restart_reason"] == *reason;
    let name = member.name();
    wait_for(&format!("{name} to wait for a restart: {reason}"), || {
        let key = keys.read(&format!("members/{name}"))?;
        let key: Value = serde_json::from_str(&key).ok()?;
        (says(&member.status()?) && says(&key)).then_some(())
    });
}

#[test]
fn parameters_of_the_store_are_in_force_at_once_or_wait_for_a_restart() {
    let cluster = Cluster::builder().start();
    cluster.wait_until_settled();
    let keys = Keys::of(&cluster);

    configure(&keys, &json!({"max_connections": 40, "work_mem": "5120kB"}));

    for member in cluster.members() {
        wait_for_setting(member, "work_mem", "5MB");
        let reason = json!({"max_connections": {"old_value": "30", "new_value": "40"}});
        wait_for_pending(&keys, member, &reason);
    }

    configure(&keys, &json!({"max_connections": 30}));

    for member in cluster.members() {
        wait_for_setting(member, "work_mem", "4MB");
        wait_for_pending(&keys, member, &Value::Null);
    }
}

#[test]
fn standby_that_stands_still_for_a_setting_of_its_primary_is_started_anew() {
    let cluster = Cluster::builder()
        .members(2)
        .config(&json!({"primary_start_timeout": 60}))
        .start();
    let leader = cluster.wait_until_settled();
    let standby = cluster.others(leader.name())[0];
    let keys = Keys::of(&cluster);
    configure(&keys, &json!({"max_connections": 40}));
    for member in cluster.members() {
        let reason = json!({"max_connections": {"old_value": "30", "new_value": "40"}});
        wait_for_pending(&keys, member, &reason);
    }

    // It comes up again in its place, with what waited for a restart.
    leader.kill_postmaster();
    wait_for_setting(leader, "max_connections", "40");
    assert_eq!(leader.is_primary(), Some(true));

    wait_for_setting(standby, "max_connections", "40");
    let version = standby.ask("SHOW server_version_num");
    let stands_still = version.is_some_and(|version| version.as_str() >= "140000");
    assert!(!stands_still || decided_at(standby, "replay-blocked").is_some());
    let moved = || {
        let answer = cluster.switchover(leader.name(), Some(standby.name()));
        (answer.status == 200).then_some(())
    };
    wait_for("the leadership to be handed over", moved);
    cluster.wait_for_leader(standby.name());
    cluster.wait_until_settled();
}

#[test]
fn what_postgresql_refuses_is_kept_out_and_named_while_writes_go_on() {
    let hba = [
        "host replication all 127.0.0.1/32 scram-sha-256",
        "host all all 127.0.0.1/32 scram-sha-256",
    ];
    let cluster = Cluster::builder()
        .members(2)
        .local(&json!({"postgresql": {"pg_hba": null}}))
        .config(&json!({"postgresql": {"pg_hba": hba}}))
        .start();
    let leader = cluster.wait_until_settled();
    let keys = Keys::of(&cluster);
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(10);
    let postmasters: Vec<_> = cluster
        .members()
        .iter()
        .map(Member::postmaster_pid)
        .collect();
    let good = json!({"max_connections": 30, "work_mem": "7MB", "jit": "off"});
    keys.configure("postgresql", json!({"pg_hba": hba, "parameters": good}));
    for member in cluster.members() {
        wait_for_setting(member, "work_mem", "7MB");
    }

    let broken = [hba[0], "host all all 127.0.0.1/32 no-such-method"];
    keys.configure(
        "postgresql",
        json!({
            "pg_hba": broken,
            "parameters": {
                "max_connections": 30,
                "work_mem": "a lot",
                "no_such_setting": 1,
                "jit": "perhaps",
                "log_min_duration_statement": "500ms",
            },
        }),
    );

    for member in cluster.members() {
        wait_for_setting(member, "log_min_duration_statement", "500ms");
        wait_for(&format!("{} to name them", member.name()), || {
            let status = member.status()?;
            let refused = status["herdsman"]["refused_parameters"]
                .as_object()?
                .clone();
            let names: Vec<&str> = refused.keys().map(String::as_str).collect();
            (names == ["jit", "no_such_setting", "pg_hba", "work_mem"]).then_some(())
        });
        let told = member.get("/decisions").expect("an answer").json();
        assert!(told["refused_parameters"]["work_mem"].is_string(), "{told}");
        // What was in force before stays.
        assert_eq!(member.ask("SHOW work_mem").as_deref(), Some("7MB"));
        let named = member.log().matches("no_such_setting is kept out").count();
        assert_eq!(named, 1, "{} names it once", member.name());
    }
    writer.wait_for_rows(50);
    let after: Vec<_> = cluster
        .members()
        .iter()
        .map(Member::postmaster_pid)
        .collect();
    assert_eq!(postmasters, after);

    // The files do not keep a server from coming back.
    let standby = cluster.others(leader.name())[0];
    standby.kill_postmaster();
    cluster.wait_until_settled();
    assert_eq!(standby.ask("SHOW work_mem").as_deref(), Some("7MB"));
    assert_nothing_lost(&writer.stop(), &cluster);
}

#[test]
fn a_server_has_what_the_configuration_says_for_its_role() {
    let all = "host all all 127.0.0.1/32 scram-sha-256";
    let replication = "host replication all 127.0.0.1/32 scram-sha-256";
    let ours = json!({"postgresql": {
        "pg_hba": null,
        "parameters_replica": {"work_mem": "6MB"},
        "proxy_address": "pooler.example:6432",
    }});
    let cluster = Cluster::builder()
        .members(2)
        .local(&ours)
        .config(&json!({"postgresql": {
            "pg_hba": [replication, all],
            "pg_hba_primary": [replication, "host all nobody_of_this_name all reject", all],
            "parameters_primary": {"work_mem": "9MB", "max_worker_processes": 11},
        }}))
        .start();
    let old = cluster.wait_until_settled();
    let new = cluster.others(old.name())[0];
    let rejects = |member: &Member| {
        let ask = "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'reject'";
        member.ask(ask)
    };
    let wait_for_roles = |primary: &Member, replica: &Member| {
        wait_for_setting(primary, "work_mem", "9MB");
        wait_for_setting(replica, "work_mem", "6MB");
        for (member, lines) in [(primary, "1"), (replica, "0")] {
            wait_for(&format!("pg_hba of {}", member.name()), || {
                (rejects(member)? == lines).then_some(())
            });
        }
    };
    wait_for_roles(old, new);

    assert_eq!(cluster.switchover(old.name(), Some(new.name())).status, 200);
    cluster.wait_for_leader(new.name());
    cluster.wait_until_settled();

    wait_for_roles(new, old);
    // What all roles need alike is passed over, so nobody waits for a restart.
    for member in cluster.members() {
        let status = member.status().expect("an answer");
        assert_eq!(status["pending_restart"], Value::Null, "{status}");
        assert_eq!(
            member.ask("SHOW max_worker_processes").as_deref(),
            Some("8")
        );
    }
    // A server that is started has them from its start on.
    old.kill_postmaster();
    cluster.wait_until_settled();
    wait_for_roles(new, old);

    // What clients are told of the pooler in front of a server.
    let keys = Keys::of(&cluster);
    for member in cluster.members() {
        let key = keys.read(&format!("members/{}", member.name()));
        let key: Value = serde_json::from_str(&key.expect("a key")).expect("JSON");
        assert_eq!(key["proxy_url"], "postgres://pooler.example:6432/postgres");
    }

    // And without them it is as every other again.
    keys.configure("postgresql", json!({"pg_hba": [replication, all]}));
    wait_for_setting(new, "work_mem", "4MB");
    wait_for("pg_hba for every role", || {
        (rejects(new)? == "0").then_some(())
    });
    wait_for_setting(old, "work_mem", "6MB");
}

#[test]
fn configuration_outlives_a_store_that_lost_it_and_agents_that_were_started_anew() {
    let cluster = Cluster::builder().members(2).start();
    let leader = cluster.wait_until_settled();
    let keys = Keys::of(&cluster);
    configure(&keys, &json!({"max_connections": 30, "work_mem": "6MB"}));
    for member in cluster.members() {
        wait_for_setting(member, "work_mem", "6MB");
        let path = member.data_dir().join("patroni.dynamic.json");
        wait_for("the configuration to be kept", || {
            std::fs::read_to_string(&path)
                .ok()?
                .contains("6MB")
                .then_some(())
        });
    }

    for member in cluster.others(leader.name()).into_iter().chain([leader]) {
        assert!(member.stop_daemon().success());
    }
    keys.delete("config");
    // Whoever stopped last has a record that nobody else has.
    leader.start_daemon();
    cluster.wait_for_leader(leader.name());
    cluster.others(leader.name())[0].start_daemon();
    cluster.wait_until_settled();

    wait_for("the configuration to be back", || {
        keys.read("config")?.contains("6MB").then_some(())
    });
    for member in cluster.members() {
        wait_for_setting(member, "work_mem", "6MB");
    }
}

/// The lines that the callbacks of a member have written.
fn told(member: &Member) -> Vec<String> {
    let path = member.configuration().with_file_name("callbacks");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn callbacks_are_told_of_a_failover_in_order() {
    let script = "echo \"$@\" >> callbacks' callback";
    // The next one would end it before, when a server starts again at once.
    let slow = format!("sh -c 'test \"$2\" = primary || sleep 0.5; {script}");
    let script = format!("sh -c '{script}");
    let callbacks = json!({
        "on_start": script,
        "on_stop": slow,
        "on_reload": script,
        "on_role_change": script,
    });
    let cluster = Cluster::builder()
        .members(2)
        .local(&json!({"postgresql": {
            "callbacks": callbacks,
            "before_stop": "sh -c 'echo stops >> before'",
        }}))
        .start();
    let old = cluster.wait_until_settled();
    let new = cluster.others(old.name())[0];
    let wait_for_lines = |member: &Member, lines: &[&str]| {
        wait_for(&format!("{} to be told {lines:?}", member.name()), || {
            let told = told(member);
            let told = told.iter().filter(|line| !line.starts_with("on_reload"));
            told.eq(lines).then_some(())
        });
    };
    wait_for_lines(old, &["on_start primary e2e"]);
    wait_for_lines(new, &["on_start replica e2e"]);

    assert_eq!(cluster.switchover(old.name(), Some(new.name())).status, 200);
    cluster.wait_for_leader(new.name());
    cluster.wait_until_settled();

    wait_for_lines(new, &["on_start replica e2e", "on_role_change primary e2e"]);
    wait_for_lines(
        old,
        &[
            "on_start primary e2e",
            "on_stop primary e2e",
            "on_role_change replica e2e",
        ],
    );
    let keys = Keys::of(&cluster);
    configure(&keys, &json!({"max_connections": 30, "work_mem": "6MB"}));
    for member in cluster.members() {
        wait_for("the reload to be told", || {
            let role = if member.name() == new.name() {
                "primary"
            } else {
                "replica"
            };
            let line = format!("on_reload {role} e2e");
            told(member).contains(&line).then_some(())
        });
    }
    // An agent that leaves gives the script time to end.
    let before = |member: &Member| {
        let path = member.configuration().with_file_name("before");
        std::fs::read_to_string(path).unwrap_or_default()
    };
    assert_eq!(
        (before(old).as_str(), before(new).as_str()),
        ("stops\n", "")
    );
    assert!(old.stop_daemon().success());
    assert_eq!(before(old), "stops\nstops\n");
    assert_eq!(
        told(old).last().map(String::as_str),
        Some("on_stop replica e2e")
    );
}

#[test]
fn members_are_made_by_commands_of_the_user() {
    // The first way fails half way, the second copies as pg_basebackup would.
    let fails = "sh -c 'touch data/PG_VERSION; exit 1' fails";
    let copies = "sh -c 'echo \"$@\" > arguments; \
                  for word; do case $word in --connstring=*) to=${word#--connstring=};; esac; done; \
                  exec \"$PG\"/pg_basebackup -D data -X stream -c fast -d \"$to\"' copies";
    let bin_dir = herdsman_tests::cluster::postgres_folder();
    let copies = copies.replace("\"$PG\"", &bin_dir.display().to_string());
    // What has failed once is made anew.
    let after = "sh -c 'echo \"$1\" > after; test -e once || { touch once; exit 1; }' after";
    let cluster = Cluster::builder()
        .members(2)
        .local(&json!({
            "bootstrap": {"post_bootstrap": after},
            "postgresql": {
                "create_replica_methods": ["fails", "copies", "basebackup"],
                "fails": {"command": fails, "no_params": true},
                "copies": {"command": copies, "threshold": 10},
            },
        }))
        .start();
    let leader = cluster.wait_until_settled();
    let standby = cluster.others(leader.name())[0];

    let file = |member: &Member, name: &str| {
        let path = member.configuration().with_file_name(name);
        std::fs::read_to_string(path).unwrap_or_default()
    };
    let after = file(leader, "after");
    assert!(
        after.starts_with("dbname=postgres user=postgres host="),
        "{after}"
    );
    assert!(!after.contains("password"), "{after}");
    let arguments = file(standby, "arguments");
    let begins = "--threshold=10 --scope=e2e --role=replica --datadir=";
    assert!(arguments.starts_with(begins), "{arguments}");
    assert!(arguments.contains(" --connstring=dbname="), "{arguments}");
    // A colon and quotes in the password: it must have come by the password file.
    assert!(!arguments.contains("ecret"), "{arguments}");
    let failed = || standby.log().matches("no copy by this method").count();
    assert_eq!(failed(), 1);

    // Who asks for the leader's data gets it from the leader itself.
    let reinit = json!({"from_leader": true});
    let answer = standby.send("POST", "/reinitialize", &reinit);
    assert_eq!(answer.expect("an answer").status, 200);
    wait_for("the copy to begin", || {
        decided_at(standby, "reinitializing")
    });
    cluster.wait_until_settled();
    assert_eq!(failed(), 1);
}
