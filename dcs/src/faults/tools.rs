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

/// Takes a session of ZooKeeper up at a server and closes it, unless its owner comes in between.
pub(super) async fn close(server: SocketAddr, granted: &Granted) -> io::Result<()> {
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

    // Both at once, so that the owner has no time to take its session back.
    let mut message = Vec::new();
    for frame in [request, close] {
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        message.extend(length.to_be_bytes());
        message.extend(frame);
    }
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&message).await?;
    // The server hangs up when it is done.
    stream.read_to_end(&mut message).await?;
    Ok(())
}
