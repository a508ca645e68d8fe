//! What another tool may do to the store behind the holder's back.

use std::io;
use std::net::SocketAddr;

use etcd_client::Client;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::way::Granted;
use crate::SessionId;

/// The request of ZooKeeper that ends a session.
const CLOSE_SESSION: i32 = -11;

/// Ends a lease of etcd.
pub(super) async fn revoke(client: &mut Client, id: &SessionId) {
    let lease = id.as_str().parse().expect("a lease is a number");
    let revoked = client.lease_revoke(lease).await;
    revoked.expect("the lease can be revoked");
}

/// Forgets all old revisions of etcd.
pub(super) async fn compact(client: &mut Client) {
    let status = client.status().await.expect("the server answers");
    let header = status.header().expect("an answer has a header");
    let compacted = client.compact(header.revision(), None).await;
    compacted.expect("the store can be compacted");
}

/// Takes a session of ZooKeeper up at a server and closes it.
pub(super) async fn close(server: SocketAddr, granted: &Granted) {
    let mut request = Vec::new();
    request.extend(0_i32.to_be_bytes());
    request.extend(0_i64.to_be_bytes());
    request.extend(4000_i32.to_be_bytes());
    request.extend(granted.session.to_be_bytes());
    request.extend(16_i32.to_be_bytes());
    request.extend(&granted.password);
    request.push(0);
    let mut close = Vec::new();
    close.extend(1_i32.to_be_bytes());
    close.extend(CLOSE_SESSION.to_be_bytes());

    let unreachable = "the server can be reached";
    let mut stream = TcpStream::connect(server).await.expect(unreachable);
    send(&mut stream, &request).await.expect(unreachable);
    let length = stream.read_u32().await.expect("the session is granted");
    let mut answer = vec![0; length as usize];
    let read = stream.read_exact(&mut answer).await;
    read.expect("an answer is whole");
    send(&mut stream, &close).await.expect(unreachable);
    // The server answers, or hangs up on a session that is no more.
    let _ = stream.read_to_end(&mut answer).await;
}

async fn send(stream: &mut TcpStream, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(frame).await
}
