//! What the library is told about encryption that is there already.
//!
//! The library would encrypt by itself, but not go by `sslmode` as libpq does, and the replication
//! packet must be completed inside the encryption. So it gets a stream that is ready, and beside it
//! what a login over it is bound to (`tls-server-end-point`).

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// A connector that has nothing to do but to tell the hash, and the stream that it makes.
#[derive(Clone, Debug)]
pub(crate) struct Bound<S> {
    stream: S,
    hash: Option<Vec<u8>>,
}

impl Bound<()> {
    pub(crate) const fn to(hash: Option<Vec<u8>>) -> Self {
        Self { stream: (), hash }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsConnect<S> for Bound<()> {
    type Stream = Bound<S>;
    type Error = Infallible;
    type Future = Ready<Result<Bound<S>, Infallible>>;

    fn connect(self, stream: S) -> Self::Future {
        let hash = self.hash;
        ready(Ok(Bound { stream, hash }))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Bound<S> {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.hash {
            Some(hash) => ChannelBinding::tls_server_end_point(hash.clone()),
            None => ChannelBinding::none(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bound<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bound<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
