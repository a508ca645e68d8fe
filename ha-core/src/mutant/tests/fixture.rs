//! A member that is stepped by hand, and what it is told.

use super::*;

/// A machine, its time, and what it started.
pub(super) struct Member {
    pub(super) machine: Machine,
    pub(super) now: Mono,
    pub(super) running: Vec<(OpId, Task)>,
}

impl Member {
    pub(super) fn new(mutant: Option<Mutant>) -> Self {
        let machine = Machine::new(settings(), boot(mutant), Now::default());
        Self {
            machine,
            now: Mono(0),
            running: Vec::new(),
        }
    }

    /// An empty member of a cluster that nobody has made, with its claim on the way.
    pub(super) fn claiming(mutant: Option<Mutant>) -> Self {
        let mut member = Self::new(mutant);
        member.after(1, view(Revision(1), []));
        member.after(
            1,
            local(DataView::Empty, ServerView::Down { orphans: false }),
        );
        member.open_session(TTL);
        member
    }

    /// A standby that takes the free leadership: the only member there is.
    pub(super) fn acquiring(mutant: Option<Mutant>) -> Self {
        let mut member = Self::new(mutant);
        member.after(1, view(Revision(3), [known()]));
        member.after(1, standby());
        member.open_session(TTL);
        member
    }

    pub(super) fn promoting(mutant: Option<Mutant>) -> Self {
        let mut member = Self::acquiring(mutant);
        member.end_after(0, "acquire", committed(7));
        let lease = member.machine.status().lease;
        assert_eq!(lease.map(|held| held.generation), Some(Generation(7)));
        member
    }

    pub(super) fn leading(mutant: Option<Mutant>) -> Self {
        let mut member = Self::promoting(mutant);
        let primary = ServerView::Primary(PrimaryView::default());
        member.after(0, local(cluster(ControlState::InProduction), primary));
        member.end_after(0, "promote", Outcome::Done(Report::Nothing));
        member
    }

    pub(super) fn open_session(&mut self, ttl: Duration) {
        let name = SessionName::from("s");
        let session = Report::Session { name, ttl };
        self.end_after(0, "open-session", Outcome::Done(session));
    }

    pub(super) fn after(&mut self, seconds: u64, input: Input) {
        self.now = Mono(self.now.0 + seconds * 1_000_000_000);
        let now = Now {
            mono: self.now,
            wall: Wall(0),
        };
        for output in self.machine.step(now, input).outputs {
            if let Output::Start { op, task } = output {
                self.running.push((op, task));
            }
        }
    }

    pub(super) fn end_after(&mut self, seconds: u64, name: &str, outcome: Outcome) {
        let mut running = self.running.iter();
        let at = running.position(|(_, task)| task.name() == name);
        let at = at.unwrap_or_else(|| panic!("{name} does not run: {:?}", self.running));
        let (op, _) = self.running.remove(at);
        self.after(seconds, Input::Done { op, outcome });
    }

    pub(super) fn is_running(&self, name: &str) -> bool {
        self.running.iter().any(|(_, task)| task.name() == name)
    }

    pub(super) fn commit(self, purpose: Purpose) -> Commit {
        for (_, task) in self.running {
            if let Task::Commit(commit) = task
                && commit.purpose == purpose
            {
                return commit;
            }
        }
        panic!("no {} runs", purpose.name());
    }
}

pub(super) fn boot(mutant: Option<Mutant>) -> Boot {
    Boot {
        mutant,
        ..Boot::new(InstanceId::from("run"), 1)
    }
}

pub(super) fn settings() -> Settings {
    Settings {
        name: MemberName::from("a"),
        conn_url: "postgres://a:5432/postgres".to_owned(),
        api_url: "http://a:8008/patroni".to_owned(),
        tags: Tags::default(),
        proxy_url: None,
        known_config: None,
        standby_start_limit: None,
        bootstrap_config: Some(json!({})),
        watchdog_required: false,
        rejoin: crate::RejoinSettings::default(),
        scripts: crate::Scripts::default(),
    }
}

pub(super) fn entry(key: &'static str, value: &'static [u8]) -> RawEntry<'static> {
    RawEntry {
        key,
        value,
        created: Revision(1),
        modified: Revision(1),
        session: None,
    }
}

pub(super) fn committed(revision: u64) -> Outcome {
    Outcome::Done(Report::Committed(Revision(revision)))
}

/// The leader key as the first acquisition of [`Member`] leaves it.
pub(super) fn leader_key() -> RawEntry<'static> {
    RawEntry {
        created: Revision(7),
        modified: Revision(7),
        session: Some("s"),
        ..entry(key::LEADER, b"a")
    }
}

pub(super) fn known() -> RawEntry<'static> {
    entry(key::INITIALIZE, b"7000000001")
}

pub(super) fn view<const N: usize>(revision: Revision, entries: [RawEntry<'static>; N]) -> Input {
    Input::Cluster(Ok(Arc::new(read_cluster(revision, entries))))
}

pub(super) fn local(data: DataView, server: ServerView) -> Input {
    Input::Local(LocalView {
        seen_at: Mono(0),
        data,
        server,
        about: None,
    })
}

pub(super) fn cluster(state: ControlState) -> DataView {
    DataView::Cluster(ControlView {
        system_id: SystemId(7_000_000_001),
        state,
        checkpoint: Position::default(),
        min_recovery: None,
        is_rewindable: true,
    })
}

pub(super) fn standby() -> Input {
    standby_at(Timeline(1), Lsn(500), Arc::default())
}

pub(super) fn standby_at(
    timeline: Timeline,
    received: Lsn,
    history: Arc<[(Timeline, Lsn)]>,
) -> Input {
    let standby = StandbyView {
        timeline,
        received,
        history,
        wal_end_reached: true,
        ..StandbyView::default()
    };
    local(
        cluster(ControlState::InArchiveRecovery),
        ServerView::Standby(standby),
    )
}
