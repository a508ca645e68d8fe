//! What the messages to a server go over: a plain connection, or an encrypted one.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::line::Line;
use crate::Cause;
use crate::tls::{encrypt, trouble};

/// How long it may take to agree on an encryption.
const LIMIT: Duration = Duration::from_millis(700);

/// Either kind of connection.
pub(super) type Transport = Box<dyn Stream>;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes of a connection to `host` what the options want.
pub(super) async fn open(stream: TcpStream, host: &str, line: &Line) -> Result<Transport, Cause> {
    let Some(tls) = &line.options.tls else {
        return Ok(Box::new(stream));
    };
    let config = tls.read()?.config;
    match timeout(LIMIT, encrypt(stream, config, host)).await {
        Ok(encrypted) => Ok(Box::new(encrypted?)),
        Err(_) => Err(Cause::new(
            "the server does not answer in TLS: is this its port for encrypted connections?",
        )),
    }
}

/// Why a connection broke before a session was granted.
pub(super) fn told(error: &io::Error) -> Cause {
    match trouble(error) {
        Some(trouble) => Cause::new(trouble),
        None => Cause::from_error(error),
    }
}

/// What may be the reason when a server says nothing to a greeting.
pub(super) fn hint(line: &Line) -> &'static str {
    if line.options.tls.is_none() {
        ": does this port want encrypted connections (use_ssl)?"
    } else {
        ": does it accept our certificate?"
    }
}
