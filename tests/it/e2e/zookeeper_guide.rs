//! A reader of a guide to Patroni and ZooKeeper replaces the program and nothing else: the guide's
//! file, which asks for synchronous mode, starts two members behind the guide's HAProxy, and no
//! acknowledged row is lost when one of them goes.

use std::fs;

use herdsman_tests::balancer::HaProxy;
use herdsman_tests::cluster::{Cluster, Control, Member, StoreKind, postgres_folder, wait_for};

use super::{Blanks, EVERY, assert_nothing_lost, with_blanks_filled};

/// The file as the guide has it.
const FILE: &str = include_str!("../../guides/patroni-and-zookeeper.yml");
/// Its configuration of HAProxy, and what it calls the members there.
const HAPROXY: &str = include_str!("../../guides/patroni-and-zookeeper-haproxy.cfg");
const HOSTS: [&str; 2] = ["pg-master", "pg-slave"];
const SERVERS: [&str; 2] = ["postgresql_pg_master_5432", "postgresql_pg_slave_5432"];
const CLUSTER: &str = "my_cluster";

/// Puts in what differs from machine to machine: names, hosts, ports, paths and the password.
fn filled(member: &Member, store: &str) -> String {
    let Blanks {
        folder,
        address,
        password,
    } = Blanks::of(member);
    let path = |name: &str| folder.join(name).display().to_string();
    with_blanks_filled(
        FILE,
        &[
            ("name: postgresql0", format!("name: {}", member.name())),
            ("pg-master:8008", address(member.api_port())),
            ("zoo:2181", store.to_owned()),
            ("0.0.0.0:5432", address(member.port())),
            ("pg-master:5432", address(member.port())),
            ("/var/lib/postgresql/data/postgresql0", path("data")),
            (
                "/usr/lib/postgresql/15/bin",
                postgres_folder().display().to_string(),
            ),
            ("/tmp/pgpass0", path("pgpass")),
            ("/tmp/wal_archive", path("wal_archive")),
            ("password: postgres", format!("password: {password}")),
        ],
    )
}

/// The role of a member as `/cluster` of another one, or itself, has it.
fn role(asked: &Member, name: &str) -> Option<String> {
    let cluster = asked.get("/cluster").ok()?.json();
    let members = cluster["members"].as_array()?;
    let member = members.iter().find(|member| member["name"] == name)?;
    member["role"].as_str().map(str::to_owned)
}

fn wait_until_synchronous(leader: &Member, standby: &Member) {
    wait_for("the other member to confirm commits", || {
        (role(leader, standby.name())? == "sync_standby").then_some(())
    });
}

#[test]
fn the_file_of_a_guide_with_synchronous_mode_starts_two_members_that_lose_nothing() {
    let cluster = Cluster::builder()
        .members(2)
        .store(StoreKind::ZooKeeper)
        .prepare();
    let store = cluster.store().endpoints()[0].replace("http://", "");
    for member in cluster.members() {
        let text = filled(member, &store);
        fs::write(member.configuration(), text).expect("the member's folder is writable");
        member.start_daemon();
    }
    let leader = cluster.wait_until_settled();
    let standby = cluster.others(leader.name())[0];
    wait_until_synchronous(leader, standby);
    let names = leader.ask("SELECT pg_catalog.current_setting('synchronous_standby_names')");
    assert_eq!(names.as_deref(), Some(standby.name()));
    let list = Control::with(standby.configuration()).run(&["list", CLUSTER]);
    assert!(
        list.out.contains("| Sync Standby | streaming |"),
        "{list:?}"
    );

    let haproxy = HaProxy::configured(&cluster, "haproxy.cfg", HAPROXY, &HOSTS);
    let server = |member: &Member| {
        let place = cluster
            .members()
            .iter()
            .position(|m| m.name() == member.name());
        SERVERS[place.expect("it is a member")]
    };
    haproxy.wait_until_up("postgres", &[server(leader)]);
    let writer = cluster.writer_through("haproxy", haproxy.port(5432), EVERY);
    writer.wait_for_rows(50);
    let since = leader.kill_host();
    cluster.wait_for_leader(standby.name());
    haproxy.wait_until_up("postgres", &[server(standby)]);
    writer.wait_for_rows(50);
    eprintln!(
        "longest time without a row through HAProxy: {:?}",
        writer.gap_after(since)
    );
    leader.start_daemon();
    cluster.wait_until_settled();
    wait_until_synchronous(standby, leader);
    assert_nothing_lost(&writer.stop(), &cluster);
}
