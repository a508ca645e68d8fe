//! Messages on a stream: a length of four bytes, then as many bytes.
//!
//! Invariant: reading is cancel safe, so it may be one branch of a `select!`; a peer that
//! announces more than [`LARGEST`] is no ZooKeeper, and is told so before anything is allocated.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A server refuses requests of more than about 1 MiB; answers may be somewhat longer.
const LARGEST: usize = 64 * 1024 * 1024;

pub(super) struct Frames<R> {
    stream: R,
    buffer: Vec<u8>,
    /// How much of the buffer was taken before.
    taken: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) const fn new(stream: R) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(frame);
            }
            self.buffer.drain(..self.taken);
            self.taken = 0;
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn take(&mut self) -> io::Result<Option<Vec<u8>>> {
        let unread = &self.buffer[self.taken..];
        let Some((length, rest)) = unread.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > LARGEST {
            let reason = "the peer does not speak ZooKeeper's protocol";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        self.taken += 4 + length;
        Ok(Some(frame.to_vec()))
    }
}

pub(super) async fn write<W: AsyncWrite + Unpin>(stream: &mut W, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
    let mut message = length.to_be_bytes().to_vec();
    message.extend_from_slice(frame);
    stream.write_all(&message).await?;
    // What is encrypted may wait in a buffer.
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_arrive_whole_in_whatever_pieces_they_come() {
        let (mut here, there) = tokio::io::duplex(3);
        let writer = tokio::spawn(async move {
            for frame in [&b"one"[..], b"", b"three"] {
                write(&mut here, frame).await.unwrap();
            }
        });
        let mut frames = Frames::new(there);
        assert_eq!(frames.next().await.unwrap(), b"one");
        assert_eq!(frames.next().await.unwrap(), b"");
        assert_eq!(frames.next().await.unwrap(), b"three");
        assert!(frames.next().await.is_err());
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn answer_of_another_protocol_is_refused() {
        let mut frames = Frames::new(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]);
        let error = frames.next().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
