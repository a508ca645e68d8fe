//! A single server: what it says about itself, and what it refuses.

use std::time::Duration;

use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions, V2Keys, v2_keys};
use herdsman_dcs::test_servers::EtcdServers;
use herdsman_dcs::{Dcs, Error, Lifetime, Prefix, Revision, TlsOptions, WatchEvent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn access(servers: &EtcdServers) -> EtcdDcs {
    EtcdDcs::new(EtcdOptions::new(servers.endpoints()).unwrap())
}

fn prefix() -> Prefix {
    Prefix::new("/demo").unwrap()
}

#[tokio::test]
async fn empty_store_in_place_of_a_full_one_is_noticed_until_a_session_is_opened() {
    let mut servers = EtcdServers::single();
    let dcs = access(&servers);
    let key = prefix().key("x").unwrap();
    for _ in 0..5 {
        let put = dcs.put(None, key.clone(), vec![], Lifetime::Permanent);
        assert!(put.await.unwrap().is_applied());
    }
    servers.wipe(0);
    servers.restart(0);
    servers.wait_until_all_answer();

    for _ in 0..2 {
        let read = dcs.snapshot(&prefix()).await;
        let replaced = Error::StoreReplaced {
            seen: Revision::new(6),
            found: Revision::new(1),
        };
        assert_eq!(read, Err(replaced));
    }
    let write = dcs.put(None, key, vec![], Lifetime::Permanent).await;
    assert!(
        matches!(write, Err(Error::StoreReplaced { .. })),
        "{write:?}"
    );
    dcs.open(Duration::from_secs(5)).await.unwrap();
    assert!(dcs.snapshot(&prefix()).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn restart_keeps_sessions_and_keys() {
    let mut servers = EtcdServers::single();
    let dcs = access(&servers);
    let session = dcs.open(Duration::from_secs(60)).await.unwrap();
    let key = prefix().key("x").unwrap();
    let put = dcs.put(Some(&session), key, vec![], Lifetime::Session);
    let put = put.await.unwrap();
    servers.restart(0);
    servers.wait_until_all_answer();
    let found = dcs.snapshot(&prefix()).await.unwrap();
    assert_eq!(Some(found.revision), put.revision());
    assert!(dcs.renew(&session, &[]).await.is_ok());
}

#[tokio::test]
async fn reader_that_is_far_behind_holds_up_no_call_and_gets_a_list() {
    let servers = EtcdServers::single();
    let dcs = access(&servers);
    let mut watch = dcs.watch(&prefix()).await.unwrap();
    let WatchEvent::Listed(mut mirror) = watch.next().await else {
        panic!("a watch begins with a list");
    };
    let key = prefix().key("x").unwrap();
    for _ in 0..1500 {
        let put = dcs.put(None, key.clone(), vec![b'x'; 1024], Lifetime::Permanent);
        assert!(put.await.unwrap().is_applied());
    }
    let last = dcs.snapshot(&prefix()).await.unwrap();
    let mut lists = 0;
    while mirror.revision < last.revision {
        match watch.next().await {
            WatchEvent::Listed(snapshot) => {
                mirror = snapshot;
                lists += 1;
            }
            WatchEvent::Changed { revision, changes } => mirror.apply(revision, changes),
            WatchEvent::Interrupted(_) => {}
        }
    }
    assert_eq!(mirror, last);
    assert_eq!(lists, 1);
}

#[tokio::test]
async fn keys_of_the_old_api_are_found() {
    let servers = EtcdServers::single_with(&["--enable-v2=true"]);
    let endpoint = servers.endpoint(0);
    let no_tls = TlsOptions::new();
    let ask = || async { v2_keys(&endpoint, &no_tls, &prefix(), Duration::from_secs(10)).await };
    assert_eq!(ask().await, Ok(V2Keys::Absent));
    put_v2(&endpoint, "/demo/x").await;
    assert_eq!(ask().await, Ok(V2Keys::Present));
    let other = Prefix::new("/other").unwrap();
    let other = v2_keys(&endpoint, &no_tls, &other, Duration::from_secs(10)).await;
    assert_eq!(other, Ok(V2Keys::Absent));
}

#[tokio::test]
async fn server_without_the_old_api_says_so() {
    let mut servers = EtcdServers::single_with(&["--enable-v2=false"]);
    let endpoint = servers.endpoint(0);
    let no_tls = TlsOptions::new();
    let prefix = prefix();
    let ask = |limit| v2_keys(&endpoint, &no_tls, &prefix, limit);
    assert_eq!(ask(Duration::from_secs(10)).await, Ok(V2Keys::NotServed));
    servers.stop(0);
    let hung = ask(Duration::from_millis(200)).await;
    assert!(matches!(hung, Err(Error::Unavailable(_))), "{hung:?}");
    servers.kill(0);
    let dead = ask(Duration::from_secs(10)).await;
    assert!(matches!(dead, Err(Error::Unavailable(_))), "{dead:?}");
}

async fn put_v2(endpoint: &str, key: &str) {
    let address = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = "value=1";
    let request = format!(
        "PUT /v2/keys{key} HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("201 Created"), "{answer}");
}
