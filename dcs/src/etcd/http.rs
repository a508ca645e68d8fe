//! One question to an etcd server over plain HTTP, where gRPC does not help.

use std::io::ErrorKind;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::options::{address, host, is_encrypted};
use crate::tls::{encrypt, trouble};
use crate::{Cause, Error, TlsOptions};

/// Enough of an answer for every question that is asked here.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// Asks for a page of an endpoint in its normal form, and gives the whole answer as text.
pub(super) async fn get(endpoint: &str, tls: &TlsOptions, page: &str) -> Result<String, Error> {
    let unavailable = |error: std::io::Error| {
        let trouble = trouble(&error).map(Cause::new);
        Error::Unavailable(trouble.unwrap_or_else(|| Cause::from_error(&error)))
    };
    let address = address(endpoint);
    let stream = TcpStream::connect(address).await.map_err(unavailable)?;
    let answer = if is_encrypted(endpoint) {
        let material = tls.read().map_err(Error::Invalid)?;
        let encrypted = encrypt(stream, material.config, host(endpoint)).await;
        let stream = encrypted.map_err(Error::Unavailable)?;
        ask(stream, address, page).await
    } else {
        ask(stream, address, page).await
    };
    answer.map_err(unavailable)
}

async fn ask<S>(mut stream: S, address: &str, page: &str) -> std::io::Result<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // HTTP/1.0 spares us a keep-alive and the chunks of HTTP/1.1.
    let request = format!("GET {page} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    // etcd's port for peers ends the connection five seconds after its answer (seen on 3.4.23).
    while !is_whole(&answer) && answer.len() < LARGEST_ANSWER {
        match stream.read_buf(&mut answer).await {
            Ok(0) => break,
            Ok(_) => {}
            // Servers end an encrypted connection without saying so.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && !answer.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Whether an answer tells its length and is as long.
fn is_whole(answer: &[u8]) -> bool {
    const END: &[u8] = b"\r\n\r\n";
    let Some(head) = answer.windows(END.len()).position(|part| part == END) else {
        return false;
    };
    let length = String::from_utf8_lossy(&answer[..head])
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok())?
        });
    length.is_some_and(|length| answer.len() - head - END.len() >= length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_whole_when_it_is_as_long_as_it_says() {
        assert!(is_whole(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nab"));
        assert!(!is_whole(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nab"));
        assert!(!is_whole(b"HTTP/1.0 200 OK\r\n\r\nab"));
        assert!(!is_whole(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n"));
    }
}
