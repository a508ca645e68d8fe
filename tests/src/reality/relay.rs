//! A way to a store's server that loses what is said in one direction, or brings it late.
//!
//! Invariant: what was held back in one connection arrives in its order or not at all.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What happens to what the client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Requests {
    Pass,
    /// They wait on the way.
    Wait,
    /// They vanish.
    Lose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mode {
    requests: Requests,
    passes_answers: bool,
}

/// A port of its own that leads to one server. It ends when it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// Opens a way to the server at a client URL (`http://host:port`).
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn open(endpoint: &str) -> Self {
        let server = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port can be found");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let mode = Arc::new(watch::Sender::new(Mode {
            requests: Requests::Pass,
            passes_answers: true,
        }));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, server, Arc::clone(&mode)));
        Self {
            address,
            mode,
            _tasks: tasks,
        }
    }

    /// Where the client has to connect to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests arrive and answers do not.
    pub fn lose_answers(&self) {
        self.set(Requests::Pass, false);
    }

    /// Requests vanish on their way.
    pub fn lose_requests(&self) {
        self.set(Requests::Lose, false);
    }

    /// Requests wait on their way until [`deliver`](Self::deliver).
    pub fn hold_requests(&self) {
        self.set(Requests::Wait, false);
    }

    /// What waited arrives, also of clients that are gone; answers are still lost.
    pub fn deliver(&self) {
        self.set(Requests::Pass, false);
    }

    /// Everything arrives. What was lost stays lost, so a connection of before may be of no use.
    pub fn heal(&self) {
        self.set(Requests::Pass, true);
    }

    fn set(&self, requests: Requests, passes_answers: bool) {
        self.mode.send_replace(Mode {
            requests,
            passes_answers,
        });
    }
}

async fn accept(listener: TcpListener, server: String, mode: Arc<watch::Sender<Mode>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&server).await else {
            continue;
        };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        connections.spawn(bring_requests(from_client, to_server, mode.subscribe()));
        connections.spawn(bring_answers(from_server, to_client, mode.subscribe()));
    }
}

async fn bring_requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let meets = mode.borrow_and_update().requests;
        match meets {
            Requests::Pass => {}
            Requests::Lose => continue,
            // What follows, a word that the client has given up for example, is behind it.
            Requests::Wait => {
                let opens = |mode: &Mode| mode.requests == Requests::Pass;
                if mode.wait_for(opens).await.is_err() {
                    return;
                }
            }
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
        if meets == Requests::Wait {
            // The late request is all that arrives, and its connection stays open behind it.
            return std::future::pending().await;
        }
    }
}

async fn bring_answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mode: watch::Receiver<Mode>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let passes = mode.borrow().passes_answers;
        if passes && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
