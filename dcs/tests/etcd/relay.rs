//! A relay in front of a server that can swallow what the server answers: the surest way to a
//! request that was applied and whose sender does not know.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A relay on a port of its own. It ends when it is dropped.
pub(crate) struct Relay {
    address: SocketAddr,
    is_deaf: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub(crate) async fn to(server: &str) -> Self {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_deaf = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, server, is_deaf.clone()));
        Self {
            address,
            is_deaf,
            _tasks: tasks,
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From here on the server's answers are lost, and its requests are not.
    pub(crate) fn lose_answers(&self, is_deaf: bool) {
        self.is_deaf.store(is_deaf, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, server: String, is_deaf: Arc<AtomicBool>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&server).await else {
            continue;
        };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let never = Arc::new(AtomicBool::new(false));
        connections.spawn(copy(from_client, to_server, never));
        connections.spawn(copy(from_server, to_client, is_deaf.clone()));
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_deaf: Arc<AtomicBool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let is_lost = is_deaf.load(Ordering::SeqCst);
        if !is_lost && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
