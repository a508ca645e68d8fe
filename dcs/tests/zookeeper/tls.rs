//! Encrypted connections to real servers: what is trusted, what is refused, and how it is told.

use std::path::Path;
use std::time::{Duration, Instant};

use herdsman_dcs::test_servers::{Authority, KeyForm, ZooKeeperServers, assert_complains};
use herdsman_dcs::zookeeper::{ZooKeeperDcs, ZooKeeperOptions};
use herdsman_dcs::{
    Dcs, Error, Lifetime, Limits, Prefix, Renewal, Session, TlsOptions, WatchEvent,
};

/// For a call that is to succeed.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let dcs = access(&servers.hosts(), Some(right.clone()), PATIENCE);
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
    let sealed = authority.protected_key(&own, "hunter2", KeyForm::Usual);
    let sealed = trusting().identity(&own.certificate, Some(sealed));
    let host = [servers.hosts()[0].clone()];
    let opened = access(
        &host,
        Some(sealed.clone().key_password("hunter2")),
        PATIENCE,
    );
    opened.snapshot(&prefix()).await.unwrap();
    assert_refused(&host[0], Some(sealed.clone()), "write its password").await;
    assert_refused(
        &host[0],
        Some(sealed.key_password("hunter3")),
        "key_password",
    )
    .await;

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
    let dcs = access(&servers.hosts(), Some(blind), PATIENCE);
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
fn what_is_wrong_with_a_key_and_its_password_is_told_in_one_line() {
    let authority = Authority::new();
    let own = authority.issue();
    let sealed = |form| authority.protected_key(&own, "hunter2", form);
    let told = |key: &Path, password: Option<&str>| {
        let options = TlsOptions::new().identity(&own.certificate, Some(key.to_owned()));
        let options = match password {
            Some(password) => options.key_password(password),
            None => options,
        };
        match options.check() {
            Ok(()) => format!("good: {options:?}"),
            Err(error) => format!("{error:?}"),
        }
    };
    let usual = sealed(KeyForm::Usual);
    // The same password as the part of a longer text.
    let both = usual.with_extension("both");
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    std::fs::write(&both, text(&own.certificate) + &text(&usual)).unwrap();
    for (key, password, expected) in [
        (&usual, Some("hunter2"), "good"),
        (&both, Some("hunter2"), "good"),
        (&sealed(KeyForm::TripleDes), Some("hunter2"), "good"),
        (&sealed(KeyForm::Scrypt), Some("hunter2"), "good"),
        // A password that is not needed does no harm.
        (&own.key, Some("hunter2"), "good"),
        (
            &usual,
            None,
            "is encrypted: write its password as key_password",
        ),
        (
            &usual,
            Some("hunter3"),
            "key_password: does not open the key in",
        ),
        (
            &sealed(KeyForm::Pkcs12),
            Some("hunter2"),
            "openssl pkcs8 -topk8 -v2 aes-256-cbc",
        ),
        (
            &sealed(KeyForm::Old),
            Some("hunter2"),
            "openssl pkcs8 -topk8 -in",
        ),
        (&sealed(KeyForm::Old), None, "openssl pkcs8 -topk8 -in"),
    ] {
        let told = told(key, password);
        assert!(told.contains(expected), "{expected}: {told}");
        let is_named = told.contains("key: ") || told.contains("key_password: ");
        assert!(
            is_named && told.contains(&key.display().to_string()),
            "{told}"
        );
        assert!(!told.contains("hunter") && !told.contains('\n'), "{told}");
    }
}
