//! Encrypted connections to real servers: what is trusted, what is refused, and how it is told.

use std::path::Path;
use std::time::Duration;

use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions};
use herdsman_dcs::test_servers::{Authority, EtcdServers, KeyForm, assert_complains};
use herdsman_dcs::{Dcs, Limits, Prefix, Renewal, TlsOptions, WatchEvent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn prefix() -> Prefix {
    Prefix::new("/demo").unwrap()
}

/// A handle that gives up soon, with these certificates.
fn access(endpoints: &[String], tls: TlsOptions) -> EtcdDcs {
    let limits = Limits {
        call: Duration::from_millis(600),
        attempt: Duration::from_millis(500),
    };
    let options = EtcdOptions::new(endpoints).unwrap().limits(limits);
    EtcdDcs::new(options.tls(tls).unwrap())
}

#[tokio::test]
async fn server_with_a_trusted_certificate_serves_sessions_and_watches() {
    let authority = Authority::new();
    let servers = EtcdServers::encrypted(1, &authority.issue(), None, &[]);
    let dcs = access(
        &servers.endpoints(),
        TlsOptions::new().ca(authority.certificate()),
    );
    let session = dcs.open(Duration::from_secs(60)).await.unwrap();
    assert!(dcs.renew(&session, &[]).await.is_ok());
    let mut watch = dcs.watch(&prefix()).await.unwrap();
    let listed = watch.next().await;
    assert!(matches!(listed, WatchEvent::Listed(_)), "{listed:?}");
}

#[tokio::test]
async fn what_is_wrong_between_two_in_tls_is_named() {
    let (authority, other) = (Authority::new(), Authority::new());
    let servers = EtcdServers::encrypted(1, &authority.issue(), Some(&authority), &[]);
    let own = authority.issue();
    let trusting = || TlsOptions::new().ca(authority.certificate());
    let endpoints = servers.endpoints();
    let url = &endpoints[0];

    let unknown = TlsOptions::new().ca(other.certificate());
    let why = "does cacert name its authority";
    assert_complains(&access(&endpoints, unknown), &prefix(), url, why).await;

    let why = "demands a certificate";
    assert_complains(&access(&endpoints, trusting()), &prefix(), url, why).await;

    let strange = other.issue();
    let strange = trusting().identity(strange.certificate, Some(strange.key));
    let why = "does not accept cert";
    assert_complains(&access(&endpoints, strange), &prefix(), url, why).await;

    let plain = url.replace("https://", "http://");
    let dcs = access(std::slice::from_ref(&plain), trusting());
    assert_complains(&dcs, &prefix(), &plain, "encrypted connections").await;

    let right = trusting().identity(&own.certificate, Some(own.key.clone()));
    access(&endpoints, right).snapshot(&prefix()).await.unwrap();

    let sealed = authority.protected_key(&own, "hunter2", KeyForm::Usual);
    let sealed = trusting().identity(&own.certificate, Some(sealed));
    let opened = sealed.clone().key_password("hunter2");
    access(&endpoints, opened)
        .snapshot(&prefix())
        .await
        .unwrap();
    let why = "write its password";
    assert_complains(&access(&endpoints, sealed.clone()), &prefix(), url, why).await;
    let guessed = access(&endpoints, sealed.key_password("hunter3"));
    assert_complains(&guessed, &prefix(), url, "key_password: does not open").await;
}

#[tokio::test]
async fn certificate_of_another_host_or_of_the_past_is_refused() {
    let authority = Authority::new();
    let trusting = || TlsOptions::new().ca(authority.certificate());
    for (certificate, said) in [
        (
            authority.issue_for("DNS:etcd.example", 1),
            "is for other names",
        ),
        (authority.issue_expired(), "has expired"),
    ] {
        let servers = EtcdServers::encrypted(1, &certificate, None, &[]);
        let endpoints = servers.endpoints();
        assert_complains(
            &access(&endpoints, trusting()),
            &prefix(),
            &endpoints[0],
            said,
        )
        .await;
    }
    let servers = EtcdServers::single();
    let encrypted = servers.endpoint(0).replace("http://", "https://");
    let dcs = access(std::slice::from_ref(&encrypted), trusting());
    assert_complains(&dcs, &prefix(), &encrypted, "does not speak TLS").await;
}

/// Every file is another one afterwards, as when an authority is replaced.
#[tokio::test]
async fn session_outlives_the_change_of_all_certificates() {
    let (before, after) = (Authority::new(), Authority::new());
    let (server, own, ca) = (before.issue(), before.issue(), before.certificate());
    let mut servers = EtcdServers::encrypted(1, &server, Some(&before), &[]);
    let tls = TlsOptions::new().ca(&ca);
    let tls = tls.identity(&own.certificate, Some(own.key.clone()));
    let dcs = access(&servers.endpoints(), tls);
    dcs.set_limits(Limits::default());
    let session = dcs.open(Duration::from_secs(120)).await.unwrap();

    let copy = |from: &Path, to: &Path| std::fs::copy(from, to).map(drop).unwrap();
    for old in [&server, &own] {
        let new = after.issue();
        copy(&new.certificate, &old.certificate);
        copy(&new.key, &old.key);
    }
    copy(&after.certificate(), &ca);
    servers.restart(0);
    servers.wait_until_all_answer();
    let renewed = async {
        // The first call may find that its connection is gone.
        while dcs.renew(&session, &[]).await != Ok(Renewal::Held) {}
    };
    let renewed = tokio::time::timeout(Duration::from_secs(60), renewed).await;
    renewed.expect("new connections have the new certificates");
}

#[tokio::test]
async fn server_that_is_no_etcd_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 64];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").await;
        }
    });
    let dcs = access(std::slice::from_ref(&url), TlsOptions::new());
    assert_complains(&dcs, &prefix(), &url, "is not an etcd").await;
    server.abort();
}
