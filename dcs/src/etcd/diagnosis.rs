//! Why does a connection come to nothing? A question to the server's page `/version` tells more than
//! the end of a stream of HTTP/2 does: whether it is an etcd, wants TLS, or wants to know who we are.

use super::http;
use crate::{Cause, Error, TlsOptions};

/// What is wrong with the server at an endpoint, if this finds it out.
pub(super) async fn of(endpoint: &str, tls: &TlsOptions) -> Option<Cause> {
    match http::get(endpoint, tls, "/version").await {
        Ok(answer) => judge(&answer),
        Err(Error::Unavailable(cause) | Error::Invalid(cause)) => Some(cause),
        Err(_) => None,
    }
}

/// What an answer to the question for the version says about the server.
fn judge(answer: &str) -> Option<Cause> {
    if answer.contains("\"etcdserver\"") {
        return None;
    }
    // Some of Go's servers say so in these words, etcd sends an alert of TLS.
    if answer.contains("HTTP request to an HTTPS server") || answer.starts_with("\u{15}\u{3}") {
        return Some(Cause::new(
            "the server wants encrypted connections: write https",
        ));
    }
    if answer.is_empty() {
        let reason = "the server hangs up: does it want encrypted connections (https)?";
        return Some(Cause::new(reason));
    }
    let status = answer.lines().next().unwrap_or_default();
    // It is somebody else's text: as much of it as a status line needs.
    let status: String = (status.chars().filter(|c| !c.is_control()))
        .take(60)
        .collect();
    let what = if status.starts_with("HTTP/") {
        format!("it answers {status:?} when it is asked for its version")
    } else {
        "it does not speak HTTP".to_owned()
    };
    Some(Cause::new(format!("the server is not an etcd: {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_tells_what_kind_of_server_it_is() {
        let etcd = "HTTP/1.0 200 OK\r\n\r\n{\"etcdserver\":\"3.4.23\",\"etcdcluster\":\"3.4.0\"}";
        assert_eq!(judge(etcd), None);
        let told = |answer| judge(answer).unwrap().to_string();
        let tls =
            "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
        for tls in [tls, "\u{15}\u{3}\u{1}\0\u{2}\u{2}"] {
            assert!(told(tls).contains("write https"));
        }
        let other = told("HTTP/1.1 404 Not Found\r\nServer: nginx\r\n\r\n");
        assert!(
            other.contains("not an etcd") && other.contains("404"),
            "{other}"
        );
        assert!(told("SSH-2.0-x\r\n").contains("does not speak HTTP"));
    }
}
