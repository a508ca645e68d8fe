//! The smallest client of a member's REST API: one request, one connection, one limit.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// What was answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

impl Response {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

/// What `GET` of a path answers on a port of this machine.
///
/// # Errors
/// When there is no answer within 5 s.
pub fn get(port: u16, path: &str) -> io::Result<Response> {
    ask(port, "GET", path, None, Duration::from_secs(5))
}

/// Asks by one method. A body makes it a request with content.
pub(crate) fn ask(
    port: u16,
    method: &str,
    path: &str,
    body: Option<&Value>,
    limit: Duration,
) -> io::Result<Response> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let content = body.map(Value::to_string).unwrap_or_default();
    let length = body.map_or_else(String::new, |_| {
        let length = content.len();
        format!("Content-Type: application/json\r\nContent-Length: {length}\r\n")
    });
    // The older version of the protocol: the answer ends with the connection.
    let request = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n{length}\r\n{content}");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no HTTP"))
}

fn parse(answer: &[u8]) -> Option<Response> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    // HAProxy sends its statistics so, whatever version it was asked by.
    let is_chunked = head.lines().any(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("transfer-encoding:") && line.ends_with("chunked")
    });
    let body = match is_chunked {
        true => joined(body)?,
        false => body.to_owned(),
    };
    Some(Response { status, body })
}

/// The content of a body that came in pieces, each after a line with its length.
fn joined(mut body: &str) -> Option<String> {
    let mut content = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n")?;
        let length = usize::from_str_radix(length.trim(), 16).ok()?;
        if length == 0 {
            return Some(content);
        }
        content.push_str(rest.get(..length)?);
        body = rest.get(length..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_in_pieces_are_joined() {
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                      4\r\n# a,\r\nA\r\nb\nprimary,\r\n0\r\n\r\n";
        let response = parse(answer.as_bytes()).unwrap();
        assert_eq!(response.body, "# a,b\nprimary,");
        assert!(parse(&answer.as_bytes()[..70]).is_none());
    }

    #[test]
    fn answers_have_a_status_and_a_body() {
        let response = parse(b"HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\n{\"a\":1}").unwrap();
        assert_eq!(response.status, 503);
        assert_eq!(response.json()["a"], 1);
    }

    #[test]
    fn something_else_than_http_is_no_answer() {
        assert!(parse(b"E\0\0\0").is_none());
    }
}
