//! Garbage in every key but the leader's, written by another tool while a primary takes writes: each
//! is named in the logs, and nothing else happens.

use herdsman_tests::cluster::{Cluster, Member, StoreKind, wait_for};
use herdsman_tests::keys::Keys;

use super::{EVERY, assert_nothing_lost};

/// A little less than either store takes.
const LARGE: usize = 900 * 1024;
const WARNING: &str = "a key of the store is not used as it stands";

fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let brackets = || "[".repeat(3000).into_bytes();
    vec![
        ("sync", brackets()),
        ("history", vec![0xff, 0xfe, 0x00, 0x80]),
        ("status", vec![b'x'; LARGE]),
        ("config", br#"{"ttl": "#.to_vec()),
        ("failover", b"[1, 2".to_vec()),
        ("initialize", b"17 and more".to_vec()),
        (
            "herdsman/leadership",
            br#"{"owner": 1, "from_timeline": "x"}"#.to_vec(),
        ),
        ("failsafe", vec![0xc3, 0x28]),
        ("members/n1", brackets()),
        (
            "members/n2",
            br#"{"conn_url": {}, "timeline": "one"}"#.to_vec(),
        ),
        ("members/ghost", vec![b'x'; LARGE]),
        ("diary", vec![0xff; 64]),
    ]
}

fn warns(member: &Member, key: &str) -> bool {
    let named = format!("key=\"{key}\"");
    let log = member.log();
    let mut lines = log.lines();
    lines.any(|line| line.contains(WARNING) && line.contains(&named) && line.contains("reason="))
}

fn check(kind: StoreKind) {
    let cluster = Cluster::builder().store(kind).members(2).start();
    let leader = cluster.wait_until_settled();
    let keys = Keys::of(&cluster);
    let leaders = keys.record_leaders();
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(20);
    for (key, value) in garbage() {
        let written = String::from_utf8_lossy(&value).into_owned();
        keys.write(key, value);
        for member in cluster.members() {
            // Whoever owns the key may have put it in order before others looked.
            let is_over = || keys.read(key).as_ref() != Some(&written);
            let what = format!("{} to name {key}", member.name());
            wait_for(&what, || (warns(member, key) || is_over()).then_some(()));
        }
        writer.wait_for_rows(5);
    }
    for key in ["history", "herdsman/leadership", "members/ghost", "diary"] {
        let all = cluster.members().iter().all(|member| warns(member, key));
        assert!(all, "{key} belongs to nobody, so all have seen it");
    }
    writer.wait_for_rows(50);
    let changes = leaders.changes();
    assert_eq!(changes.len(), 1, "the leadership moved: {changes:?}");
    assert_eq!(changes[0].leader.as_deref(), Some(leader.name()));
    assert_eq!(leader.is_primary(), Some(true));
    assert_eq!(cluster.timeline(), 1);
    let by: Vec<String> = {
        let written = writer.stop();
        assert_nothing_lost(&written, &cluster);
        written.acks.iter().map(|ack| ack.by.to_string()).collect()
    };
    assert!(by.iter().all(|by| by == leader.name()), "{by:?}");
}

#[test]
fn garbage_in_the_keys_of_etcd_is_named_and_moves_nobody() {
    check(StoreKind::Etcd);
}

#[test]
fn garbage_in_the_keys_of_zookeeper_is_named_and_moves_nobody() {
    check(StoreKind::ZooKeeper);
}
