//! Connections that are encrypted, with servers that let nobody else in over TCP.

use std::path::Path;
use std::time::Duration;

use herdsman_pgctl::{
    Config, Credentials, Error, Identity, LogicalSlot, Secret, StartAs, Timeline,
};
use tokio_postgres::NoTls;

use crate::certificates::{Authority, Issued};
use crate::support::{LONG, SUPERUSER_PASSWORD, TestServer, wait_for};

/// Lines that let everybody in, over TCP with TLS only.
const HOSTSSL: [&str; 3] = [
    "local all all scram-sha-256",
    "hostssl all all 127.0.0.1/32 scram-sha-256",
    "hostssl replication repl 127.0.0.1/32 scram-sha-256",
];

#[tokio::test(flavor = "multi_thread")]
async fn with_hostssl_lines_alone_everything_works_that_works_in_plain() {
    let authority = Authority::new();
    let primary = primary(&authority, |config| {
        config
            .parameters
            .insert("wal_level".to_owned(), "logical".to_owned());
        for_all(config, |role| role.sslmode = Some("require".to_owned()));
    })
    .await;
    let (instance, upstream) = (&primary.instance, primary.upstream());
    let identity = identify(&primary).await.unwrap();
    assert_eq!(identity.timeline, Timeline(1));
    assert!(instance.is_primary(&upstream, LONG).await.unwrap());
    assert!(instance.is_settled(&upstream, LONG).await.unwrap());
    assert!(instance.facts().await.server.is_some());

    let standby = TestServer::new("standby");
    let mut config = (*standby.instance.config()).clone();
    config.pg_hba = Some(HOSTSSL.map(str::to_owned).to_vec());
    serve_tls(
        &mut config,
        &authority.issue("standby", "x", Some("IP:127.0.0.1")),
    );
    for_all(&mut config, |role| {
        role.sslmode = Some("require".to_owned())
    });
    standby.instance.set_config(config);
    standby
        .instance
        .basebackup(&upstream, LONG, |_| {})
        .await
        .unwrap();
    let started = StartAs::Standby {
        upstream: Some(upstream.clone()),
    };
    let _ = standby.instance.start(started, LONG).await.unwrap();
    standby.wait_for_streaming(primary.port).await;
    let client = by_socket(&primary).await;
    let made = "SELECT pg_create_logical_replication_slot('s', 'test_decoding')";
    client.batch_execute(made).await.unwrap();
    let slot = LogicalSlot {
        name: "s".to_owned(),
        database: "postgres".to_owned(),
        plugin: "test_decoding".to_owned(),
    };
    wait_for("the log of the slot", async || {
        let wanted = std::slice::from_ref(&slot);
        let fetched = standby.instance.fetch_slots(&upstream, wanted, LONG).await;
        matches!(fetched, Ok(files) if files.len() == 1)
    })
    .await;
    assert!(
        !instance
            .is_primary(&standby.upstream(), LONG)
            .await
            .unwrap()
    );

    let plain = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE client_port > 0 AND NOT ssl";
    let plain: i64 = client.query_one(plain, &[]).await.unwrap().get(0);
    assert_eq!(plain, 0);
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE application_name IN ('herdsman', 'standby') AND ssl AND version LIKE 'TLS%'";
    let encrypted: i64 = client.query_one(encrypted, &[]).await.unwrap().get(0);
    assert!(encrypted >= 2, "the look and the stream: {encrypted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sslmode_demands_what_it_says() {
    let (authority, other) = (Authority::new(), Authority::new());
    let primary = primary(&authority, |_| {}).await;
    let (right, wrong) = (authority.certificate(), other.certificate());
    let ask = async |mode: &str, root: Option<&Path>| {
        change(&primary, |role| {
            role.sslmode = Some(mode.to_owned());
            role.keywords.clear();
            if let Some(root) = root {
                set(role, "sslrootcert", root);
            }
        });
        let asked = identify(&primary).await;
        let facts = primary.reopened("again").facts().await;
        // The reopened handle has the usual mode.
        assert!(facts.server.is_some(), "{facts:?}");
        asked.map_err(|error| error.to_string())
    };
    for mode in ["allow", "prefer", "require"] {
        ask(mode, None)
            .await
            .unwrap_or_else(|error| panic!("{mode}: {error}"));
    }
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        ask(mode, Some(&right))
            .await
            .unwrap_or_else(|error| panic!("{mode}: {error}"));
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let refused = ask(mode, Some(&wrong)).await.unwrap_err();
        assert!(
            refused.contains("is signed by nobody that is trusted: does sslrootcert"),
            "{refused}"
        );
    }
    // The server wants TLS, and its certificate is not trusted: both are told.
    let refused = ask("prefer", Some(&wrong)).await.unwrap_err();
    assert!(refused.contains("no encryption"), "{refused}");
    assert!(refused.contains("signed by nobody"), "{refused}");
    let refused = ask("disable", None).await.unwrap_err();
    assert!(
        refused.contains("no pg_hba.conf entry") && refused.contains("no encryption"),
        "{refused}"
    );
    let refused = ask("verify-full", Some(Path::new("/none/root.crt"))).await;
    let refused = refused.unwrap_err();
    assert!(refused.contains("sslrootcert: /none/root.crt"), "{refused}");
    let refused = ask("requier", None).await.unwrap_err();
    assert!(refused.contains("sslmode: requier is none of"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_name_passes_verify_ca_alone() {
    let authority = Authority::new();
    let elsewhere = authority.issue("elsewhere", "x", Some("DNS:elsewhere.example.org"));
    let primary = primary_with(&elsewhere, |_| {}).await;
    let root = authority.certificate();
    let ask = async |mode: &str, list: Option<&Path>| {
        change(&primary, |role| {
            role.sslmode = Some(mode.to_owned());
            set(role, "sslrootcert", &root);
            if let Some(list) = list {
                set(role, "sslcrl", list);
            }
        });
        identify(&primary).await.map_err(|error| error.to_string())
    };
    ask("verify-ca", None).await.unwrap();
    let refused = ask("verify-full", None).await.unwrap_err();
    assert!(refused.contains("is for other names"), "{refused}");
    let revoked = authority.revoke(&elsewhere);
    let refused = ask("verify-ca", Some(&revoked)).await.unwrap_err();
    assert!(refused.contains("is revoked by sslcrl"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_no_tls_is_asked_in_plain_unless_tls_is_demanded() {
    let primary = TestServer::primary("plain").await;
    for mode in ["disable", "allow", "prefer"] {
        change(&primary, |role| role.sslmode = Some(mode.to_owned()));
        identify(&primary).await.unwrap();
    }
    change(&primary, |role| role.sslmode = Some("require".to_owned()));
    let refused = identify(&primary).await.unwrap_err().to_string();
    assert!(refused.contains("does not speak TLS"), "{refused}");
    change(&primary, |role| {
        role.sslmode = None;
        let word = "require".to_owned();
        role.keywords.insert("channel_binding".to_owned(), word);
    });
    let refused = identify(&primary).await.unwrap_err().to_string();
    assert!(refused.contains("channel binding"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_plain_connections_gets_them_under_prefer_and_allow() {
    let authority = Authority::new();
    let primary = primary(&authority, |config| {
        let lines = HOSTSSL.map(|line| line.replace("hostssl", "hostnossl"));
        config.pg_hba = Some(lines.to_vec());
    })
    .await;
    for mode in ["prefer", "allow", "disable"] {
        change(&primary, |role| role.sslmode = Some(mode.to_owned()));
        identify(&primary).await.unwrap();
    }
    change(&primary, |role| role.sslmode = Some("require".to_owned()));
    let refused = identify(&primary).await.unwrap_err().to_string();
    assert!(refused.contains("no pg_hba.conf entry"), "{refused}");
}

/// Those of the manual of PostgreSQL: one that is its own authority, and one without extensions.
#[tokio::test(flavor = "multi_thread")]
async fn a_servers_own_certificate_is_trusted_by_the_common_name() {
    let authority = Authority::new();
    let own = authority.sign_itself("own", "/CN=127.0.0.1");
    let bare = authority.issue("bare", "127.0.0.1", None);
    for (issued, root) in [
        (&own, own.certificate.clone()),
        (&bare, bare.certificate.clone()),
    ] {
        let primary = primary_with(issued, |_| {}).await;
        for mode in ["require", "verify-full"] {
            change(&primary, |role| {
                role.sslmode = Some(mode.to_owned());
                role.keywords.clear();
                if mode == "verify-full" {
                    set(role, "sslrootcert", &root);
                }
            });
            identify(&primary).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_bound_to_the_certificate_when_that_is_demanded() {
    let authority = Authority::new();
    let primary = primary(&authority, |_| {}).await;
    change(&primary, |role| {
        role.sslmode = Some("require".to_owned());
        let word = "require".to_owned();
        role.keywords.insert("channel_binding".to_owned(), word);
    });
    identify(&primary).await.unwrap();
    let upstream = primary.upstream();
    assert!(primary.instance.is_settled(&upstream, LONG).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_key_opens_for_ourselves_for_a_clone_and_for_a_standby() {
    let authority = Authority::new();
    let root = authority.certificate();
    let of_server = authority.issue("server", "x", Some("IP:127.0.0.1,DNS:localhost"));
    let client = authority.issue("client", "repl", None);
    let key = authority.protect(&client, "pass 'word");
    let lines = [
        "local all all scram-sha-256",
        "hostssl all super 127.0.0.1/32 scram-sha-256",
        "hostssl replication repl 127.0.0.1/32 cert",
    ];
    let present = |role: &mut Credentials| {
        role.password = None;
        role.sslmode = Some("verify-full".to_owned());
        role.sslpassword = Some(Secret::new("pass 'word"));
        set(role, "sslrootcert", &root);
        set(role, "sslcert", &client.certificate);
        set(role, "sslkey", &key);
    };
    let prepare = |config: &mut Config| {
        serve_tls(config, &of_server);
        let root = root.display().to_string();
        config.parameters.insert("ssl_ca_file".to_owned(), root);
        config.pg_hba = Some(lines.map(str::to_owned).to_vec());
        present(&mut config.replication);
    };
    let primary = primary_with(&of_server, prepare).await;
    identify(&primary).await.unwrap();

    let standby = TestServer::new("standby");
    let mut config = (*standby.instance.config()).clone();
    prepare(&mut config);
    standby.instance.set_config(config);
    let upstream = primary.upstream();
    standby
        .instance
        .basebackup(&upstream, LONG, |_| {})
        .await
        .unwrap();
    let left = std::fs::read_dir(standby.folder()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    let is_secret = |name: &std::ffi::OsString| name.to_string_lossy().ends_with(".service");
    assert!(!left.iter().any(is_secret), "{left:?}");
    let started = StartAs::Standby {
        upstream: Some(upstream),
    };
    let _ = standby.instance.start(started, LONG).await.unwrap();
    standby.wait_for_streaming(primary.port).await;

    // The server tells its log what changes in its own connection string.
    let mut elsewhere = primary.upstream();
    elsewhere.host = "localhost".to_owned();
    let followed = standby.instance.follow(Some(elsewhere)).await;
    let _ = followed.unwrap();
    wait_for("the server to tell it", async || {
        let log = std::fs::read_to_string(standby.folder().join("log")).unwrap();
        log.contains("parameter \"primary_conninfo\" changed")
    })
    .await;
    standby.wait_for_streaming(primary.port).await;
    let told = std::fs::read_to_string(standby.folder().join("log")).unwrap();
    assert!(!told.contains("'word"), "{told}");

    let ask = async |change_it: &dyn Fn(&mut Credentials)| {
        let mut config = (*primary.instance.config()).clone();
        change_it(&mut config.replication);
        primary.instance.set_config(config);
        identify(&primary).await.unwrap_err().to_string()
    };
    let refused = ask(&|role| role.sslpassword = Some(Secret::new("guess"))).await;
    assert!(refused.contains("sslpassword: does not open"), "{refused}");
    assert!(!refused.contains("guess"), "{refused}");
    let refused = ask(&|role| role.sslpassword = None).await;
    assert!(
        refused.contains("write its password as sslpassword"),
        "{refused}"
    );
    let refused = ask(&|role| {
        role.keywords.remove("sslcert");
    });
    let refused = refused.await;
    assert!(refused.contains("client certificate"), "{refused}");
}

/// A primary whose certificate is for its address, with lines that demand TLS.
async fn primary(authority: &Authority, change: impl Fn(&mut Config)) -> TestServer {
    let issued = authority.issue("server", "x", Some("IP:127.0.0.1"));
    primary_with(&issued, change).await
}

async fn primary_with(issued: &Issued, change: impl Fn(&mut Config)) -> TestServer {
    let server = TestServer::new("primary");
    let mut config = (*server.instance.config()).clone();
    serve_tls(&mut config, issued);
    config.pg_hba = Some(HOSTSSL.map(str::to_owned).to_vec());
    change(&mut config);
    server.instance.set_config(config);
    server.make_cluster();
    server.start_primary().await;
    server.instance.bootstrap_users(LONG).await.unwrap();
    server
}

/// Makes a server speak TLS with a certificate.
pub(crate) fn serve_tls(config: &mut Config, issued: &Issued) {
    let (certificate, key) = (issued.certificate.display(), issued.key.display());
    let parameters = [
        ("ssl", "on".to_owned()),
        ("ssl_cert_file", certificate.to_string()),
        ("ssl_key_file", key.to_string()),
    ];
    let owned = parameters.map(|(name, value)| (name.to_owned(), value));
    config.parameters.extend(owned);
}

fn for_all(config: &mut Config, mut change: impl FnMut(&mut Credentials)) {
    change(&mut config.superuser);
    change(&mut config.replication);
    if let Some(rewind) = &mut config.rewind {
        change(rewind);
    }
}

/// Changes how the roles of a server's handle connect.
fn change(server: &TestServer, change: impl FnMut(&mut Credentials)) {
    let mut config = (*server.instance.config()).clone();
    for_all(&mut config, change);
    server.instance.set_config(config);
}

fn set(role: &mut Credentials, keyword: &str, file: &Path) {
    let file = file.display().to_string();
    role.keywords.insert(keyword.to_owned(), file);
}

async fn identify(server: &TestServer) -> Result<Identity, Error> {
    let limit = Duration::from_secs(10);
    server.instance.identify(&server.upstream(), limit).await
}

/// A session of a test's own, by the socket.
async fn by_socket(server: &TestServer) -> tokio_postgres::Client {
    let mut config = tokio_postgres::Config::new();
    config.host_path(server.folder()).port(server.port);
    config.user("super").password(SUPERUSER_PASSWORD);
    config.dbname("postgres");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
