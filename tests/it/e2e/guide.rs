//! A reader of a guide to Patroni and etcd replaces the program and nothing else: the guide's
//! file starts three members, and its commands and calls give what it shows.

use std::fs;

use herdsman_tests::cluster::{Cluster, Control, Ended, Member, postgres_folder, wait_for};

use super::{Blanks, with_blanks_filled};

/// The file as the guide has it.
const FILE: &str = include_str!("../../guides/patroni-and-etcd.yml");
const CLUSTER: &str = "postgres-cluster";

/// Puts in what a reader puts in: hosts, ports, paths and passwords.
fn filled(member: &Member, store: &str) -> String {
    let Blanks {
        folder,
        address,
        password,
    } = Blanks::of(member);
    let path = |name: &str| folder.join(name).display().to_string();
    let text = with_blanks_filled(
        FILE,
        &[
            ("<NODE_NAME>", member.name().to_owned()),
            ("0.0.0.0:8008", address(member.api_port())),
            ("<NODE_IP>:8008", address(member.api_port())),
            ("<ETCD_IP>:2379", store.to_owned()),
            ("0.0.0.0:5432", address(member.port())),
            ("<NODE_IP>:5432", address(member.port())),
            ("/var/lib/postgresql/14/main", path("data")),
            (
                "/usr/lib/postgresql/14/bin",
                postgres_folder().display().to_string(),
            ),
            ("/tmp/pgpass", path("pgpass")),
            ("/var/run/postgresql", path("")),
            ("<ADMIN_PASSWORD>", password.clone()),
            ("<REPLICATION_PASSWORD>", "replicate".to_owned()),
            ("<POSTGRES_PASSWORD>", password),
        ],
    );
    assert!(!text.contains('<'), "{text}");
    text
}

fn start() -> Cluster {
    let cluster = Cluster::builder().prepare();
    let store = cluster.store().endpoints()[0].replace("http://", "");
    for member in cluster.members() {
        let text = filled(member, &store);
        fs::write(member.configuration(), text).expect("the member's folder is writable");
        member.start_daemon();
    }
    cluster.wait_until_settled();
    cluster
}

/// The command line with the first member's file, as the guide calls it.
fn control(cluster: &Cluster) -> Control {
    Control::with(cluster.member("n1").configuration())
}

fn done(ended: Ended) -> String {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.out
}

/// The status codes of a page, the leader's first.
fn codes(cluster: &Cluster, leader: &str, page: &str) -> [u16; 2] {
    let code = |member: &Member| {
        let answer = member.get(page).map(|answer| answer.status);
        answer.unwrap_or_else(|error| panic!("{} {page}: {error}", member.name()))
    };
    let standby = cluster.others(leader)[0];
    [code(cluster.member(leader)), code(standby)]
}

#[test]
fn the_file_of_a_guide_starts_three_members_and_its_commands_and_calls_work() {
    let cluster = start();
    let control = control(&cluster);
    let leader = cluster.wait_until_settled().name().to_owned();

    shows_the_cluster(&cluster, &control, &leader);
    answers_the_calls(&cluster, &leader);
    keeps_slots_and_parameters(&cluster, &control);
    pauses_and_goes_on(&control);
    reloads_and_restarts(&cluster, &control, &leader);
    let leader = moves_with_the_old_spelling(&cluster, &control, &leader);
    copies_a_standby_anew(&cluster, &control, &leader);
    let leader = fails_over_by_hand(&cluster, &control, &leader);
    survives_the_end_of_the_leader(&cluster, &control, &leader);
}

fn shows_the_cluster(cluster: &Cluster, control: &Control, leader: &str) {
    let list = wait_for("all members to be shown as in order", || {
        let list = done(control.run(&["list", CLUSTER]));
        (list.matches("| Replica | streaming |").count() == 2).then_some(list)
    });
    let first = list.lines().next().unwrap_or_default();
    assert!(first.starts_with("+ Cluster: postgres-cluster ("), "{list}");
    assert!(list.contains("| Leader  | running   |"), "{list}");
    for member in cluster.members() {
        let begin = format!("| {} ", member.name());
        let line = list.lines().find(|line| line.starts_with(&begin));
        let is_leader = line.is_some_and(|line| line.contains("Leader"));
        assert_eq!(is_leader, member.name() == leader, "{list}");
    }
}

fn answers_the_calls(cluster: &Cluster, leader: &str) {
    for (page, expected) in [
        ("/", [200, 503]),
        ("/primary", [200, 503]),
        ("/replica", [503, 200]),
        ("/health", [200, 200]),
        ("/readiness", [200, 200]),
        ("/liveness", [200, 200]),
    ] {
        // A standby that has just been made is ready a moment later.
        wait_for(&format!("{page} to answer {expected:?}"), || {
            (codes(cluster, leader, page) == expected).then_some(())
        });
    }
    let status = cluster.member(leader).get("/").expect("it answers").json();
    assert_eq!(status["state"], "running");
    // The guide's release still called it master.
    assert_eq!(status["role"], "primary");
    assert_eq!(status["patroni"]["scope"], CLUSTER);
    assert!(status["server_version"].as_u64() >= Some(130_000));
    assert!(status["xlog"]["location"].as_u64() > Some(0));
    assert!(status["timeline"].as_u64() >= Some(1));
    assert!(status["database_system_identifier"].is_string());
    // Without looking at the code, as its loop with `jq` does.
    let roles = cluster.others(leader).into_iter().map(|standby| {
        let status = standby.get("/").expect("it answers").json();
        status["role"].clone()
    });
    assert!(roles.into_iter().all(|role| role == "replica"));
}

fn keeps_slots_and_parameters(cluster: &Cluster, control: &Control) {
    let shown = done(control.run(&["show-config", CLUSTER]));
    for line in [
        "ttl: 30\n",
        "    max_connections: 100\n",
        "  use_slots: true\n",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    let leader = cluster.wait_until_settled();
    let ask = |sql: &str| leader.ask(sql).unwrap_or_default();
    assert_eq!(ask("SHOW wal_keep_size"), "1GB");
    assert_eq!(ask("SHOW wal_log_hints"), "on");
    assert_eq!(ask("SHOW data_checksums"), "on");
    let slots = "SELECT count(*) FROM pg_replication_slots WHERE active";
    wait_for("two slots in use", || (ask(slots) == "2").then_some(()));
    assert_eq!(ask("SELECT count(*) FROM pg_stat_replication"), "2");

    let change = [
        "edit-config",
        CLUSTER,
        "-s",
        "maximum_lag_on_failover=2097152",
    ];
    let changed = done(control.run(&[&change[..], &["--force"]].concat()));
    let line = "\n-maximum_lag_on_failover: 1048576\n+maximum_lag_on_failover: 2097152\n";
    assert!(changed.contains(line), "{changed}");
}

fn pauses_and_goes_on(control: &Control) {
    done(control.run(&["pause", CLUSTER, "--wait"]));
    let list = done(control.run(&["list", CLUSTER]));
    assert!(list.ends_with(" Maintenance mode: on\n"), "{list}");
    done(control.run(&["resume", CLUSTER, "--wait"]));
}

fn reloads_and_restarts(cluster: &Cluster, control: &Control, leader: &str) {
    let standby = cluster.others(leader)[0];
    let reloaded = done(control.run(&["reload", CLUSTER, standby.name(), "--force"]));
    assert!(reloaded.contains("Reload request received"), "{reloaded}");
    let postmaster = standby.postmaster_pid();
    let restart = ["restart", CLUSTER, standby.name(), "--force"];
    let restarted = done(control.run(&restart));
    let line = format!("Success: restart on member {}\n", standby.name());
    assert!(restarted.ends_with(&line), "{restarted}");
    assert_ne!(standby.postmaster_pid(), postmaster);
    let nothing = done(control.run(&[&restart[..], &["--pending"]].concat()));
    let sentence = "No member is pending a restart\n";
    assert!(nothing.ends_with(sentence), "{nothing}");
    cluster.wait_until_settled();
}

fn copies_a_standby_anew(cluster: &Cluster, control: &Control, leader: &str) {
    let standby = cluster.others(leader)[0].name();
    let copied = done(control.run(&["reinit", CLUSTER, standby, "--force", "--wait"]));
    let line = format!("Success: reinitialize for member {standby}\n");
    assert!(copied.contains(&line), "{copied}");
    cluster.wait_until_settled();
    let refused = control.run(&["reinit", CLUSTER, leader, "--force"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
}

fn moves_with_the_old_spelling(cluster: &Cluster, control: &Control, leader: &str) -> String {
    let candidate = cluster.others(leader)[0].name();
    let order = [
        "switchover",
        CLUSTER,
        "--master",
        leader,
        "--candidate",
        candidate,
    ];
    // The guide lets the program ask for the rest: the time, and whether that is meant.
    let moved = done(control.answered(&order, "\ny\n"));
    let sentence = format!("Successfully switched over to \"{candidate}\"");
    assert!(moved.contains(&sentence), "{moved}");
    wait_for("all to follow the new leader", || {
        (cluster.wait_until_settled().name() == candidate).then_some(())
    });
    let history = done(control.run(&["history", CLUSTER, "-f", "tsv"]));
    assert!(history.ends_with(&format!("\t{candidate}\n")), "{history}");
    candidate.to_owned()
}

/// As the guide does it while the leader is in order: the named one takes over all the same.
fn fails_over_by_hand(cluster: &Cluster, control: &Control, leader: &str) -> String {
    let candidate = cluster.others(leader)[0].name();
    let order = ["failover", CLUSTER, "--candidate", candidate, "--force"];
    let moved = done(control.run(&order));
    let sentence = format!("Successfully failed over to \"{candidate}\"");
    assert!(moved.contains(&sentence), "{moved}");
    wait_for("all to follow the new leader", || {
        (cluster.wait_until_settled().name() == candidate).then_some(())
    });
    candidate.to_owned()
}

/// What the guide does with `systemctl stop` to try a failover.
fn survives_the_end_of_the_leader(cluster: &Cluster, control: &Control, leader: &str) {
    let stopped = cluster.member(leader);
    assert!(stopped.stop_daemon().success());
    let next = cluster.wait_for_leader_other_than(leader).name();
    cluster.wait_until_settled();
    stopped.start_daemon();
    wait_for("the stopped member to follow", || {
        (cluster.wait_until_settled().name() == next).then_some(())
    });
    let topology = done(control.run(&["topology", CLUSTER]));
    assert!(topology.contains(&format!("| + {leader} ")), "{topology}");
    let refused = control.run(&["switchover", CLUSTER, "--master", leader, "--force"]);
    assert_eq!(refused.code, Some(1));
    let error = format!("Error: Member {leader} is not the leader of cluster {CLUSTER}\n");
    // Before it stands the warning of the section `etcd`.
    assert!(refused.err.ends_with(&error), "{refused:?}");
}
