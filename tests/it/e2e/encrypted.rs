//! A cluster whose servers let its own roles in with TLS only.

use herdsman_dcs::test_servers::{Authority, Certificate, KeyForm};
use serde_json::{Value, json};

use herdsman_tests::cluster::{Cluster, Control, Member, postgres_folder, wait_for};

use super::{EVERY, assert_nothing_lost};

/// Opens the key of the certificate that the members show each other.
const KEY_PASSWORD: &str = "k:ey's pass";

/// Sessions of the tests themselves are in plain, by a role that the agents do not have.
fn configuration(authority: &Authority, server: &Certificate) -> Value {
    let client = authority.issue();
    let key = authority.protected_key(&client, KEY_PASSWORD, KeyForm::Usual);
    let verified = json!({
        "sslmode": "verify-full",
        "sslrootcert": authority.certificate(),
        "sslcert": client.certificate,
        "sslkey": key,
        "sslpassword": KEY_PASSWORD,
    });
    let psql = postgres_folder().join("psql");
    let psql = psql.display();
    let tester = format!(
        "sh -c '{psql} -d \"$1\" -c \"CREATE ROLE postgres SUPERUSER LOGIN\" \
         -c \"CREATE ROLE reader LOGIN\"' role"
    );
    json!({
        "bootstrap": {"post_bootstrap": tester},
        "postgresql": {
            "authentication": {
                "superuser": {"username": "admin", "sslmode": "require"},
                "replication": verified,
            },
            "pg_hba": [
                "hostssl replication replicator 127.0.0.1/32 scram-sha-256 clientcert=verify-ca",
                "hostssl all admin 127.0.0.1/32 scram-sha-256",
                "hostssl all replicator 127.0.0.1/32 scram-sha-256",
                "hostssl all reader 127.0.0.1/32 trust",
                "hostnossl all postgres 127.0.0.1/32 trust",
            ],
            "parameters": {
                "ssl": "on",
                "ssl_cert_file": server.certificate,
                "ssl_key_file": server.key,
                "ssl_ca_file": authority.certificate(),
            },
        },
    })
}

/// Sees that a standby streams from the leader, and that nobody of ours is there in plain.
fn wait_until_encrypted(leader: &Member) {
    let ask = "SELECT count(*) FILTER (WHERE backend_type = 'walsender' AND ssl) || ' ' || \
        count(*) FILTER (WHERE backend_type = 'client backend' AND ssl) || ' ' || \
        count(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE usename IN ('admin', 'replicator')";
    wait_for("encrypted sessions alone", || {
        (leader.ask(ask)? == "1 1 0").then_some(())
    });
}

#[test]
fn a_cluster_with_hostssl_lines_alone_fails_over_and_switches_over() {
    let authority = Authority::new();
    let server = authority.issue();
    let cluster = Cluster::builder()
        .members(2)
        .local(&configuration(&authority, &server))
        .start();
    let old = cluster.wait_until_settled();
    let new = cluster.others(old.name())[0];
    wait_until_encrypted(old);
    let ask = "SELECT 'encrypted: ' || ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let query = [
        "query", "-U", "reader", "-d", "postgres", "-r", "leader", "-c", ask,
    ];
    let ended = Control::with(new.configuration()).run(&query);
    assert!(ended.out.contains("encrypted: true"), "{ended:?}");
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(10);

    assert_eq!(cluster.switchover(old.name(), Some(new.name())).status, 200);
    cluster.wait_for_leader(new.name());
    cluster.wait_until_settled();
    wait_until_encrypted(new);

    // The other one comes back as a standby, if need be by a rewind.
    new.kill_postmaster();
    let leader = cluster.wait_until_settled();
    wait_until_encrypted(leader);
    writer.wait_for_rows(50);
    assert_nothing_lost(&writer.stop(), &cluster);
    for member in cluster.members() {
        assert!(!member.log().contains("k:ey"), "{}", member.name());
    }
}
