//! Inputs without sense: any view, any look, any outcome, in any order.
//!
//! No driver behaves like this. Whatever it is told, a machine must not panic, must keep one task
//! per lane, and must not make its server writable without a valid grant.

use std::time::Duration;

use std::sync::Arc;

use herdsman_ha_core::schema::{RawEntry, read_cluster};
use herdsman_ha_core::{
    Boot, ClusterView, Command, ControlState, ControlView, DataView, Failure, Fault, Generation,
    Input, InstanceId, LocalView, Lsn, MemberName, Mono, Now, OpId, Outcome, PeerAnswer,
    PeerReport, PeerServer, Position, PrimaryView, PromiseAnswer, PromiseReport, PromiseRequest,
    Report, RequestId, Revision, ServerIdentity, ServerView, SessionName, Settings, StandbyView,
    SystemId, Tags, Task, Timeline, Wall, WreckView,
};
use serde_json::{Map, json};

use herdsman_sim::chance::Chance;
use herdsman_sim::checked::Checked;

/// Runs one sequence and tells what was broken, each with the number of its step.
#[must_use]
pub fn run(seed: u64, steps: usize) -> Vec<String> {
    let mut run = Run::new(seed);
    let mut broken = Vec::new();
    for step in 0..steps {
        let violations = run.step();
        broken.extend(
            violations
                .into_iter()
                .map(|violation| format!("seed {seed} step {step}: {violation}")),
        );
    }
    broken
}

struct Run {
    chance: Chance,
    subject: Checked,
    now: Mono,
    revision: u64,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

impl Run {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let mut tags = Map::new();
        if chance.once_in(6) {
            tags.insert(
                chance.one_of(&["nofailover", "nostream"]).to_owned(),
                json!(true),
            );
        }
        let now = Mono(1_000_000_000_000);
        let settings = Settings {
            name: MemberName::from("a"),
            conn_url: "postgres://a:5432/postgres".to_owned(),
            api_url: "http://a:8008/patroni".to_owned(),
            tags: Tags::read(&tags),
            proxy_url: None,
            known_config: None,
            standby_start_limit: None,
            bootstrap_config: chance
                .once_in(2)
                .then(|| json!({ "ttl": 5, "loop_wait": 1 })),
            watchdog_required: chance.once_in(10),
            rejoin: herdsman_ha_core::RejoinSettings {
                rewinds: chance.one_of(&[None, Some(true), Some(false)]),
                replaces_on_failure: chance.one_of(&[None, Some(true)]),
                replaces_on_divergence: chance.one_of(&[None, Some(true)]),
                replaces_on_missing_wal: chance.one_of(&[None, Some(true)]),
            },
            scripts: herdsman_ha_core::Scripts {
                pre_promote: chance.once_in(3),
                replica_without_leader: chance.once_in(3),
            },
        };
        let boot = Boot::new(InstanceId::from("run"), seed);
        let clocks = Now {
            mono: now,
            wall: Wall(0),
        };
        Self {
            subject: Checked::new(settings, boot, clocks),
            chance,
            now,
            revision: 1,
        }
    }

    fn step(&mut self) -> Vec<String> {
        self.now = self.now.plus(match self.chance.below(10) {
            0..5 => Duration::ZERO,
            5..8 => self.chance.millis(1, 300),
            8 => self.chance.millis(300, 5000),
            _ => self.chance.millis(5000, 40_000),
        });
        let input = self.input();
        let clocks = Now {
            mono: self.now,
            wall: Wall(0),
        };
        let _ = self.subject.step(clocks, input);
        self.subject.violations()
    }

    fn input(&mut self) -> Input {
        match self.chance.below(20) {
            0..5 => self.view(),
            5..9 => Input::Local(self.local()),
            9..16 => self.ending(),
            16 => self.command(),
            _ => Input::Wake,
        }
    }

    fn view(&mut self) -> Input {
        if self.chance.once_in(8) {
            let fault = self.chance.one_of(&[
                Fault::Unreachable("no".to_owned()),
                Fault::StoreReplaced,
                Fault::Denied("no".to_owned()),
            ]);
            return Input::Cluster(Err(fault));
        }
        // Mostly forward, sometimes an older one.
        self.revision = match self.chance.below(6) {
            0 => self.revision.saturating_sub(2).max(1),
            _ => self.revision + self.chance.below(4),
        };
        Input::Cluster(Ok(Arc::new(self.cluster())))
    }

    fn cluster(&mut self) -> ClusterView {
        let mut texts: Vec<(String, String, Option<String>)> = Vec::new();
        for name in NAMES {
            if self.chance.once_in(5) {
                continue;
            }
            let role = self
                .chance
                .one_of(&["primary", "standby_leader", "replica", "replica"]);
            let instance = self.chance.one_of(&["run", "run", "run", "other"]);
            let value = json!({
                "conn_url": format!("postgres://{name}:5432/postgres"),
                "api_url": format!("http://{name}:8008/patroni"),
                "role": role, "state": "running", "herdsman": { "instance": instance },
            });
            texts.push((
                format!("members/{name}"),
                value.to_string(),
                Some(format!("{name}.1")),
            ));
        }
        if let Some(leader) =
            self.chance
                .one_of(&[None, Some("a"), Some("a"), Some("b"), Some("c")])
        {
            let session = self.chance.one_of(&["1", "1", "2", "9"]);
            texts.push((
                "leader".to_owned(),
                leader.to_owned(),
                Some(format!("{leader}.{session}")),
            ));
        }
        match self.chance.below(8) {
            0 => {}
            1 => texts.push((
                "initialize".to_owned(),
                String::new(),
                Some("a.1".to_owned()),
            )),
            2 => texts.push(("initialize".to_owned(), "7000000002".to_owned(), None)),
            _ => texts.push(("initialize".to_owned(), "7000000001".to_owned(), None)),
        }
        for (key, values) in PLAIN {
            if self.chance.once_in(3) {
                texts.push((
                    (*key).to_owned(),
                    self.chance.one_of(values).to_owned(),
                    None,
                ));
            }
        }
        let revision = self.revision;
        let created = 1 + self.chance.below(revision);
        let entries = texts.iter().map(|(key, value, session)| RawEntry {
            key,
            value: value.as_bytes(),
            created: Revision(created),
            modified: Revision(revision),
            session: session.as_deref(),
        });
        read_cluster(Revision(revision), entries)
    }

    fn local(&mut self) -> LocalView {
        let system = self
            .chance
            .one_of(&[7_000_000_001, 7_000_000_001, 7_000_000_002]);
        let state = self.chance.one_of(&[
            ControlState::ShutDown,
            ControlState::ShutDownInRecovery,
            ControlState::InProduction,
            ControlState::InArchiveRecovery,
            ControlState::Other,
        ]);
        let data = match self.chance.below(12) {
            0 => DataView::Empty,
            1 => DataView::Leftover,
            2 => DataView::Unusable("x".to_owned()),
            3 if self.chance.once_in(2) => DataView::Wreck(WreckView {
                system_id: SystemId(system),
                why: self.chance.one_of(&[None, Some("no".to_owned())]),
            }),
            _ => DataView::Cluster(ControlView {
                system_id: SystemId(system),
                state,
                checkpoint: self.position(),
                min_recovery: None,
                is_rewindable: !self.chance.once_in(4),
            }),
        };
        let server = match (&data, self.chance.below(10)) {
            (DataView::Cluster(_), 0..3) => ServerView::Primary(PrimaryView {
                position: self.position(),
                ..PrimaryView::default()
            }),
            (DataView::Cluster(_), 3..6) => ServerView::Standby(StandbyView {
                timeline: Timeline(1),
                received: self.position().lsn,
                replayed: self.position().lsn,
                wal_end_reached: !self.chance.once_in(3),
                is_blocked: self.chance.once_in(8),
                is_being_promoted: self.chance.once_in(8),
                is_streaming: self.chance.once_in(2),
                upstream: self.chance.one_of(&[None, Some(("b".to_owned(), 5432))]),
                ..StandbyView::default()
            }),
            (DataView::Cluster(_), 6) => self.chance.one_of(&[
                ServerView::Starting,
                ServerView::Stopping,
                ServerView::Unresponsive,
            ]),
            (
                DataView::Cluster(_)
                | DataView::Empty
                | DataView::Leftover
                | DataView::Wreck(_)
                | DataView::Unusable(_),
                _,
            ) => ServerView::Down {
                orphans: self.chance.once_in(4),
            },
        };
        LocalView {
            seen_at: self.now.minus(self.chance.millis(0, 50)),
            data,
            server,
            about: None,
        }
    }

    fn position(&mut self) -> Position {
        Position {
            timeline: Timeline(self.chance.one_of(&[1, 1, 2, 3])),
            lsn: Lsn(0x300_0000 + self.chance.below(4) * 0x20_0000),
        }
    }

    fn ending(&mut self) -> Input {
        let running: Vec<(OpId, Task)> = self
            .subject
            .running()
            .iter()
            .map(|(op, task)| (*op, task.clone()))
            .collect();
        if running.is_empty() || self.chance.once_in(20) {
            // An end that belongs to nobody.
            return Input::Done {
                op: OpId(self.chance.below(1000)),
                outcome: Outcome::Done(Report::Nothing),
            };
        }
        let (op, task) = self.chance.one_of(&running);
        let outcome = match self.chance.below(10) {
            0 => Outcome::NotApplied,
            1 => Outcome::SessionLost,
            2 => Outcome::Unknown,
            3 => Outcome::Cancelled,
            4 => Outcome::Failed(Failure {
                is_transient: self.chance.once_in(2),
                message: "no".to_owned(),
            }),
            _ => Outcome::Done(self.report(&task)),
        };
        Input::Done { op, outcome }
    }

    fn report(&mut self, task: &Task) -> Report {
        match task {
            Task::OpenSession { ttl } => Report::Session {
                name: SessionName::from(self.chance.one_of(&["a.1", "a.2"])),
                ttl: *ttl,
            },
            Task::Commit(_) => {
                self.revision += 1;
                Report::Committed(Revision(self.revision))
            }
            Task::AskPeers { peers, .. } => {
                let names: Vec<MemberName> = peers.iter().map(|(name, _)| name.clone()).collect();
                Report::Peers(names.into_iter().map(|name| self.answer(name)).collect())
            }
            Task::AskPromises { peers, .. } => {
                let names: Vec<MemberName> = peers.iter().map(|(name, _)| name.clone()).collect();
                let told = names.into_iter().map(|name| PromiseReport {
                    name,
                    answer: self.chance.one_of(&[
                        PromiseAnswer::Promised,
                        PromiseAnswer::Promised,
                        PromiseAnswer::Unreachable,
                        PromiseAnswer::Refused("no".to_owned()),
                    ]),
                });
                Report::Promises(told.collect())
            }
            Task::Identify { .. } => Report::Identity(ServerIdentity {
                contradicts: self.chance.one_of(&[None, None, Some(Lsn(0x100))]),
                system_id: SystemId(self.chance.one_of(&[7_000_000_001, 7_000_000_002])),
                is_primary: !self.chance.once_in(3),
                position: self.position(),
                history: vec![(Timeline(1), self.position().lsn)],
                missing_wal: self.chance.one_of(&[None, Some("1".to_owned())]),
            }),
            Task::ProveGone | Task::Fence => Report::Gone,
            Task::WaitFor { .. } => Report::InForce(self.position().lsn),
            Task::Renew { .. }
            | Task::CloseSession { .. }
            | Task::PublishHistory { .. }
            | Task::Bootstrap
            | Task::Clone { .. }
            | Task::Replace { .. }
            | Task::Reinitialize { .. }
            | Task::Rewind { .. }
            | Task::Start { .. }
            | Task::Stop { .. }
            | Task::PrePromote { .. }
            | Task::Promote { .. }
            | Task::Follow { .. }
            | Task::Checkpoint
            | Task::SyncSlots { .. }
            | Task::CopySlots { .. } => Report::Nothing,
        }
    }

    fn answer(&mut self, name: MemberName) -> PeerReport {
        let instance = self.chance.one_of(&[None, Some("run"), Some("other")]);
        let instance = instance.map(InstanceId::from);
        let answer = match self.chance.below(4) {
            0 => PeerAnswer::Unreachable,
            1 => PeerAnswer::NotRunning { instance },
            _ => PeerAnswer::Running(PeerServer {
                instance,
                is_primary: self.chance.once_in(6),
                position: self.position(),
                wal_end_reached: self.chance.one_of(&[None, Some(true), Some(false)]),
                may_lead: !self.chance.once_in(4),
                failover_priority: 1,
            }),
        };
        PeerReport { name, answer }
    }

    fn command(&mut self) -> Input {
        let command = if self.chance.once_in(12) {
            Command::Leave
        } else if self.chance.once_in(4) {
            Command::Promise(PromiseRequest {
                name: MemberName::from(self.chance.one_of(&["a", "b", "c"])),
                conn_url: String::new(),
                api_url: String::new(),
                slots: std::collections::BTreeMap::new(),
                generation: Some(Generation(self.chance.below(self.revision + 2))),
                ttl: Some(Duration::from_secs(self.chance.one_of(&[5, 30, 7200]))),
            })
        } else {
            let names = [None, Some("a"), Some("b"), Some("x")];
            Command::Switchover {
                leader: self.chance.one_of(&names).map(MemberName::from),
                candidate: self.chance.one_of(&names).map(MemberName::from),
                scheduled_at: None,
            }
        };
        Input::Operator {
            request: RequestId(self.chance.below(100)),
            command,
        }
    }
}

/// Values that other keys may have, sensible and not.
const PLAIN: &[(&str, &[&str])] = &[
    (
        "config",
        &[
            r#"{"ttl": 5, "loop_wait": 1}"#,
            r#"{"ttl": 30}"#,
            r#"{"pause": true}"#,
            r#"{"primary_start_timeout": 0}"#,
            r#"{"synchronous_mode": true}"#,
            r#"{"failsafe_mode": true}"#,
            r#"{"standby_cluster": {"host": "r"}}"#,
            r#"{"standby_cluster": {"host": "r", "port": 5433}, "postgresql": {"use_pg_rewind": true}}"#,
            r#"{"standby_cluster": {"restore_command": "cp /archive/%f %p"}}"#,
            "nonsense",
        ],
    ),
    (
        "failover",
        &[
            "{}",
            r#"{"leader": "a"}"#,
            r#"{"leader": "a", "member": "b"}"#,
            r#"{"member": "a"}"#,
        ],
    ),
    (
        "failsafe",
        &[r#"{"a": "http://a", "b": "http://b"}"#, r#"{"b": 5}"#, "[]"],
    ),
    ("sync", &["{}", r#"{"leader": "b", "sync_standby": "a"}"#]),
    ("status", &["50331648", r#"{"optime": 60000000}"#, "x"]),
    ("history", &["[]", r#"[[1, 50331648, "x"]]"#, "{}"]),
    (
        "herdsman/leadership",
        &[
            r#"{"owner": "a", "from_timeline": 1}"#,
            r#"{"owner": "b", "from_timeline": 1}"#,
        ],
    ),
];
