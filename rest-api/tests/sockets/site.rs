//! A server on a free port with the ends that its agent would hold, and a plain HTTP client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use herdsman_ha_core::{
    Boot, ClusterView, ControlState, ControlView, DataView, Generation, HeldLease, InstanceId,
    LeaderKey, LocalView, Lsn, Machine, MemberName, Mono, Now, Position, PrimaryView, Revision,
    ServerView, Settings, Status, SystemId, Tags, Timeline, Wall,
};
use herdsman_rest_api::{
    CommandReceiver, Counters, Options, Server, Snapshot, SnapshotWriter, commands, snapshots,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Nothing here takes that long unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
pub(crate) const NOW: Mono = Mono(1_000_000_000);

/// A server with the ends that its agent would hold.
pub(crate) struct Site {
    pub(crate) port: u16,
    pub(crate) writer: SnapshotWriter,
    pub(crate) receiver: CommandReceiver,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) serving: JoinHandle<()>,
}

pub(crate) async fn site() -> Site {
    site_with(|_| {}).await
}

pub(crate) async fn site_with(change: impl FnOnce(&mut Options)) -> Site {
    let (writer, reader) = snapshots(primary());
    let (sender, receiver) = commands();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().port();
    let mut options = Options::new(Arc::new(|| NOW));
    change(&mut options);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(reader, sender, options, async {
        stopped.await.ok();
    }));
    Site {
        port,
        writer,
        receiver,
        stop,
        serving,
    }
}

pub(crate) fn status() -> Status {
    let settings = Settings {
        name: MemberName::from("n1"),
        conn_url: "postgres://10.0.0.1:5432/postgres".to_owned(),
        api_url: "http://10.0.0.1:8008/patroni".to_owned(),
        tags: Tags::default(),
        proxy_url: None,
        known_config: None,
        standby_start_limit: None,
        bootstrap_config: None,
        watchdog_required: false,
        rejoin: herdsman_ha_core::RejoinSettings::default(),
        scripts: herdsman_ha_core::Scripts::default(),
    };
    let boot = Boot::new(InstanceId::from("run-1"), 1);
    let now = Now {
        mono: NOW,
        wall: Wall(0),
    };
    Machine::new(settings, boot, now).status()
}

pub(crate) fn snapshot(status: Status) -> Snapshot {
    Snapshot {
        status: Arc::new(status),
        server: None,
        scope: "demo".to_owned(),
        refused: BTreeMap::new(),
        is_watchdog_required: false,
        store_seen: None,
        taken_at: NOW,
        counters: Counters::default(),
    }
}

/// A primary at `0/64` that holds the lease; the store knows nothing but its leader.
pub(crate) fn primary() -> Snapshot {
    let mut status = status();
    (status.state, status.role) = ("running", "primary");
    status.lease = Some(HeldLease {
        generation: Generation(1),
        fence_at: NOW.plus(Duration::from_secs(5)),
    });
    status.is_store_reachable = true;
    let view = ClusterView {
        leader: Some(LeaderKey {
            name: MemberName::from("n1"),
            generation: Generation(1),
            revision: Revision(1),
            session: None,
        }),
        ..ClusterView::default()
    };
    status.cluster = Some(view.into());
    status.local = Some(LocalView {
        seen_at: NOW,
        data: DataView::Cluster(ControlView {
            system_id: SystemId(7_277_694_203_142_172_922),
            state: ControlState::InProduction,
            checkpoint: Position::default(),
            min_recovery: None,
            is_rewindable: true,
        }),
        server: ServerView::Primary(PrimaryView {
            position: Position {
                timeline: Timeline(1),
                lsn: Lsn(100),
            },
            ..PrimaryView::default()
        }),
        about: None,
    });
    snapshot(status)
}

/// Sends bytes and reads until the server closes.
pub(crate) async fn talk(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    rest_of(stream).await
}

pub(crate) async fn rest_of(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer))
        .await
        .expect("the server closes the connection")
        .unwrap();
    answer
}

/// A request of HTTP/1.1 without a body.
pub(crate) async fn call(port: u16, method: &str, path: &str) -> String {
    talk(
        port,
        &format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n"),
    )
    .await
}

pub(crate) async fn post(port: u16, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    talk(
        port,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ),
    )
    .await
}

pub(crate) fn code(answer: &str) -> u16 {
    let line = answer.lines().next().unwrap_or_default();
    let word = line.split(' ').nth(1).unwrap_or_default();
    word.parse()
        .unwrap_or_else(|_| panic!("no status in {answer:?}"))
}

pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head").1
}

pub(crate) fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}
