//! A stream that makes its connection one for replication.
//!
//! Invariant: exactly the first packet is changed, and every later byte passes
//! as it is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the startup packet gets in addition.
const PARAMETER: &[u8] = b"replication\0true\0";

/// A stream whose first packet is completed by the replication parameter.
#[derive(Debug)]
pub(super) struct AsReplication<S> {
    stream: S,
    /// The startup packet as far as it was written to us.
    packet: Vec<u8>,
    /// What of the completed packet is still to be sent.
    pending: Option<Vec<u8>>,
    is_begun: bool,
}

impl<S> AsReplication<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self {
            stream,
            packet: Vec::new(),
            pending: None,
            is_begun: false,
        }
    }

    /// Takes bytes of the startup packet; returns how many belong to it.
    fn collect(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let before = self.packet.len();
        self.packet.extend_from_slice(bytes);
        let Some(head) = self.packet.first_chunk::<4>() else {
            return Ok(bytes.len());
        };
        let length = u32::from_be_bytes(*head) as usize;
        if !(9..=10_000).contains(&length) {
            let error = "the first packet is no startup packet";
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        if self.packet.len() < length {
            return Ok(bytes.len());
        }
        self.packet.truncate(length);
        self.pending = Some(completed(&self.packet));
        self.is_begun = true;
        Ok(length - before)
    }
}

/// The packet with the parameter before its final zero, and a new length.
fn completed(packet: &[u8]) -> Vec<u8> {
    let length = u32::try_from(packet.len() + PARAMETER.len()).expect("the packet is short");
    let mut whole = length.to_be_bytes().to_vec();
    whole.extend_from_slice(&packet[4..packet.len() - 1]);
    whole.extend_from_slice(PARAMETER);
    whole.push(0);
    whole
}

impl<S: AsyncWrite + Unpin> AsReplication<S> {
    fn poll_send_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(pending) = &mut self.pending {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, pending))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            pending.drain(..sent);
            if pending.is_empty() {
                self.pending = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AsReplication<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.is_begun {
            return Poll::Ready(this.collect(bytes));
        }
        ready!(this.poll_send_pending(cx))?;
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send_pending(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send_pending(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AsReplication<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PACKET: &[u8] = b"\0\0\0\x10\0\x03\0\0user\0x\0\0";

    async fn pass(chunks: &[&[u8]]) -> Vec<u8> {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut stream = AsReplication::new(near);
        for chunk in chunks {
            stream.write_all(chunk).await.unwrap();
        }
        stream.shutdown().await.unwrap();
        let mut got = Vec::new();
        far.read_to_end(&mut got).await.unwrap();
        got
    }

    #[tokio::test]
    async fn only_the_first_packet_is_completed_however_it_is_cut() {
        assert_eq!(PACKET.len(), 16);
        let wanted = b"\0\0\0\x21\0\x03\0\0user\0x\0replication\0true\0\0rest".to_vec();
        let whole = [PACKET, b"rest"].concat();
        assert_eq!(pass(&[&whole]).await, wanted);
        assert_eq!(pass(&[PACKET, b"rest"]).await, wanted);
        let single: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(pass(&single).await, wanted);
    }

    #[tokio::test]
    async fn something_else_than_a_startup_packet_is_refused() {
        let (near, _far) = tokio::io::duplex(64);
        let mut stream = AsReplication::new(near);
        assert!(stream.write_all(b"\0\0\0\x01x").await.is_err());
    }
}
