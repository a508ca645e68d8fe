//! Members to test with: a cluster `demo` of `n1`, which leads, and `n2`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use herdsman_ha_core::{
    Boot, ClusterView, ControlState, ControlView, DataView, Generation, HeldLease, InstanceId,
    LeaderKey, LocalView, Lsn, Machine, MemberName, MemberView, Mono, Now, Position, PrimaryView,
    Revision, ServerView, Settings, StandbyView, Status, SystemId, Tags, Timeline, Wall,
};
use serde_json::{Value, json};

use crate::snapshot::{Counters, SenderFacts, ServerFacts, Snapshot};

/// The instant of all members here; their lease holds for five more seconds.
pub(crate) const NOW: Mono = Mono(100_000_000_000);
pub(crate) const FENCE_AT: Mono = Mono(105_000_000_000);
/// Where the leader is.
pub(crate) const LEADER_AT: Lsn = Lsn(0x500_0000);

const WALL: Wall = Wall(1_767_261_600_250);

/// Tags as an operator writes them.
pub(crate) fn tags(tags: Value) -> Tags {
    let Value::Object(map) = tags else {
        panic!("tags are an object");
    };
    Tags::read(&map)
}

/// Changes the status of a snapshot.
pub(crate) fn with(mut snapshot: Snapshot, change: impl FnOnce(&mut Status)) -> Snapshot {
    let mut status = Status::clone(&snapshot.status);
    change(&mut status);
    snapshot.status = Arc::new(status);
    snapshot
}

/// `n1`, a primary that holds the lease.
pub(crate) fn primary() -> Snapshot {
    let primary = PrimaryView {
        position: Position {
            timeline: Timeline(3),
            lsn: LEADER_AT,
        },
        ..PrimaryView::default()
    };
    let mut snapshot = with(member("n1"), |status| {
        (status.state, status.role) = ("running", "primary");
        status.lease = Some(HeldLease {
            generation: Generation(7),
            fence_at: FENCE_AT,
        });
        status.local = Some(local(
            ServerView::Primary(primary),
            ControlState::InProduction,
        ));
    });
    snapshot.server = Some(ServerFacts {
        replication: vec![SenderFacts {
            usename: Some("replicator".to_owned()),
            application_name: "n2".to_owned(),
            client_addr: Some("10.0.0.2".to_owned()),
            state: "streaming".to_owned(),
            sync_state: "async".to_owned(),
            sync_priority: 0,
        }],
        ..server()
    });
    snapshot
}

/// `n2`, a standby 4096 bytes behind, which streams.
pub(crate) fn replica() -> Snapshot {
    let standby = StandbyView {
        history: [].into(),
        timeline: Timeline(3),
        received: Lsn(LEADER_AT.0 - 1024),
        replayed: Lsn(LEADER_AT.0 - 4096),
        wal_end_reached: true,
        is_blocked: false,
        is_being_promoted: false,
        is_streaming: true,
        upstream: Some(("10.0.0.1".to_owned(), 5432)),
        slots: BTreeMap::new(),
    };
    let mut snapshot = with(member("n2"), |status| {
        (status.state, status.role) = ("running", "replica");
        let server = ServerView::Standby(standby);
        status.local = Some(local(server, ControlState::InArchiveRecovery));
    });
    snapshot.server = Some(server());
    snapshot
}

/// `n2`, whose server is down.
pub(crate) fn stopped() -> Snapshot {
    let mut snapshot = with(replica(), |status| {
        status.state = "stopped";
        let server = ServerView::Down { orphans: false };
        status.local = Some(local(server, ControlState::ShutDownInRecovery));
    });
    snapshot.server = None;
    snapshot
}

/// Changes what the standby says of itself.
pub(crate) fn with_standby(snapshot: Snapshot, change: impl FnOnce(&mut StandbyView)) -> Snapshot {
    with(snapshot, |status| {
        let Some(local) = &mut status.local else {
            panic!("nobody looked at the server");
        };
        let ServerView::Standby(standby) = &mut local.server else {
            panic!("no standby");
        };
        change(standby);
    })
}

/// Changes what the store shows.
pub(crate) fn with_view(snapshot: Snapshot, change: impl FnOnce(&mut ClusterView)) -> Snapshot {
    with(snapshot, |status| {
        change(Arc::make_mut(status.cluster.as_mut().expect("a view")));
    })
}

/// The store has not answered for longer than a lease.
pub(crate) fn blind(mut snapshot: Snapshot) -> Snapshot {
    snapshot.store_seen = Some(Now {
        mono: NOW.minus(Duration::from_secs(31)),
        wall: WALL,
    });
    with(snapshot, |status| status.is_store_reachable = false)
}

fn member(name: &str) -> Snapshot {
    let settings = Settings {
        name: MemberName::from(name),
        conn_url: format!("postgres://{name}:5432/postgres"),
        api_url: format!("http://{name}:8008/patroni"),
        tags: tags(json!({"clonefrom": true, "rack": "a1"})),
        proxy_url: None,
        known_config: None,
        standby_start_limit: None,
        bootstrap_config: None,
        watchdog_required: false,
        rejoin: herdsman_ha_core::RejoinSettings::default(),
        scripts: herdsman_ha_core::Scripts::default(),
    };
    let boot = Boot::new(InstanceId::from(format!("run-of-{name}").as_str()), 1);
    let now = Now {
        mono: NOW,
        wall: WALL,
    };
    let mut status = Machine::new(settings, boot, now).status();
    status.cluster = Some(view().into());
    status.is_store_reachable = true;
    Snapshot {
        status: Arc::new(status),
        server: None,
        scope: "demo".to_owned(),
        refused: BTreeMap::new(),
        is_watchdog_required: false,
        store_seen: Some(now),
        taken_at: NOW,
        counters: Counters::default(),
    }
}

fn server() -> ServerFacts {
    ServerFacts {
        server_version: 160_004,
        postmaster_start_time: Wall(1_767_261_600_123),
        ..ServerFacts::default()
    }
}

fn local(server: ServerView, state: ControlState) -> LocalView {
    LocalView {
        seen_at: NOW,
        data: DataView::Cluster(ControlView {
            system_id: SystemId(7_277_694_203_142_172_922),
            state,
            checkpoint: Position::default(),
            min_recovery: None,
            is_rewindable: true,
        }),
        server,
        about: None,
    }
}

fn view() -> ClusterView {
    let mut view = ClusterView {
        revision: Revision(90),
        leader: Some(LeaderKey {
            name: MemberName::from("n1"),
            generation: Generation(7),
            revision: Revision(7),
            session: None,
        }),
        ..ClusterView::default()
    };
    Arc::make_mut(&mut view.status.value).optime = LEADER_AT;
    view.members.insert(
        MemberName::from("n1"),
        registered(
            &json!({"state": "running", "role": "primary", "timeline": 3,
            "xlog_location": LEADER_AT.0, "api_url": "http://n1:8008/patroni"}),
        ),
    );
    view.members.insert(
        MemberName::from("n2"),
        registered(
            &json!({"state": "running", "role": "replica", "timeline": 3,
            "replication_state": "streaming", "tags": {"clonefrom": true},
            "xlog_location": LEADER_AT.0 - 1024, "receive_lsn": LEADER_AT.0 - 1024,
            "replay_lsn": LEADER_AT.0 - 4096, "api_url": "http://n2:8008/patroni"}),
        ),
    );
    view
}

/// A member's key with these fields.
pub(crate) fn registered(value: &Value) -> Arc<MemberView> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let lsn = |key: &str| value[key].as_u64().map(Lsn);
    Arc::new(MemberView {
        endpoint: Some(("10.0.0.9".to_owned(), 5432)),
        api_url: text("api_url"),
        state: text("state").unwrap_or_default(),
        role: text("role").unwrap_or_default(),
        xlog_location: lsn("xlog_location"),
        receive_lsn: lsn("receive_lsn"),
        replay_lsn: lsn("replay_lsn"),
        replication_state: text("replication_state"),
        text: value.to_string(),
        ..MemberView::default()
    })
}
