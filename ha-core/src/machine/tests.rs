//! Inputs can be kept and read back: a decision can be replayed elsewhere, later.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use serde_json::json;

use super::*;
use crate::schema::{RawEntry, read_cluster};
use crate::tags::Tags;
use crate::task::{Failure, Report};
use crate::time::Wall;
use crate::value::{InstanceId, Lsn, MemberName, Position, Revision, SessionName, Timeline};
use crate::view::{DataView, PeerAnswer, PeerReport, ServerView, StandbyView};

fn settings() -> Settings {
    Settings {
        name: MemberName::from("n1"),
        conn_url: "postgres://h:5432/postgres".to_owned(),
        api_url: "http://h:8008/patroni".to_owned(),
        tags: Tags::default(),
        proxy_url: None,
        known_config: None,
        standby_start_limit: None,
        bootstrap_config: Some(json!({"ttl": 5})),
        watchdog_required: false,
        rejoin: crate::RejoinSettings::default(),
        scripts: crate::Scripts::default(),
    }
}

fn view() -> ClusterView {
    let member = json!({
        "conn_url": "postgres://h2:5432/postgres", "api_url": "http://h2:8008/patroni",
        "state": "running", "role": "primary", "tags": {"rack": "b"},
    });
    let entry = |key, value: &'static [u8]| RawEntry {
        key,
        value,
        created: Revision(3),
        modified: Revision(4),
        session: Some("7"),
    };
    let member: &'static str = Box::leak(member.to_string().into_boxed_str());
    let entries = [
        entry("leader", b"n2"),
        entry("initialize", b"7277694203142172922"),
        entry("config", br#"{"ttl":20,"synchronous_mode":"quorum"}"#),
        entry("history", br#"[[1,100,"r"]]"#),
        entry("failover", br#"{"leader":"n2","member":"n1"}"#),
        entry("members/n2", member.as_bytes()),
    ];
    read_cluster(Revision(9), entries)
}

fn inputs() -> Vec<Input> {
    let position = Position {
        timeline: Timeline(2),
        lsn: Lsn(77),
    };
    let local = LocalView {
        seen_at: Mono(6),
        data: DataView::Leftover,
        server: ServerView::Standby(StandbyView {
            timeline: position.timeline,
            received: position.lsn,
            upstream: Some(("h2".to_owned(), 5432)),
            ..StandbyView::default()
        }),
        about: None,
    };
    let reports = vec![PeerReport {
        name: MemberName::from("n2"),
        answer: PeerAnswer::NotRunning {
            instance: Some(InstanceId::from("i")),
        },
    }];
    let failure = Failure {
        is_transient: true,
        message: "no".to_owned(),
    };
    let ended = [
        Outcome::Done(Report::Peers(reports)),
        Outcome::Done(Report::Session {
            name: SessionName::from("s"),
            ttl: core::time::Duration::from_secs(5),
        }),
        Outcome::Failed(failure),
        Outcome::Unknown,
    ];
    let command = Command::Switchover {
        leader: Some(MemberName::from("n2")),
        candidate: None,
        scheduled_at: None,
    };
    let request = RequestId(1);
    let mut inputs = vec![
        Input::Cluster(Ok(Arc::new(view()))),
        Input::Cluster(Err(Fault::Unreachable("gone".to_owned()))),
        Input::Local(local),
        Input::Operator { request, command },
        Input::Settings(Box::new(settings())),
        Input::Wake,
    ];
    inputs.extend(ended.map(|outcome| Input::Done {
        op: OpId(1),
        outcome,
    }));
    inputs
}

#[test]
fn recorded_inputs_lead_to_the_same_steps() {
    let boot = Boot::new(InstanceId::from("run"), 1);
    let mut machine = Machine::new(settings(), boot, Now::default());
    let mut replayed = machine.clone();
    for (second, input) in (1..).zip(inputs()) {
        let now = Now {
            mono: Mono(second * 1_000_000_000),
            wall: Wall(0),
        };
        let kept = serde_json::to_string(&input).unwrap();
        let read: Input = serde_json::from_str(&kept).unwrap();
        assert_eq!(read, input);
        assert_eq!(replayed.step(now, read), machine.step(now, input));
    }
}

#[test]
fn a_look_is_not_hidden_by_what_is_due_at_the_same_moment() {
    let at = |second: u64| Now {
        mono: Mono(second * 1_000_000_000),
        wall: Wall(0),
    };
    let boot = Boot::new(InstanceId::from("run"), 1);
    let mut machine = Machine::new(settings(), boot, at(0));
    let standby = StandbyView {
        timeline: Timeline(2),
        received: Lsn(77),
        wal_end_reached: true,
        is_streaming: true,
        ..StandbyView::default()
    };
    let local = LocalView {
        seen_at: at(1).mono,
        data: DataView::Leftover,
        server: ServerView::Standby(standby),
        about: None,
    };
    let _ = machine.step(at(1), Input::Local(local));
    let step = machine.step(at(1), Input::Cluster(Ok(Arc::new(view()))));
    let opened = step.outputs.iter().find_map(|output| match output {
        Output::Start { op, task } => matches!(task, Task::OpenSession { .. }).then_some(*op),
        Output::Decided(_) | Output::Cancel { .. } | Output::Reply { .. } | Output::Quit(_) => None,
    });
    let op = opened.expect("a session is opened");
    let ttl = core::time::Duration::from_secs(30);
    let name = SessionName::from("s");
    let outcome = Outcome::Done(Report::Session { name, ttl });
    let step = machine.step(at(2), Input::Done { op, outcome });
    // The session is to be renewed then, and the server to be looked at.
    assert_eq!(machine.memory.lease.next_attempt(), at(11).mono);
    assert_eq!(step.wake, Some((at(11).mono, Deadline::Look)));
}
