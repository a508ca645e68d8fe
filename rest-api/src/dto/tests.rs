//! Golden files of every shape, and what is read from the answers of peers.
//!
//! `UPDATE_EXPECT=1` rewrites the files; the difference is the review.

use std::collections::BTreeMap;
use std::path::PathBuf;

use herdsman_ha_core::{
    About, Bytes, Decision, HistoryLine, InstanceId, Lsn, MemberName, MoveRequest, PeerAnswer,
    PeerServer, Position, Reason, SynchronousMode, Timeline, ValueChange, Verdict, Veto, Wall,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{
    LEADER_AT, NOW, blind, primary, registered, replica, stopped, tags, with, with_standby,
    with_view,
};
use crate::metrics;
use crate::node::Node;
use crate::snapshot::Snapshot;

#[track_caller]
fn check_golden(name: &str, text: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name]
        .iter()
        .collect();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, text).expect("the golden file can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, expected,
        "{name} differs: UPDATE_EXPECT=1 rewrites it"
    );
}

#[track_caller]
fn check_json(name: &str, shape: &impl Serialize) {
    let mut text = serde_json::to_string_pretty(shape).unwrap();
    text.push('\n');
    check_golden(name, &text);
}

#[track_caller]
fn check_member(name: &str, snapshot: &Snapshot) {
    check_json(name, &MemberStatus::of(&Node::of(snapshot, NOW)));
}

/// Everything that a standby can say at once.
fn eloquent_replica() -> Snapshot {
    let mut snapshot = with(replica(), |status| {
        status.rules.synchronous_mode = SynchronousMode::On;
        status.rules.pause = true;
        status.tags = tags(json!({"nofailover": true, "rack": "a1"}));
        let local = status.local.as_mut().expect("a look at the server");
        let change = ValueChange {
            old_value: "128MB".to_owned(),
            new_value: "1GB".to_owned(),
        };
        local.about = Some(About {
            pending_restart: BTreeMap::from([("shared_buffers".to_owned(), change)]),
            ..About::default()
        });
    });
    snapshot = with_view(snapshot, |view| {
        view.leader = None;
        view.sync.value.leader = Some(MemberName::from("n1"));
        view.sync.value.standbys.insert(MemberName::from("n2"));
    });
    let why = "unrecognized configuration parameter \"no_such\"";
    snapshot.refused = BTreeMap::from([("no_such".to_owned(), why.to_owned())]);
    snapshot.is_watchdog_required = true;
    let server = snapshot.server.as_mut().expect("a server");
    server.replayed_timestamp = Some(Wall(1_724_873_966_352));
    server.is_replay_paused = true;
    snapshot
}

#[test]
fn the_status_of_members_is_as_recorded() {
    check_member("patroni-primary.json", &primary());
    check_member("patroni-replica.json", &replica());
    check_member("patroni-replica-everything.json", &eloquent_replica());
    check_member("patroni-stopped.json", &stopped());
    check_member("patroni-blind.json", &blind(stopped()));
}

#[test]
fn the_cluster_is_as_recorded() {
    let snapshot = with_view(primary(), |view| {
        let quiet = registered(&json!({"state": "starting", "pending_restart": true}));
        view.members.insert(MemberName::from("n0"), quiet);
        view.failover.value = Some(MoveRequest {
            leader: Some(MemberName::from("n1")),
            candidate: None,
            scheduled_at: Some("2030-01-01T00:00:00+00:00".to_owned()),
        });
    });
    let cluster = |snapshot: &Snapshot| {
        let view = snapshot.status.cluster.clone().expect("a view");
        let rules = snapshot.status.rules.clone();
        serde_json::to_string_pretty(&Cluster::of(&view, &rules, "demo")).unwrap() + "\n"
    };
    check_golden("cluster.json", &cluster(&snapshot));

    let paused = with(snapshot, |status| {
        status.rules.pause = true;
        status.rules.synchronous_mode = SynchronousMode::Quorum;
    });
    let paused = with_view(paused, |view| {
        view.sync.value.standbys.insert(MemberName::from("n2"));
        view.failover.value = None;
    });
    check_golden("cluster-paused-quorum.json", &cluster(&paused));
}

#[test]
fn decisions_are_as_recorded() {
    let missing = Decision {
        at: NOW,
        wall: Wall(1_767_261_590_000),
        verdict: Verdict::Act,
        reason: Reason::LeaderMissing {},
    };
    let waiting = Decision {
        at: NOW,
        wall: Wall(1_767_261_600_250),
        verdict: Verdict::Hold,
        reason: Reason::NotCandidate {
            vetoes: vec![
                Veto::Lagging {
                    by: Bytes(18 << 20),
                    limit: Bytes(1 << 20),
                },
                Veto::PeerAhead {
                    name: MemberName::from("n3"),
                    at: Position {
                        timeline: Timeline(3),
                        lsn: LEADER_AT,
                    },
                },
            ],
        },
    };
    let snapshot = with(replica(), |status| {
        status.decisions = vec![missing.into(), waiting.clone().into()];
        status.decision = Some(waiting);
        status.repeats = 12;
    });
    check_json(
        "decisions.json",
        &Decisions::of(&snapshot.status, &snapshot.refused),
    );
    let quiet = with(replica(), |status| {
        status.decision = None;
        status.decisions.clear();
    });
    check_json(
        "decisions-none.json",
        &Decisions::of(&quiet.status, &quiet.refused),
    );
}

#[test]
fn metrics_are_as_recorded() {
    let mut leading = primary();
    let code = Reason::LeaderMissing {}.code();
    leading.counters.decisions.insert(code, 3);
    leading.counters.tasks_started.insert("renew", 40);
    leading.counters.tasks_failed.insert("renew", 1);
    check_golden(
        "metrics-primary.txt",
        &metrics::render(&Node::of(&leading, NOW)),
    );
    check_golden(
        "metrics-replica.txt",
        &metrics::render(&Node::of(&eloquent_replica(), NOW)),
    );
    check_golden(
        "metrics-stopped.txt",
        &metrics::render(&Node::of(&stopped(), NOW)),
    );
}

#[test]
fn the_history_is_an_array_of_arrays() {
    let line = HistoryLine {
        timeline: Timeline(1),
        switch: Lsn(25_623_960),
        reason: "no recovery target specified".to_owned(),
        at: Some("2019-09-23T16:57:57+02:00".to_owned()),
        new_leader: Some(MemberName::from("n1")),
    };
    assert_eq!(
        herdsman_ha_core::schema::history_text(&[line]),
        r#"[[1,25623960,"no recovery target specified","2019-09-23T16:57:57+02:00","n1"]]"#
    );
}

fn answer_to(body: &Value) -> PeerAnswer {
    PeerStatus::read(body.to_string().as_bytes())
        .expect("a status")
        .into_answer()
}

fn running(body: &Value) -> PeerServer {
    let PeerAnswer::Running(server) = answer_to(body) else {
        panic!("it runs: {body}");
    };
    server
}

#[track_caller]
fn told(snapshot: &Snapshot) -> PeerAnswer {
    let status = MemberStatus::of(&Node::of(snapshot, NOW));
    answer_to(&serde_json::to_value(status).unwrap())
}

#[test]
fn what_a_member_tells_a_peer_understands() {
    assert_eq!(
        told(&primary()),
        PeerAnswer::Running(PeerServer {
            instance: Some(InstanceId::from("run-of-n1")),
            is_primary: true,
            position: Position {
                timeline: Timeline(3),
                lsn: LEADER_AT
            },
            wal_end_reached: Some(true),
            may_lead: true,
            failover_priority: 1,
        })
    );
    assert_eq!(
        told(&replica()),
        PeerAnswer::Running(PeerServer {
            instance: Some(InstanceId::from("run-of-n2")),
            is_primary: false,
            position: Position {
                timeline: Timeline(3),
                lsn: Lsn(LEADER_AT.0 - 1024)
            },
            wal_end_reached: Some(true),
            may_lead: true,
            failover_priority: 1,
        })
    );
    let instance = Some(InstanceId::from("run-of-n2"));
    assert_eq!(told(&stopped()), PeerAnswer::NotRunning { instance });
}

#[test]
fn whatever_forbids_leading_is_told_to_peers() {
    let may_lead = |snapshot: &Snapshot| {
        let PeerAnswer::Running(server) = told(snapshot) else {
            panic!("it runs");
        };
        server.may_lead
    };
    assert!(may_lead(&replica()));
    for value in [
        json!({"nofailover": true}),
        json!({"failover_priority": 0}),
        json!({"nostream": true}),
    ] {
        let tagged = with(replica(), |status| status.tags = tags(value.clone()));
        assert!(!may_lead(&tagged), "{value}");
    }
    let mut unwatched = replica();
    unwatched.is_watchdog_required = true;
    assert!(!may_lead(&unwatched));
    let mut hung = replica();
    hung.taken_at = herdsman_ha_core::Mono(0);
    assert!(!may_lead(&hung));
}

#[test]
fn a_standby_that_still_replays_says_so() {
    let replaying = with_standby(replica(), |standby| {
        standby.wal_end_reached = false;
        standby.received = Lsn(0);
    });
    let PeerAnswer::Running(server) = told(&replaying) else {
        panic!("it runs");
    };
    assert_eq!(server.wal_end_reached, Some(false));
    assert_eq!(server.position.lsn, Lsn(LEADER_AT.0 - 4096));
}

#[test]
fn the_answers_of_the_other_program_are_understood() {
    let primary = running(&json!({
        "state": "running", "role": "primary", "server_version": 160_004,
        "xlog": {"location": 67_395_656}, "timeline": 1,
        "patroni": {"version": "4.1.4", "scope": "demo", "name": "n1"},
    }));
    assert!(primary.is_primary && primary.may_lead);
    assert_eq!(primary.position.lsn, Lsn(67_395_656));
    assert_eq!((primary.instance, primary.wal_end_reached), (None, None));

    let standby = running(&json!({
        "state": "running", "role": "replica", "timeline": 2,
        "xlog": {"received_location": 10, "replayed_location": 20,
            "replayed_timestamp": null, "paused": false},
        "tags": {"failover_priority": 3},
    }));
    assert!(!standby.is_primary);
    assert_eq!(
        standby.position,
        Position {
            timeline: Timeline(2),
            lsn: Lsn(20)
        }
    );
    assert_eq!(standby.failover_priority, 3);
}

#[test]
fn who_is_a_primary_follows_from_location_or_role() {
    for (body, is_primary) in [
        (
            json!({"state": "running", "role": "replica", "xlog": {"location": 5}}),
            true,
        ),
        (
            json!({"state": "running", "role": "master", "wal": {"location": 0}}),
            true,
        ),
        (
            json!({"state": "running", "role": "primary", "xlog": {}}),
            true,
        ),
        (
            json!({"state": "running", "role": "promoted", "xlog": {"location": 0}}),
            false,
        ),
        (
            json!({"state": "running", "xlog": {"received_location": 5}}),
            false,
        ),
    ] {
        assert_eq!(running(&body).is_primary, is_primary, "{body}");
    }
}

#[test]
fn odd_fields_are_unknown_rather_than_an_error() {
    let odd = running(&json!({
        "state": "running", "role": 7, "timeline": null, "tags": "none",
        "xlog": {"received_location": "5", "replayed_location": null}, "herdsman": 3,
    }));
    assert_eq!(odd.position, Position::default());
    assert!(odd.may_lead && !odd.is_primary);
    let failed = running(&json!({
        "state": "running", "xlog": {}, "watchdog_failed": true,
        "herdsman": {"may_lead": true},
    }));
    assert!(!failed.may_lead);
    assert_eq!(
        answer_to(&json!({"state": "stopped", "role": "replica", "xlog": null})),
        PeerAnswer::NotRunning { instance: None }
    );
}

#[test]
fn what_is_no_status_is_an_error() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        "<html>",
        r#"{"state": 5}"#,
        r#"{"role": "primary"}"#,
    ] {
        assert!(PeerStatus::read(body.as_bytes()).is_err(), "{body}");
    }
}
