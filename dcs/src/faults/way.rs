//! A way to one port of a server, on which what is said can be held up, lost, or brought late.
//!
//! What is held up arrives when the way is mended, as after a network that was cut: a request may
//! reach its server long after its sender gave up. Invariant: a connection on which something was
//! lost never carries anything again.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a member waits for another one to listen.
const PATIENCE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(20);

/// How a way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Open,
    /// Connections are cut at once.
    Refused,
    /// Nothing arrives, on any connection, and nobody is told.
    Silent,
    /// The same for the connections with a number below this one.
    SilentBelow(u64),
    /// Requests arrive and their answers are lost.
    Deaf,
    /// Each answer comes this much later.
    Slow(Duration),
}

/// A session of ZooKeeper as the server granted it: what another process needs to take it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) session: i64,
    pub(super) password: Vec<u8>,
}

/// One open connection.
#[derive(Debug, Default)]
struct Connection {
    granted: Option<Granted>,
    answers: u64,
}

#[derive(Debug, Default)]
struct Connections {
    next: u64,
    open: BTreeMap<u64, Connection>,
}

/// It ends when it is dropped, with all its connections.
#[derive(Debug)]
pub(super) struct Way {
    address: SocketAddr,
    server: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
    connections: Arc<Mutex<Connections>>,
    _tasks: JoinSet<()>,
}

impl Way {
    /// Opens a way to a server, on a port of its own. Needs a runtime.
    pub(super) fn to(server: SocketAddr) -> Self {
        Self::open(server, Duration::ZERO)
    }

    /// Opens a way that waits for a server which does not listen yet.
    ///
    /// Between members of ZooKeeper: a follower tries for a while to reach a leader that was elected
    /// a moment ago and does not listen yet. A way that accepts the connection and ends it makes it
    /// give up, and the leader waits for it for `initLimit` ticks, 10 s here, before there is another
    /// election (seen on 3.8.0).
    pub(super) fn between(server: SocketAddr) -> Self {
        Self::open(server, PATIENCE)
    }

    fn open(server: SocketAddr, patience: Duration) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port can be found");
        listener.set_nonblocking(true).expect("a socket can be set");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let listener = TcpListener::from_std(listener).expect("a runtime takes a socket");
        let mode = Arc::new(watch::Sender::new(Mode::Open));
        let connections = Arc::new(Mutex::default());
        let mut tasks = JoinSet::new();
        let destination = Destination { server, patience };
        tasks.spawn(accept(
            listener,
            destination,
            Arc::clone(&mode),
            Arc::clone(&connections),
        ));
        Self {
            address,
            server,
            mode,
            connections,
            _tasks: tasks,
        }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) const fn server(&self) -> SocketAddr {
        self.server
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// From here on the connections of now are silent, and later ones are not.
    pub(super) fn silence_present(&self) {
        let next = locked(&self.connections).next;
        self.set(Mode::SilentBelow(next));
    }

    pub(super) fn connections(&self) -> usize {
        locked(&self.connections).open.len()
    }

    /// The session of this number, if a connection on this way has it.
    pub(super) fn granted(&self, session: i64) -> Option<Granted> {
        let connections = locked(&self.connections);
        let mut granted = connections.open.values().filter_map(|c| c.granted.as_ref());
        granted.find(|g| g.session == session).cloned()
    }
}

fn locked(connections: &Mutex<Connections>) -> MutexGuard<'_, Connections> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection's place in the list of open ones.
struct Place {
    number: u64,
    connections: Arc<Mutex<Connections>>,
}

impl Place {
    fn take(connections: &Arc<Mutex<Connections>>) -> Self {
        let mut list = locked(connections);
        let number = list.next;
        list.next += 1;
        list.open.insert(number, Connection::default());
        Self {
            number,
            connections: Arc::clone(connections),
        }
    }

    fn note_answer(&self, answer: &[u8]) {
        if let Some(connection) = locked(&self.connections).open.get_mut(&self.number) {
            if connection.answers == 0 {
                connection.granted = granted(answer);
            }
            connection.answers += 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        locked(&self.connections).open.remove(&self.number);
    }
}

/// What a ZooKeeper server says first: a length, a version, the timeout, the session, and its
/// password behind a length.
fn granted(answer: &[u8]) -> Option<Granted> {
    let session = answer.get(12..20)?;
    let password = answer.get(24..40)?;
    Some(Granted {
        session: i64::from_be_bytes(session.try_into().ok()?),
        password: password.to_vec(),
    })
}

/// Where a way leads to.
#[derive(Clone, Copy)]
struct Destination {
    server: SocketAddr,
    /// How long it may refuse connections before the other end is told.
    patience: Duration,
}

impl Destination {
    async fn reach(self) -> io::Result<TcpStream> {
        let limit = Instant::now() + self.patience;
        loop {
            match TcpStream::connect(self.server).await {
                Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => {
                    return Err(error);
                }
                Err(error) if Instant::now() >= limit => return Err(error),
                Err(_) => sleep(AGAIN).await,
                Ok(stream) => return Ok(stream),
            }
        }
    }
}

async fn accept(
    listener: TcpListener,
    destination: Destination,
    mode: Arc<watch::Sender<Mode>>,
    connections: Arc<Mutex<Connections>>,
) {
    let mut tasks = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while tasks.try_join_next().is_some() {}
        let place = Place::take(&connections);
        let modes = mode.subscribe();
        // How it ends is of no interest: both sides are told by its end.
        tasks.spawn(async move { drop(carry(client, destination, place, modes).await) });
    }
}

/// Carries a connection until one side ends it or the way cuts it.
async fn carry(
    client: TcpStream,
    destination: Destination,
    place: Place,
    modes: watch::Receiver<Mode>,
) -> io::Result<()> {
    let mut gate = Gate {
        number: place.number,
        modes: modes.clone(),
    };
    if !gate.opens().await {
        return Ok(());
    }
    let server = destination.reach().await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let gate = || Gate {
        number: place.number,
        modes: modes.clone(),
    };
    tokio::select! {
        end = requests(from_client, to_server, gate()) => end,
        end = answers(from_server, to_client, gate(), &place) => end,
        () = cut(modes.clone()) => Ok(()),
    }
}

/// Waits until the way cuts its connections.
async fn cut(mut modes: watch::Receiver<Mode>) {
    if modes.wait_for(|mode| *mode == Mode::Refused).await.is_err() {
        std::future::pending().await
    }
}

struct Gate {
    number: u64,
    modes: watch::Receiver<Mode>,
}

impl Gate {
    fn mode(&self) -> Mode {
        *self.modes.borrow()
    }

    /// Waits until something passes; nothing ever does again if this is `false`.
    async fn opens(&mut self) -> bool {
        let number = self.number;
        let is_silent = |mode: &Mode| match mode {
            Mode::Silent => true,
            Mode::SilentBelow(next) => number < *next,
            Mode::Open | Mode::Refused | Mode::Deaf | Mode::Slow(_) => false,
        };
        let opened = self.modes.wait_for(|mode| !is_silent(mode)).await;
        opened.is_ok_and(|mode| *mode != Mode::Refused)
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut gate: Gate,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 || !gate.opens().await {
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    to: OwnedWriteHalf,
    mut gate: Gate,
    place: &Place,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut is_lost = false;
    let reads = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = from.read(&mut buffer).await?;
            if length == 0 || !gate.opens().await {
                return Ok(());
            }
            let answer = buffer[..length].to_vec();
            place.note_answer(&answer);
            let late = match gate.mode() {
                Mode::Slow(late) => late,
                Mode::Open | Mode::Refused | Mode::Silent | Mode::SilentBelow(_) | Mode::Deaf => {
                    Duration::ZERO
                }
            };
            is_lost |= gate.mode() == Mode::Deaf;
            if is_lost && gate.mode() != Mode::Deaf {
                return Ok(());
            }
            // The other half lives as long as this one.
            if !is_lost && sender.send((Instant::now() + late, answer)).is_err() {
                return Ok(());
            }
        }
    };
    tokio::select! {
        end = reads => end,
        end = bring(receiver, to) => end,
    }
}

/// Brings each answer at its time. One that is on its way when its server ends is lost.
async fn bring(
    mut answers: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>,
    mut to: OwnedWriteHalf,
) -> io::Result<()> {
    while let Some((at, answer)) = answers.recv().await {
        sleep_until(at).await;
        to.write_all(&answer).await?;
    }
    Ok(())
}
