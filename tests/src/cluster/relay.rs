//! A member's way to one server of the store, which a test can cut, blackhole and heal.
//!
//! Invariant: when a call has returned, no byte of an earlier connection arrives any more.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::ports;

/// How long the server may take to accept: on one machine only a dead one takes long.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
const BACKLOG: u32 = 128;

/// What happens to bytes on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// They arrive.
    Open,
    /// Connections are reset, new ones refused.
    Cut,
    /// Connections live, new ones are accepted, and nothing arrives.
    Blackhole,
}

/// A change of mode, and whom to tell that it is done.
type Order = (Mode, std_mpsc::Sender<()>);

/// One listening port that leads to one server. Its thread ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    orders: mpsc::UnboundedSender<Order>,
}

impl Relay {
    /// Opens a way to `target`.
    pub(crate) fn open(target: SocketAddr) -> Self {
        let port = ports::free();
        let (orders, received) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new().name("relay".to_owned());
        let serve = move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime can be made");
            runtime.block_on(serve(port, target, received));
        };
        thread.spawn(serve).expect("a thread can be started");
        let relay = Self { port, orders };
        relay.heal();
        relay
    }

    /// Where the member has to connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        local(self.port)
    }

    /// Resets all connections and refuses new ones.
    pub(crate) fn cut(&self) {
        self.order(Mode::Cut);
    }

    /// Keeps connections, accepts new ones, and lets nothing through.
    pub(crate) fn blackhole(&self) {
        self.order(Mode::Blackhole);
    }

    /// Lets new connections through. Those of before are reset: they may have lost something.
    pub(crate) fn heal(&self) {
        self.order(Mode::Open);
    }

    fn order(&self, mode: Mode) {
        let (done, is_done) = std_mpsc::channel();
        let sent = self.orders.send((mode, done));
        sent.expect("the relay's thread lives");
        is_done.recv().expect("the relay's thread lives");
    }
}

async fn serve(port: u16, target: SocketAddr, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut mode = Mode::Cut;
    let mut listener = None;
    let mut wires = Wires::default();
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some((next, done)) = order else { return };
                wires.stop().await;
                mode = next;
                listener = match mode {
                    Mode::Cut => None,
                    Mode::Open | Mode::Blackhole => {
                        Some(listener.take().unwrap_or_else(|| listen(port)))
                    }
                };
                if mode != Mode::Blackhole {
                    wires.reset();
                }
                // Whoever gave the order may be gone with its test.
                let _ = done.send(());
            }
            accepted = accept(listener.as_ref()) => match mode {
                Mode::Open => wires.connect(accepted, target).await,
                Mode::Cut | Mode::Blackhole => {
                    wires.hold(&accepted);
                }
            },
            Some(ended) = wires.copying.join_next() => {
                if let Ok(id) = ended {
                    wires.sockets.remove(&id);
                }
            }
        }
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn listen(port: u16) -> TcpListener {
    let bound = || {
        let socket = TcpSocket::new_v4()?;
        // Connections of before may linger.
        socket.set_reuseaddr(true)?;
        socket.bind(local(port))?;
        socket.listen(BACKLOG)
    };
    bound().expect("the relay's port is still free")
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    if let Some(listener) = listener
        && let Ok((stream, _)) = listener.accept().await
    {
        return stream;
    }
    pending().await
}

/// The connections of a relay.
#[derive(Default)]
struct Wires {
    last_id: u64,
    /// Each task copies one connection to and fro, and ends with its number.
    copying: JoinSet<u64>,
    /// Second handles of all sockets: they stay open when a task is stopped.
    sockets: BTreeMap<u64, Vec<OwnedFd>>,
}

impl Wires {
    async fn connect(&mut self, mut inner: TcpStream, target: SocketAddr) {
        let Ok(Ok(mut outer)) = timeout(CONNECT_LIMIT, TcpStream::connect(target)).await else {
            let id = self.hold(&inner);
            self.sockets.remove(&id).into_iter().for_each(reset);
            return;
        };
        let id = self.hold(&inner);
        self.sockets.entry(id).or_default().push(handle(&outer));
        self.copying.spawn(async move {
            // An end or an error: the connection is over on both sides.
            let _ = copy_bidirectional(&mut inner, &mut outer).await;
            id
        });
    }

    /// Keeps a connection open without reading it.
    fn hold(&mut self, inner: &TcpStream) -> u64 {
        self.last_id += 1;
        self.sockets.insert(self.last_id, vec![handle(inner)]);
        self.last_id
    }

    /// Copies nothing any more.
    async fn stop(&mut self) {
        self.copying.shutdown().await;
    }

    fn reset(&mut self) {
        std::mem::take(&mut self.sockets)
            .into_values()
            .for_each(reset);
    }
}

fn handle(stream: &TcpStream) -> OwnedFd {
    let handle = stream.as_fd().try_clone_to_owned();
    handle.expect("there are more file descriptors")
}

/// Closes sockets so that the other side sees a reset instead of an orderly end.
fn reset(sockets: Vec<OwnedFd>) {
    for socket in sockets {
        // A connection that is closed already needs no reset.
        let _ = set_socket_linger(&socket, Some(Duration::ZERO));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A server that answers each byte by the same byte, on every connection.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind(local(0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
                });
            }
        });
        address
    }

    fn client(relay: &Relay) -> TcpStream {
        let stream = TcpStream::connect(relay.address()).unwrap();
        let limit = Some(Duration::from_millis(500));
        stream.set_read_timeout(limit).unwrap();
        stream
    }

    fn ask(mut stream: &TcpStream) -> Result<u8, ErrorKind> {
        let mut byte = [0];
        stream.write_all(b"x").map_err(|error| error.kind())?;
        stream
            .read_exact(&mut byte)
            .map_err(|error| error.kind())
            .map(|()| byte[0])
    }

    #[test]
    fn open_relay_passes_bytes() {
        let relay = Relay::open(echo());
        let client = client(&relay);
        assert_eq!(ask(&client), Ok(b'x'));
        assert_eq!(ask(&client), Ok(b'x'));
    }

    #[test]
    fn cut_resets_refuses_and_heals() {
        let relay = Relay::open(echo());
        let old = client(&relay);
        assert_eq!(ask(&old), Ok(b'x'));
        relay.cut();
        assert_eq!(ask(&old), Err(ErrorKind::ConnectionReset));
        let refused = TcpStream::connect(relay.address()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        relay.heal();
        assert_eq!(ask(&client(&relay)), Ok(b'x'));
    }

    #[test]
    fn blackhole_accepts_swallows_and_heals() {
        let relay = Relay::open(echo());
        let old = client(&relay);
        assert_eq!(ask(&old), Ok(b'x'));
        relay.blackhole();
        assert_eq!(ask(&old), Err(ErrorKind::WouldBlock));
        assert_eq!(ask(&client(&relay)), Err(ErrorKind::WouldBlock));
        relay.heal();
        assert_eq!(ask(&old), Err(ErrorKind::ConnectionReset));
        assert_eq!(ask(&client(&relay)), Ok(b'x'));
    }
}
