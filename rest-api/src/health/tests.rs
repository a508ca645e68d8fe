//! The truth table of the health checks, and each query parameter at its edges.

use std::time::Duration;

use herdsman_ha_core::{Lsn, MemberName, ServerView, SynchronousMode};
use serde_json::json;

use super::*;
use crate::fixture::{
    FENCE_AT, LEADER_AT, NOW, blind, primary, replica, stopped, tags, with, with_standby, with_view,
};
use crate::snapshot::Snapshot;

fn status_of(target: &str, snapshot: &Snapshot) -> u16 {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let node = Node::of(snapshot, NOW);
    check(path, &Query::parse(query), &node).as_u16()
}

#[track_caller]
fn expect(target: &str, snapshot: &Snapshot, status: u16) {
    assert_eq!(status_of(target, snapshot), status, "{target}");
}

const COLUMNS: [&[&str]; 11] = [
    &["/", "/primary", "/read-write", "/master"],
    &["/leader"],
    &["/standby-leader", "/standby_leader"],
    &["/replica"],
    &["/read-only"],
    &["/health"],
    &["/sync", "/synchronous"],
    &["/async", "/asynchronous"],
    &["/quorum"],
    &["/read-only-sync", "/read-only-synchronous"],
    &["/read-only-quorum"],
];

/// `y`: 200, `.`: 503, in the order of the columns.
#[track_caller]
fn row(name: &str, snapshot: &Snapshot, expected: &str) {
    let found: String = COLUMNS
        .iter()
        .map(|paths| {
            let codes: Vec<u16> = paths.iter().map(|path| status_of(path, snapshot)).collect();
            assert!(
                codes.iter().all(|code| *code == codes[0]),
                "{name}: {paths:?} differ: {codes:?}"
            );
            match codes[0] {
                200 => 'y',
                503 => '.',
                other => panic!("{name}: {paths:?}: {other}"),
            }
        })
        .collect();
    assert_eq!(found, expected, "{name}");
}

fn synchronous(snapshot: Snapshot, mode: SynchronousMode) -> Snapshot {
    let snapshot = with(snapshot, |status| status.rules.synchronous_mode = mode);
    with_view(snapshot, |view| {
        let sync = &mut view.sync.value;
        sync.leader = Some(MemberName::from("n1"));
        // Names are compared without regard to case.
        sync.standbys.insert(MemberName::from("N2"));
    })
}

fn locked(snapshot: Snapshot) -> Snapshot {
    let lease = primary().status.lease;
    with(snapshot, |status| status.lease = lease)
}

fn standby_cluster(snapshot: Snapshot) -> Snapshot {
    with(snapshot, |status| {
        status.rules.standby_cluster = Some(herdsman_ha_core::StandbyCluster::default())
    })
}

fn standby_leader() -> Snapshot {
    let snapshot = standby_cluster(locked(replica()));
    with(snapshot, |status| status.role = "standby_leader")
}

fn paused(snapshot: Snapshot) -> Snapshot {
    with(snapshot, |status| status.rules.pause = true)
}

fn shunned(snapshot: Snapshot) -> Snapshot {
    with(snapshot, |status| {
        status.tags = tags(json!({"noloadbalance": true}));
    })
}

#[test]
fn leaders_answer_as_the_table_says() {
    row("primary with lock", &primary(), "yy..yy...yy");
    row("promoting", &locked(replica()), "yy.yyy.y.yy");
    let crashed = with(locked(stopped()), |status| status.role = "primary");
    row("primary with lock, down", &crashed, "yy..y....yy");
    row("standby leader with lock", &standby_leader(), ".yy.yy...yy");
    row(
        "primary + noloadbalance",
        &shunned(primary()),
        "yy..yy...yy",
    );
    let unlocked = with(primary(), |status| status.lease = None);
    row("primary without lock", &unlocked, ".....y.....");
    for mode in [SynchronousMode::On, SynchronousMode::Quorum] {
        let promoting = synchronous(locked(replica()), mode);
        let expected = match mode {
            SynchronousMode::On => "yy.yyyy..yy",
            SynchronousMode::Quorum | SynchronousMode::Off => "yy.yyy..yyy",
        };
        row("promoting, named in sync", &promoting, expected);
    }
}

#[test]
fn replicas_answer_as_the_table_says() {
    row("async replica", &replica(), "...yyy.y...");
    let in_standby_cluster = standby_cluster(replica());
    row("of a standby cluster", &in_standby_cluster, "...yyy.y...");
    let sync = synchronous(replica(), SynchronousMode::On);
    row("sync replica", &sync, "...yyyy..y.");
    let quorum = synchronous(replica(), SynchronousMode::Quorum);
    row("quorum replica", &quorum, "...yyy..y.y");
    let off = synchronous(replica(), SynchronousMode::Off);
    row("named in sync, mode off", &off, "...yyy.y...");
    for name in ["async", "sync", "quorum"] {
        let snapshot = match name {
            "async" => replica(),
            "sync" => synchronous(replica(), SynchronousMode::On),
            _ => synchronous(replica(), SynchronousMode::Quorum),
        };
        row("replica + noloadbalance", &shunned(snapshot), ".....y.....");
    }
    for state in ["starting", "stopped", "crashed", "creating replica"] {
        let down = with(stopped(), |status| status.state = state);
        row(state, &down, "...........");
    }
}

#[test]
fn members_without_a_view_answer_as_the_table_says() {
    row("replica, blind", &blind(replica()), "...yyy.....");
    row(
        "primary, blind, lock kept",
        &blind(primary()),
        "yy..yy.....",
    );
    let unlocked = blind(with(primary(), |status| status.lease = None));
    row("primary, blind", &unlocked, ".....y.....");
    row("primary, blind, pause", &paused(unlocked), "yy..yy.....");
    let standby_leader = with(standby_leader(), |status| status.lease = None);
    let standby_leader = paused(blind(standby_leader));
    row(
        "standby leader, blind, pause",
        &standby_leader,
        ".yy.yy.....",
    );
    row(
        "primary, pause with a view",
        &paused(primary()),
        "yy..yy...yy",
    );
}

#[test]
fn a_lease_that_has_ended_since_the_snapshot_is_no_lock() {
    let snapshot = primary();
    let at = |now| check("/primary", &Query::default(), &Node::of(&snapshot, now)).as_u16();
    assert_eq!(at(herdsman_ha_core::Mono(FENCE_AT.0 - 1)), 200);
    assert_eq!(at(FENCE_AT), 503);
}

#[test]
fn a_view_is_kept_for_one_lease_after_the_store_fell_silent() {
    let mut snapshot = with(replica(), |status| status.is_store_reachable = false);
    let ttl = snapshot.status.rules.ttl;
    let mut at = |silence: Duration| {
        snapshot.store_seen.as_mut().expect("seen").mono = NOW.minus(silence);
        status_of("/async", &snapshot)
    };
    assert_eq!(at(ttl.checked_sub(Duration::from_nanos(1)).unwrap()), 200);
    assert_eq!(at(ttl), 503);
}

#[test]
fn paths_match_by_what_they_contain() {
    let (primary, replica) = (primary(), replica());
    expect("/foo-replica", &replica, 200);
    expect("/foo-replica", &primary, 503);
    expect("/standby_leader-leader", &primary, 503);
    expect("/xleaderx", &primary, 200);
    expect("/healthz", &replica, 200);
    expect("/sync/", &primary, 503);
    expect("/foo", &primary, 503);
    expect("/patroni", &primary, 503);
    expect("//", &primary, 503);
}

#[test]
fn lag_is_compared_with_what_was_replayed() {
    let replica = replica();
    for (lag, status) in [
        ("4096", 200),
        ("4095", 503),
        ("4kB", 200),
        ("3kB", 503),
        ("0x1000", 200),
        ("1%4dB", 200),
        ("0", 503),
        ("-5", 503),
        // What is no number limits nothing.
        ("4mb", 200),
        ("", 200),
    ] {
        for path in ["/replica", "/read-only", "/async"] {
            expect(&format!("{path}?lag={lag}"), &replica, status);
        }
    }
    expect("/primary?lag=0", &primary(), 200);
    expect("/read-only?lag=0", &primary(), 200);
}

#[test]
fn the_leaders_position_is_the_newest_known() {
    let mut ahead = replica();
    let heard = Lsn(LEADER_AT.0 + 4096);
    ahead.server.as_mut().expect("a server").latest_end = Some(heard);
    expect("/replica?lag=8192", &ahead, 200);
    expect("/replica?lag=8191", &ahead, 503);
    // Without the store the walreceiver's word is all there is.
    expect("/replica?lag=8191", &blind(ahead), 503);
    expect("/replica?lag=0", &blind(replica()), 200);
}

#[test]
fn replication_state_must_be_as_asked() {
    let streaming = replica();
    expect("/replica?replication_state=streaming", &streaming, 200);
    let archive = "in+archive+recovery";
    let target = format!("/replica?replication_state={archive}");
    expect(&target, &streaming, 503);
    let mut restoring = with_standby(replica(), |standby| standby.is_streaming = false);
    expect(&target, &restoring, 503);
    restoring
        .server
        .as_mut()
        .expect("a server")
        .has_restore_command = true;
    expect(&target, &restoring, 200);
    expect("/async?replication_state=streaming", &restoring, 503);
}

#[test]
fn every_tag_that_is_asked_for_must_be_there() {
    let tagged = with(replica(), |status| {
        status.tags = tags(json!({
            "rack": "A1", "clonefrom": true, "weight": 1.4, "n": 5, "nosync": false,
        }));
    });
    for (query, status) in [
        ("tag_rack=A1", 200),
        ("tag_rack=a1", 503),
        ("tag_clonefrom=true", 200),
        ("tag_clonefrom=True", 503),
        ("tag_weight=1.4", 200),
        ("tag_n=5", 200),
        ("tag_n=6", 503),
        ("tag_rack=A1&tag_n=5", 200),
        ("tag_rack=A1&tag_n=6", 503),
        ("tag_other=x", 503),
        ("tag_other=", 200),
        // A standard tag that says no is not published.
        ("tag_nosync=false", 503),
        ("tag_rack=A1&tag_rack=B", 200),
    ] {
        for path in ["/replica", "/health", "/read-only", "/async"] {
            expect(&format!("{path}?{query}"), &tagged, status);
        }
    }
    expect("/primary?tag_other=x", &primary(), 200);
    expect("/leader?tag_other=x", &primary(), 200);
}

#[test]
fn a_server_that_does_not_answer_is_not_running() {
    let silent = with(replica(), |status| {
        let local = status.local.as_mut().expect("a look");
        local.server = ServerView::Unresponsive;
    });
    assert_eq!(Node::of(&silent, NOW).state, "unknown");
    row("silent", &silent, "...........");
}

#[test]
fn a_server_at_which_nobody_looks_any_more_is_not_said_to_run() {
    let snapshot = replica();
    let rules = &snapshot.status.rules;
    let patience = rules.loop_wait + rules.ttl * 2;
    let at = |age| {
        let node = Node::of(&snapshot, NOW.plus(age));
        check("/replica", &Query::default(), &node).as_u16()
    };
    assert_eq!(
        at(patience.checked_sub(Duration::from_nanos(1)).unwrap()),
        200
    );
    assert_eq!(at(patience), 503);
}

#[test]
fn liveness_has_one_lease_of_patience_with_a_primary_and_two_without() {
    let limit = |snapshot: &Snapshot| {
        let alive = |seconds: u64| {
            let now = NOW.plus(Duration::from_secs(seconds));
            liveness(&Node::of(snapshot, now)).as_u16() == 200
        };
        (0..1000).find(|seconds| !alive(*seconds))
    };
    // loop_wait is 10 s and ttl 30 s.
    assert_eq!(limit(&primary()), Some(40));
    assert_eq!(limit(&replica()), Some(70));
    assert_eq!(limit(&stopped()), Some(70));
    assert_eq!(limit(&paused(primary())), None);
}

fn ready(query: &str, snapshot: &Snapshot) -> bool {
    let node = Node::of(snapshot, NOW);
    readiness(&Query::parse(query), &node).as_u16() == 200
}

#[test]
fn a_streaming_replica_is_ready_when_it_is_near_the_leader() {
    let replica = replica();
    assert!(ready("", &replica));
    assert!(ready("lag=4096", &replica));
    assert!(!ready("lag=4095", &replica));
    assert!(ready("lag=1024&mode=write", &replica));
    assert!(!ready("lag=1023&mode=write", &replica));
    assert!(!ready("lag=1024&mode=apply", &replica));
    assert!(ready("lag=nonsense", &replica));
    let far = with(replica, |status| {
        status.rules.maximum_lag_on_failover = herdsman_ha_core::Bytes(4095);
    });
    assert!(!ready("", &far));
}

#[test]
fn readiness_needs_a_stream_or_the_lock() {
    assert!(ready("", &primary()));
    assert!(ready("lag=0", &locked(stopped())));
    assert!(!ready("", &stopped()));
    assert!(!ready("", &with(primary(), |status| status.lease = None)));
    let detached = with_standby(replica(), |standby| standby.is_streaming = false);
    assert!(!ready("", &detached));
}

#[test]
fn readiness_without_the_store_needs_the_leaders_word() {
    let mut alone = blind(replica());
    assert!(!ready("", &alone));
    alone.server.as_mut().expect("a server").latest_end = Some(LEADER_AT);
    assert!(ready("lag=4096", &alone));
    assert!(!ready("lag=4095", &alone));
}
