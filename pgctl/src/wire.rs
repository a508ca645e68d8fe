//! The bytes between us and a server: a socket of the machine, TCP, or TLS over TCP.
//!
//! Invariant: nothing but the one byte that answers the question for TLS is read before the
//! handshake, so nobody between us and the server can slip words of theirs into what is encrypted.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, ToSocketAddrs, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::tls::{Attempt, Tls, Trouble, endpoint_hash};

/// What a client asks for TLS with: the packet's length, and a number that stands for the question.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A connection to a server.
#[derive(Debug)]
pub(crate) enum Wire {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// Connects to the socket in a folder, which is never encrypted.
    pub(crate) async fn dial_socket(folder: &str, port: u16) -> Result<Self, Trouble> {
        let socket = Path::new(folder).join(format!(".s.PGSQL.{port}"));
        Ok(Self::Unix(UnixStream::connect(socket).await?))
    }

    /// Connects to an address of a host.
    pub(crate) async fn dial(
        host: &str,
        address: impl ToSocketAddrs,
        attempt: Attempt,
        tls: Option<&Tls>,
    ) -> Result<Self, Trouble> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (Some(tls), Attempt::IfOffered | Attempt::Always) = (tls, attempt) else {
            return Ok(Self::Tcp(stream));
        };
        match (ask_for_tls(&mut stream).await?, attempt) {
            (true, _) => {
                let encrypted = tls.encrypt(stream, host).await?;
                Ok(Self::Tls(Box::new(encrypted)))
            }
            (false, Attempt::Always) => Err(Trouble::NotOffered),
            (false, Attempt::IfOffered | Attempt::Plain) => Ok(Self::Tcp(stream)),
        }
    }

    pub(crate) const fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// What a login is bound to: the hash of the certificate that the server has shown.
    pub(crate) fn endpoint_hash(&self) -> Option<Vec<u8>> {
        let Self::Tls(stream) = self else {
            return None;
        };
        let (_, session) = stream.get_ref();
        let shown = session.peer_certificates()?.first()?;
        endpoint_hash(shown)
    }
}

async fn ask_for_tls(stream: &mut TcpStream) -> Result<bool, Trouble> {
    stream.write_all(&SSL_REQUEST).await?;
    match stream.read_u8().await? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        // An error, of a server that is out of processes for example. It is not verified whose
        // words these are, so they are not shown.
        _ => Err(Trouble::Handshake(
            "the server did not say whether it speaks TLS".to_owned(),
        )),
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
