//! Servers that come, go, or are none: what is not the same for etcd, which the common suite of
//! faults covers.

use std::time::Duration;

use herdsman_dcs::test_servers::ZooKeeperServers;
use herdsman_dcs::zookeeper::{ZooKeeperDcs, ZooKeeperOptions};
use herdsman_dcs::{Commit, Condition, Dcs, Error, Guard, Key, Lifetime, Limits, Prefix};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

const LIMITS: Limits = Limits {
    call: Duration::from_secs(20),
    attempt: Duration::from_millis(700),
};
/// What a busy machine may add to any time.
const SLACK: Duration = Duration::from_secs(3);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

fn prefix() -> Prefix {
    Prefix::new("/service/demo").unwrap()
}

fn options(servers: &ZooKeeperServers) -> ZooKeeperOptions {
    ZooKeeperOptions::new(servers.hosts()).unwrap()
}

fn access(servers: &ZooKeeperServers, limits: Limits) -> ZooKeeperDcs {
    ZooKeeperDcs::new(options(servers).limits(limits))
}

#[tokio::test]
async fn session_goes_with_the_handle_that_opened_it() {
    let servers = ZooKeeperServers::single();
    let observer = access(&servers, LIMITS);
    let member = access(&servers, LIMITS);
    let session = member.open(Duration::from_secs(4)).await.unwrap();
    let key = prefix().key("members/0").unwrap();
    let free = Guard::new(key.clone(), Condition::Absent);
    let put = member.put_if(Some(&session), free, b"me".to_vec(), Lifetime::Session);
    assert!(put.await.unwrap().is_applied());
    assert!(
        observer
            .snapshot(&prefix())
            .await
            .unwrap()
            .get(&key)
            .is_some()
    );
    drop(member);
    let gone = async {
        while observer
            .snapshot(&prefix())
            .await
            .unwrap()
            .get(&key)
            .is_some()
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONGEST_WAIT, gone)
        .await
        .expect("no lock is immortal");
}

#[tokio::test]
async fn empty_store_in_place_of_a_full_one_is_noticed_until_a_session_is_opened() {
    let mut servers = ZooKeeperServers::single();
    let dcs = access(&servers, LIMITS);
    let key = prefix().key("x").unwrap();
    for _ in 0..5 {
        let put = dcs.put(None, key.clone(), vec![], Lifetime::Permanent);
        assert!(put.await.unwrap().is_applied());
    }
    servers.wipe(0);
    servers.restart(0);
    servers.wait_until_all_serve();
    let replaced = async {
        loop {
            match dcs.snapshot(&prefix()).await {
                Err(error @ Error::StoreReplaced { .. }) => return error,
                // The old session is refused as long as it may still live.
                Err(Error::Unavailable(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let error = timeout(LONGEST_WAIT * 2, replaced)
        .await
        .expect("it is noticed");
    assert_eq!(dcs.snapshot(&prefix()).await, Err(error));
    dcs.open(Duration::from_secs(5)).await.unwrap();
    assert!(dcs.snapshot(&prefix()).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn keys_lie_below_the_chroot() {
    let servers = ZooKeeperServers::single();
    let inside = ZooKeeperDcs::new(options(&servers).chroot("/a/b").unwrap());
    let outside = access(&servers, LIMITS);
    let key = prefix().key("x").unwrap();
    let put = inside.put(None, key.clone(), b"1".to_vec(), Lifetime::Permanent);
    assert!(put.await.unwrap().is_applied());
    let found = inside.snapshot(&prefix()).await.unwrap();
    assert_eq!(found.entries.keys().collect::<Vec<_>>(), [&key]);
    let found = outside.snapshot(&Prefix::new("/a").unwrap()).await.unwrap();
    let keys: Vec<&str> = found.entries.keys().map(Key::as_str).collect();
    assert_eq!(keys, ["/a/b/service/demo/x"]);
}

#[tokio::test]
async fn node_with_an_access_list_is_denied_to_strangers() {
    let mut servers = ZooKeeperServers::ensemble_of_three();
    let owned = options(&servers)
        .auth("digest", "herd:secret")
        // The hash that ZooKeeper makes of `herd:secret`.
        .acl([("digest:herd:rZbXxNIFyZOTjGs/G3RUClJyjYE=", vec!["ALL"])])
        .unwrap();
    let owner = ZooKeeperDcs::new(owned.limits(LIMITS));
    let key = prefix().key("x").unwrap();
    let write = async |dcs: &ZooKeeperDcs| {
        let commit = Commit::new().put(key.clone(), "1", Lifetime::Permanent);
        dcs.commit(None, commit).await
    };
    assert!(write(&owner).await.unwrap().is_applied());
    let stranger = access(&servers, LIMITS);
    let refused = write(&stranger).await;
    assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
    // The identity is proven again on every new connection.
    for number in 0..3 {
        servers.restart(number);
        servers.wait_until_all_serve();
        assert!(write(&owner).await.unwrap().is_applied());
    }
}

#[tokio::test]
async fn server_of_another_protocol_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 64];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let options = ZooKeeperOptions::new([address.to_string()]).unwrap();
    let limits = Limits {
        call: Duration::from_secs(2),
        attempt: Duration::from_millis(500),
    };
    let error = ZooKeeperDcs::new(options.limits(limits))
        .snapshot(&prefix())
        .await
        .unwrap_err();
    let text = format!("{error:?}");
    assert!(
        text.contains("does not speak ZooKeeper's protocol"),
        "{text}"
    );
    server.abort();
}

#[tokio::test]
async fn nothing_that_listens_is_an_error_in_time_and_no_busy_loop() {
    let limits = Limits {
        call: Duration::from_secs(2),
        attempt: Duration::from_millis(500),
    };
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let options = ZooKeeperOptions::new([address.to_string()]).unwrap();
    let dcs = ZooKeeperDcs::new(options.limits(limits));
    let before = cpu_time();
    let start = Instant::now();
    let error = dcs.snapshot(&prefix()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(start.elapsed() < limits.call + SLACK);
    let spent = cpu_time() - before;
    assert!(
        spent < Duration::from_millis(500),
        "{spent:?} of CPU in 2 s"
    );
}

/// What this process has used of the processor.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
