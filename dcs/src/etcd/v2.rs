//! Does a server still have keys in etcd's old key space?
//!
//! etcd 3.4 can serve the API of version 2 beside that of version 3, and their keys have nothing to
//! do with each other. Whoever takes over a cluster must not overlook that it lives in the other
//! one. This asks one question with a plain HTTP request; it is no client for version 2.

use std::time::Duration;

use tokio::time::timeout;

use super::http;
use super::options::normalize;
use crate::{Error, Prefix, TlsOptions};

/// What the old key space of a server has below a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum V2Keys {
    /// The server does not serve the old API.
    NotServed,
    /// The old API is served and has no key there.
    Absent,
    /// There is at least one key.
    Present,
}

/// Asks the server at `endpoint` for keys of the version 2 API below `prefix`.
///
/// # Errors
/// [`Error::Unavailable`] when there is no answer within `limit`, [`Error::Invalid`] when the
/// endpoint is no address or a file of certificates is of no use.
pub async fn v2_keys(
    endpoint: &str,
    tls: &TlsOptions,
    prefix: &Prefix,
    limit: Duration,
) -> Result<V2Keys, Error> {
    let endpoint = normalize(endpoint)?;
    let path = escape(prefix.as_str());
    let page = format!("/v2/keys{path}?recursive=true&quorum=true");
    match timeout(limit, http::get(&endpoint, tls, &page)).await {
        Ok(answer) => read(&answer?),
        Err(_) => Err(Error::unavailable(format!(
            "{endpoint} did not answer in time"
        ))),
    }
}

/// Judges an answer. A value can only appear in a node, because quotes inside texts are escaped.
fn read(answer: &str) -> Result<V2Keys, Error> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1);
    match status {
        Some("200") if body.contains("\"value\":") => Ok(V2Keys::Present),
        Some("200") => Ok(V2Keys::Absent),
        // With the API the answer is an error object; code 100 is "key not found". Without, the
        // page is missing as such.
        Some("404") if body.contains("\"errorCode\":100") => Ok(V2Keys::Absent),
        Some("404") => Ok(V2Keys::NotServed),
        Some(code) => Err(Error::unavailable(format!("the v2 API answered {code}"))),
        None => Err(Error::unavailable("the v2 API did not answer in HTTP")),
    }
}

/// Escapes what may not stand in a URL's path.
fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_tells_whether_there_is_a_key() {
        let ok = |body| read(&format!("HTTP/1.0 200 OK\r\nX: y\r\n\r\n{body}")).unwrap();
        let leaf = r#"{"node":{"dir":true,"nodes":[{"key":"/a/b","value":""}]}}"#;
        assert_eq!(ok(leaf), V2Keys::Present);
        assert_eq!(ok(r#"{"node":{"key":"/a","dir":true}}"#), V2Keys::Absent);
        let missing = r#"{"errorCode":100,"message":"Key not found","cause":"/a","index":1}"#;
        let answer = format!("HTTP/1.0 404 Not Found\r\n\r\n{missing}");
        assert_eq!(read(&answer), Ok(V2Keys::Absent));
        let answer = "HTTP/1.0 404 Not Found\r\n\r\n404 page not found\n";
        assert_eq!(read(answer), Ok(V2Keys::NotServed));
        assert!(read("HTTP/1.0 500 Oops\r\n\r\n").is_err());
        assert!(read("").is_err());
    }

    #[test]
    fn path_is_escaped() {
        assert_eq!(escape("/a b/\u{e9}?"), "/a%20b/%C3%A9%3F");
    }
}
