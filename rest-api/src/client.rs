//! Asks a peer for its position, whichever program of this interface it runs.
//!
//! One connection per question and one limit for all of it, from the name lookup to the last byte:
//! a peer that answers late is as good as one that does not, and a dead one leaves nothing behind.

use std::time::Duration;

use bytes::Bytes;
use herdsman_ha_core::{PeerAnswer, PromiseAnswer, PromiseRequest};
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::bodies::failsafe;
use crate::credentials::Credentials;
use crate::dto::PeerStatus;

/// The largest answer that is read; a member's status is a few kilobytes.
const BODY_BYTES: usize = 1 << 20;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a peer gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The peer's address cannot be asked: its configuration, or ours, needs a human.
    #[error("cannot ask {url}: {why}")]
    NotServed {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Nothing came in time.
    #[error("no answer from {url} within {} ms", limit.as_millis())]
    Late {
        /// The address.
        url: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The connection was refused or broke.
    #[error("no connection to {url}")]
    Unreachable {
        /// The address.
        url: String,
        /// What happened.
        source: Source,
    },
    /// Something answered that is not a member's status.
    #[error("{url} answered with status {status} and no member status")]
    Unreadable {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong with the answer.
        source: Source,
    },
}

/// Asks the member at `api_url` (which ends in `/patroni`) who and where it is. Takes no longer
/// than `limit`.
///
/// # Errors
/// See [`ClientError`]; whoever decides may take each of them for [`PeerAnswer::Unreachable`].
pub async fn ask(api_url: &str, limit: Duration) -> Result<PeerAnswer, ClientError> {
    let target = Target::parse(api_url)?;
    let question = Request::get(&target.path);
    let (status, body) = fetch(api_url, &target, question, String::new(), limit).await?;
    // Some servers of this interface answer with 503 and a good body: the body is what counts.
    PeerStatus::read(&body)
        .map(PeerStatus::into_answer)
        .map_err(|error| ClientError::Unreadable {
            url: api_url.to_owned(),
            status: status.as_u16(),
            source: error.into(),
        })
}

struct Target {
    host: String,
    port: u16,
    /// Host and port as the `Host` header wants them.
    authority: String,
    path: String,
}

impl Target {
    fn parse(url: &str) -> Result<Self, ClientError> {
        let refused = |why| ClientError::NotServed {
            url: url.to_owned(),
            why,
        };
        let uri: Uri = url.parse().map_err(|_| refused("it is not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(refused("https is not served yet")),
            _ => return Err(refused("it does not begin with http://")),
        }
        let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
            return Err(refused("it names no host"));
        };
        // Names of users have no place in a `Host` header.
        let authority = authority.as_str();
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            authority: authority.to_owned(),
            path: path.to_owned(),
        })
    }
}

/// Asks the member at `api_url` to hold back. Takes no longer than `limit`; an answer that is not
/// the one word which existing members give is a refusal.
///
/// # Errors
/// See [`ClientError`]; whoever decides may take each of them for [`PromiseAnswer::Unreachable`].
pub async fn ask_promise(
    api_url: &str,
    request: &PromiseRequest,
    credentials: Option<&Credentials>,
    limit: Duration,
) -> Result<PromiseAnswer, ClientError> {
    let mut target = Target::parse(api_url)?;
    target.path = "/failsafe".to_owned();
    let mut question = Request::post(&target.path).header(CONTENT_TYPE, "application/json");
    if let Some(credentials) = credentials {
        question = question.header(AUTHORIZATION, credentials.header());
    }
    let body = failsafe::write(request);
    let (status, body) = fetch(api_url, &target, question, body, limit).await?;
    let text = String::from_utf8_lossy(&body);
    if status == StatusCode::OK && text.trim() == "Accepted" {
        return Ok(PromiseAnswer::Promised);
    }
    // A page says more than fits a reason.
    let first: String = text
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(80)
        .collect();
    let why = match status {
        StatusCode::BAD_GATEWAY => "failsafe mode is off there".to_owned(),
        StatusCode::INTERNAL_SERVER_ERROR => first,
        other => format!("status {}", other.as_u16()),
    };
    Ok(PromiseAnswer::Refused(why))
}

async fn fetch(
    url: &str,
    target: &Target,
    question: http::request::Builder,
    body: String,
    limit: Duration,
) -> Result<(StatusCode, Bytes), ClientError> {
    match timeout(limit, exchange(target, question, body)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(ClientError::Unreachable {
            url: url.to_owned(),
            source,
        }),
        Err(_) => Err(ClientError::Late {
            url: url.to_owned(),
            limit,
        }),
    }
}

async fn exchange(
    target: &Target,
    question: http::request::Builder,
    body: String,
) -> Result<(StatusCode, Bytes), Source> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = question
        .header(HOST, &target.authority)
        .header(CONNECTION, "close")
        .header(USER_AGENT, concat!("herdsman/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::from(body)))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_BYTES);
        let body = body.collect().await?.to_bytes();
        Ok::<_, Source>((status, body))
    };
    // The connection makes no progress by itself; driving it here, not in a task of its own, lets
    // it end with the question.
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = connection => {
            ended?;
            // All was read from the socket: what is left lies in memory.
            exchange.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_asked_are_told_why() {
        for (url, why) in [
            ("https://h:8008/patroni", "https is not served yet"),
            ("h:8008", "it does not begin with http://"),
            ("/patroni", "it does not begin with http://"),
            ("http://h:8008/a b", "it is not a URL"),
        ] {
            let Err(ClientError::NotServed { why: told, .. }) = Target::parse(url) else {
                panic!("{url} was taken");
            };
            assert_eq!(told, why, "{url}");
        }
    }

    #[test]
    fn hosts_ports_and_paths_are_found() {
        let target = Target::parse("http://[::1]:8009/patroni").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 8009));
        assert_eq!(target.authority, "[::1]:8009");
        let target = Target::parse("http://n1/patroni?x=1").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("n1", 80));
        assert_eq!(target.path, "/patroni?x=1");
    }
}
