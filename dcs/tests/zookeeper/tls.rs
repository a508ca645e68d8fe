//! Encrypted connections to real servers: what is trusted, what is refused, and how it is told.

use std::path::Path;
use std::time::{Duration, Instant};

use herdsman_dcs::test_servers::{Authority, ZooKeeperServers, assert_complains};
use herdsman_dcs::zookeeper::{ZooKeeperDcs, ZooKeeperOptions};
use herdsman_dcs::{
    Dcs, Error, Lifetime, Limits, Prefix, Renewal, Session, TlsOptions, WatchEvent,
};

fn prefix() -> Prefix {
    Prefix::new("/service/demo").unwrap()
}

/// A handle with these certificates.
fn access(hosts: &[String], tls: Option<TlsOptions>, call: Duration) -> ZooKeeperDcs {
    let limits = Limits {
        call,
        attempt: Duration::from_millis(700),
    };
    let options = ZooKeeperOptions::new(hosts).unwrap().limits(limits);
    ZooKeeperDcs::new(match tls {
        Some(tls) => options.tls(tls),
        None => options,
    })
}

/// A new handle with these certificates, and few time for a call, complains.
async fn assert_refused(host: &str, tls: Option<TlsOptions>, why: &str) {
    let hosts = [host.to_owned()];
    let dcs = access(&hosts, tls, Duration::from_millis(600));
    assert_complains(&dcs, &prefix(), host, why).await;
}

#[tokio::test]
async fn server_with_a_trusted_certificate_serves_sessions_and_watches() {
    let authority = Authority::new();
    let own = authority.issue();
    let servers = ZooKeeperServers::encrypted(1, &authority.issue(), Some(&authority));
    let trusting = || TlsOptions::new().ca(authority.certificate());
    let right = trusting().identity(&own.certificate, Some(own.key.clone()));
    let dcs = access(
        &servers.hosts(),
        Some(right.clone()),
        Duration::from_secs(10),
    );
    let session = dcs.open(Duration::from_secs(60)).await.unwrap();
    assert!(dcs.renew(&session, &[]).await.is_ok());
    let mut watch = dcs.watch(&prefix()).await.unwrap();
    let listed = watch.next().await;
    assert!(matches!(listed, WatchEvent::Listed(_)), "{listed:?}");
    // More than fits into one record of TLS.
    let (key, value) = (prefix().key("x").unwrap(), vec![b'x'; 200_000]);
    let put = dcs.put(None, key.clone(), value.clone(), Lifetime::Permanent);
    assert!(put.await.unwrap().is_applied());
    let found = dcs.snapshot(&prefix()).await.unwrap();
    assert_eq!(found.entries[&key].value, value);

    let host = &servers.hosts()[0];
    let other = Authority::new();
    let strange = other.issue();
    let unknown = TlsOptions::new().ca(other.certificate());
    assert_refused(host, Some(unknown), "does cacert name its authority").await;
    assert_refused(host, Some(trusting()), "certificate").await;
    let strange = trusting().identity(strange.certificate, Some(strange.key));
    assert_refused(host, Some(strange), "cert").await;
    assert_refused(host, None, "use_ssl").await;
    assert_refused(&servers.plain_host(0), Some(right), "encrypted connections").await;
}

#[tokio::test]
async fn certificate_of_another_host_is_refused_unless_nobody_looks_at_it() {
    let authority = Authority::new();
    let certificate = authority.issue_for("DNS:zookeeper.example", 1);
    let servers = ZooKeeperServers::encrypted(1, &certificate, None);
    let host = &servers.hosts()[0];
    let trusting = || TlsOptions::new().ca(authority.certificate());
    assert_refused(host, Some(trusting()), "is for other names").await;
    let blind = trusting().without_verification();
    let dcs = access(&servers.hosts(), Some(blind), Duration::from_secs(10));
    dcs.snapshot(&prefix()).await.unwrap();
}

/// Every file is another one afterwards, and is of no use in between.
#[tokio::test]
async fn session_outlives_the_change_of_all_certificates() {
    let (before, after) = (Authority::new(), Authority::new());
    let (server, own) = (before.issue(), before.issue());
    let copy = |from: &Path, to: &Path| std::fs::copy(from, to).map(drop).unwrap();
    // Not the file that the server reads.
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    copy(&before.certificate(), &ca);
    let mut servers = ZooKeeperServers::encrypted(1, &server, Some(&before));
    let tls = TlsOptions::new().ca(&ca);
    let tls = tls.identity(&own.certificate, Some(own.key.clone()));
    let dcs = access(&servers.hosts(), Some(tls), Duration::from_secs(20));
    let session = dcs.open(Duration::from_secs(120)).await.unwrap();

    // With a file that is cut short what was read before is used.
    std::fs::write(&ca, "-----BEGIN CERTIFICATE-----\nMII").unwrap();
    servers.restart(0);
    servers.wait_until_all_serve();
    hold(&dcs, &session).await;

    for old in [&server, &own] {
        let new = after.issue();
        copy(&new.certificate, &old.certificate);
        copy(&new.key, &old.key);
    }
    copy(&after.certificate(), &ca);
    copy(&after.certificate(), &before.certificate());
    servers.restart(0);
    servers.wait_until_all_serve();
    hold(&dcs, &session).await;
}

/// Renews until the server, which has just been started, serves encrypted connections.
async fn hold(dcs: &impl Dcs, session: &Session) {
    let begun = Instant::now();
    loop {
        match dcs.renew(session, &[]).await {
            Ok(held) => {
                assert_eq!(held, Renewal::Held);
                return;
            }
            Err(Error::Unavailable(_)) if begun.elapsed() < Duration::from_secs(30) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn encrypted_key_is_refused_by_name() {
    let authority = Authority::new();
    let own = authority.issue();
    let key = authority.encrypted_key(&own, "hunter2");
    let options = TlsOptions::new().identity(&own.certificate, Some(key.clone()));
    let text = format!("{:?}", options.check().unwrap_err());
    let shown = key.display().to_string();
    assert!(text.contains("key: ") && text.contains(&shown), "{text}");
    assert!(
        text.contains("is encrypted") && !text.contains("hunter2"),
        "{text}"
    );
}
