//! A whole cluster that follows another one: made from it, led on when its leader dies, promoted, and
//! the other one demoted to follow it.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;

use herdsman_tests::cluster::{Cluster, Control, Ended, Member, wait_for};
use herdsman_tests::keys::Keys;
use serde_json::{Value, json};

use super::{decided_at, write};

fn follows(source: &Member) -> Value {
    json!({
        "standby_cluster": {"host": "127.0.0.1", "port": source.port()},
        "postgresql": {"use_pg_rewind": true},
    })
}

/// The member that leads the standby cluster and gets WAL from the source.
fn standby_leader(cluster: &Cluster) -> Option<&Member> {
    let leads = |member: &&Member| {
        let status = member.status();
        let is_it = member
            .get("/standby-leader")
            .is_ok_and(|answer| answer.status == 200);
        is_it && status.is_some_and(|status| status["replication_state"] == "streaming")
    };
    cluster.members().iter().find(leads)
}

fn wait_for_rows(member: &Member, table: &str, count: usize) {
    let query = format!("SELECT count(*) FROM {table}");
    let count = count.to_string();
    wait_for(
        &format!("{count} rows of {table} on {}", member.name()),
        || (member.ask(&query)? == count).then_some(()),
    );
}

fn control(member: &Member, arguments: &[&str]) -> Ended {
    let ended = Control::with(member.configuration()).run(arguments);
    eprintln!("{arguments:?}\n{}{}", ended.out, ended.err);
    ended
}

/// What the command line of the reference shows of it, where that is installed.
fn check_by_the_reference(leader: &Member) {
    let mut command = Command::new("patronictl");
    command.arg("-c").arg(leader.configuration());
    let Ok(listed) = command.args(["list", "--format", "json"]).output() else {
        return;
    };
    let errors = String::from_utf8_lossy(&listed.stderr);
    let members: Vec<Value> =
        serde_json::from_slice(&listed.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    let mut found: Vec<(&str, &str)> = members
        .iter()
        .filter_map(|member| Some((member["Role"].as_str()?, member["State"].as_str()?)))
        .collect();
    found.sort_unstable();
    let expected = [("Replica", "streaming"), ("Standby Leader", "streaming")];
    assert_eq!(found, expected, "{members:#?}");
}

#[test]
fn cluster_follows_another_one_is_promoted_and_the_other_one_follows_it() {
    let first = Cluster::builder()
        .members(2)
        .ttl(5)
        .config(&json!({"postgresql": {"use_pg_rewind": true}}))
        .start();
    let source = first.wait_until_settled();
    let replica = first.others(source.name())[0];
    write(source, "CREATE TABLE kept (n int)");
    write(source, "INSERT INTO kept VALUES (1)");

    let second = Cluster::builder()
        .members(2)
        .ttl(5)
        .config(&follows(source))
        .prepare();
    second.members().iter().for_each(Member::start_daemon);
    let leader = wait_for("a standby leader that streams", || standby_leader(&second));
    let other = second.others(leader.name())[0];
    wait_for_rows(leader, "kept", 1);
    wait_for_rows(other, "kept", 1);
    assert_eq!(leader.is_primary(), Some(false));
    let system = |member: &Member| member.status().unwrap()["database_system_identifier"].clone();
    assert_eq!(system(leader), system(source));
    assert!(decided_at(leader, "copying-source").is_some());
    let code = |member: &Member, page: &str| member.get(page).map_or(0, |answer| answer.status);
    assert_eq!(code(leader, "/primary"), 503);
    assert_eq!(code(leader, "/leader"), 200);
    wait_for("the replica", || {
        (code(other, "/replica") == 200).then_some(())
    });
    let senders = "SELECT string_agg(application_name, ',') FROM pg_catalog.pg_stat_replication";
    assert_eq!(leader.ask(senders).as_deref(), Some(other.name()));
    let listed = control(leader, &["list"]);
    assert!(listed.out.contains("Standby Leader"), "{}", listed.out);
    check_by_the_reference(leader);

    // The leader's machine is lost: the other one leads, and follows the source from then on.
    leader.kill_host();
    let heir = wait_for("another standby leader", || standby_leader(&second));
    assert_eq!(heir.name(), other.name());
    write(source, "INSERT INTO kept VALUES (2)");
    wait_for_rows(heir, "kept", 2);
    assert_eq!(heir.is_primary(), Some(false));
    leader.start_daemon();
    wait_for_rows(leader, "kept", 2);

    // The leadership moves without a stop.
    let started = "SELECT pg_catalog.pg_postmaster_start_time()";
    let running_since = heir.ask(started);
    let moved = second.switchover(heir.name(), Some(leader.name()));
    assert_eq!(moved.status, 200, "{}", moved.body);
    wait_for("the named one to lead", || {
        (standby_leader(&second)?.name() == leader.name()).then_some(())
    });
    assert_eq!(heir.ask(started), running_since);
    let (heir, leader) = (leader, heir);
    write(source, "CREATE TABLE moved (n int)");
    wait_for_rows(leader, "moved", 0);

    // Nobody is promoted before it is said.
    let promoted = control(heir, &["promote-cluster", "--force"]);
    assert_eq!(promoted.code, Some(0), "{}", promoted.err);
    assert!(promoted.out.contains("cluster is successfully promoted"));
    let primary = second.wait_until_settled();
    assert_eq!(primary.name(), heir.name());
    // A number is left out: the other cluster may begin the next one.
    assert_eq!(second.timeline(), 3);
    let again = control(heir, &["promote-cluster", "--force"]);
    assert_eq!(again.code, Some(1));
    assert!(
        again
            .err
            .contains("Cluster is already in the required state")
    );

    // The first cluster has gone on alone, and is made to follow the second.
    write(source, "CREATE TABLE alone (n int)");
    wait_for_rows(replica, "alone", 0);
    write(primary, "INSERT INTO kept VALUES (3)");
    let port = primary.port().to_string();
    let demotion = [
        "demote-cluster",
        "--force",
        "--host",
        "127.0.0.1",
        "--port",
        &port,
    ];
    let demoted = control(source, &demotion);
    assert_eq!(demoted.code, Some(0), "{}", demoted.err);
    assert!(demoted.out.contains("cluster is successfully demoted"));
    wait_for_rows(source, "kept", 3);
    assert_eq!(source.is_primary(), Some(false));
    assert!(decided_at(source, "rewinding-to-leader").is_some());
    let alone = source.ask("SELECT to_regclass('alone') IS NULL");
    assert_eq!(alone.as_deref(), Some("t"), "what it wrote alone is gone");
    // Its replica had what it wrote alone as well.
    wait_for_rows(replica, "kept", 3);
    assert!(decided_at(replica, "rewinding-to-leader").is_some());
    wait_for("the first cluster's standby leader", || {
        standby_leader(&first)
    });
    second.wait_until_settled();
}

/// Passes connections to this address on to a server of this machine.
fn pass_on(from: (&str, u16), to: u16) {
    let listener = TcpListener::bind(from).expect("an address of the loopback interface");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else {
                continue;
            };
            for (mut source, sink) in [
                (client.try_clone(), server.try_clone()),
                (Ok(server), Ok(client)),
            ]
            .map(|(source, sink)| (source.expect("a socket"), sink.expect("a socket")))
            {
                let mut sink = sink;
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut source, &mut sink);
                    let _ = sink.shutdown(Shutdown::Both);
                });
            }
        }
    });
}

fn wait_for_answer(member: &Member, query: &str, wanted: &str) {
    let what = format!("{query} = {wanted} on {}", member.name());
    wait_for(&what, || (member.ask(query)? == wanted).then_some(()));
}

#[test]
fn whatever_the_section_says_is_so_on_real_servers() {
    const SENDER: &str = "SELECT sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'";
    let archive = tempfile::tempdir().expect("a folder");
    let path = archive.path().display();
    let first = Cluster::builder()
        .members(2)
        .ttl(5)
        .config(&json!({
            "slots": {"site_b": {"type": "physical"}},
            "postgresql": {"parameters": {
                "archive_mode": "on",
                "archive_command": format!("cp %p {path}/%f"),
            }},
        }))
        .start();
    let source = first.wait_until_settled();
    let replica = first.others(source.name())[0];
    write(source, "CREATE TABLE kept (n int)");
    write(source, "INSERT INTO kept VALUES (1)");
    // The first of the hosts is not the one that takes writes.
    pass_on(("127.0.0.2", source.port()), replica.port());
    let section = json!({
        "host": "127.0.0.2, 127.0.0.1",
        "port": source.port(),
        "primary_slot_name": "site_b",
        "recovery_min_apply_delay": "1h",
    });

    let second = Cluster::builder()
        .ttl(5)
        .config(&json!({
            "standby_cluster": section,
            "postgresql": {"parameters_standby_leader": {"work_mem": "9MB"}},
        }))
        .local_of("n3", json!({"tags": {"replicatefrom": "n2"}}))
        .prepare();
    let [n1, n2, n3] = ["n1", "n2", "n3"].map(|name| second.member(name));
    n1.start_daemon();
    wait_for("n1 to lead", || standby_leader(&second));
    n2.start_daemon();
    n3.start_daemon();

    wait_for_answer(n1, SENDER, &source.port().to_string());
    wait_for_answer(n2, SENDER, &n1.port().to_string());
    wait_for_answer(n3, SENDER, &n2.port().to_string());
    let slot = "SELECT active FROM pg_replication_slots WHERE slot_name = 'site_b'";
    wait_for_answer(source, slot, "t");
    // The leader alone replays late, and has received what the others replay.
    write(source, "INSERT INTO kept VALUES (2)");
    wait_for_rows(n3, "kept", 2);
    wait_for_rows(n2, "kept", 2);
    let delay = |member: &Member| member.ask("SHOW recovery_min_apply_delay");
    assert_eq!(delay(n1).as_deref(), Some("1h"));
    assert_eq!(delay(n2).as_deref(), Some("0"));
    wait_for_answer(n1, "SHOW work_mem", "9MB");
    wait_for_answer(n2, "SHOW work_mem", "4MB");
    assert_eq!(n1.ask("SELECT count(*) FROM kept").as_deref(), Some("1"));

    // From now on WAL comes from the archive alone.
    let only_archive = json!({"restore_command": format!("cp {path}/%f %p")});
    let keys = Keys::of(&second);
    keys.configure("standby_cluster", only_archive);
    wait_for_answer(n1, "SHOW recovery_min_apply_delay", "0");
    wait_for_answer(source, slot, "f");
    write(source, "INSERT INTO kept VALUES (3)");
    source
        .ask("SELECT pg_switch_wal()")
        .expect("it is switched");
    wait_for_rows(n1, "kept", 3);
    wait_for_rows(n2, "kept", 3);
    wait_for_rows(n3, "kept", 3);
    assert_eq!(n1.is_primary(), Some(false));
}
