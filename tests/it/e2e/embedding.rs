//! The examples for those who embed the libraries, run against real servers.

use std::process::Command;

use herdsman_tests::cluster::{Cluster, Endpoint, Member, built_program, get, wait_for};
use herdsman_tests::program::Program;

use super::{EVERY, assert_nothing_lost};

#[test]
fn topology_and_observer_tell_of_a_failover() {
    let cluster = Cluster::builder().start();
    let old = cluster.wait_until_settled();
    let mut arguments = vec![cluster.scope().to_owned()];
    arguments.extend(cluster.store().endpoints());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();

    let topology = Program::built("herdsman-topology", &arguments);
    let observer = observe(old);

    let primary_is = |member: &Member| format!("primary 127.0.0.1:{}", member.port());
    topology.wait_for_line(0, "all three members", |line| {
        let is_standby = |member: &&Member| line.contains(&address(member));
        let standbys = cluster.others(old.name());
        line.starts_with(&primary_is(old)) && standbys.iter().all(is_standby)
    });
    observer.wait_for_line(0, "the role", |line| line.starts_with("role      primary"));
    for standby in cluster.others(old.name()) {
        let expected = format!("streams   to {}: streaming, async", standby.name());
        observer.wait_for_line(0, &expected, |line| line == expected);
        let slot = format!("slot      {}, keeps from", standby.name());
        observer.wait_for_line(0, &slot, |line| line.starts_with(&slot));
    }
    let (place, end) = (topology.place(), observer.place());

    old.kill_host();

    observer.wait_for_line(end, "the end", |line| line.starts_with("ended     "));
    observer.wait_for_line(end, "that it is down", |line| line == "process   Down");
    let new = cluster.wait_for_leader_other_than(old.name());
    topology.wait_for_line(place, "the gap", |line| line.starts_with("no primary"));
    let line = topology.wait_for_line(place, "the new primary", |line| {
        line.starts_with(&primary_is(new))
    });
    assert!(!line.contains(&address(old)), "{line}");
}

#[test]
fn services_with_a_member_inside_work_one_at_a_time() {
    let service = built_program("herdsman-embed-agent");
    let cluster = Cluster::builder().daemon(service, &["127.0.0.1:0"]).start();
    let old = cluster.wait_until_settled();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);
    for member in cluster.members() {
        let answer = get(service_port(member), "/ready").unwrap();
        assert_eq!(answer.status, 200, "{}", member.name());
        let answer = get(service_port(member), "/").unwrap();
        let expected = format!("{} leads; {} is ", old.name(), member.name());
        assert!(answer.body.starts_with(&expected), "{}", answer.body);
        assert_eq!(is_working(member), member.name() == old.name());
    }

    let exit = old.stop_daemon();

    assert_eq!(exit.code(), Some(0), "{exit}");
    assert!(!is_working(old), "{}", old.log());
    let new = cluster.wait_for_leader_other_than(old.name());
    wait_for("the new leader's work", || is_working(new).then_some(()));
    writer.wait_for_rows(20);
    assert_nothing_lost(&writer.stop(), &cluster);
}

/// Looks at a member's server.
fn observe(member: &Member) -> Program {
    let path = built_program("herdsman-observe-postgres");
    let Endpoint { user, password, .. } = member.endpoint();
    let look = |command: &mut Command| {
        command
            .arg(member.data_dir())
            .args([address(member), user])
            .env("PGPASSWORD", password);
    };
    Program::start(&path, look)
}

fn address(member: &Member) -> String {
    format!("127.0.0.1:{}", member.port())
}

/// The port that a service chose, from its latest start.
fn service_port(member: &Member) -> u16 {
    wait_for("the service to listen", || {
        let log = member.log();
        let port = log.rsplit_once("the service listens on 127.0.0.1:")?.1;
        port.lines().next()?.parse().ok()
    })
}

/// Whether a service does the work that belongs beside the primary.
fn is_working(member: &Member) -> bool {
    let log = member.log();
    log.matches("the work begins").count() > log.matches("the work ends").count()
}
