//! Calls of the members' REST interface: one connection for each, with a limit for everything.
//!
//! The invariant: the error says whether the member can have received the request, because only
//! then another one may be asked to do the same.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use herdsman_agent::settings::BasicAuth;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The largest answer that is read.
const BODY_BYTES: usize = 4 << 20;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What a member answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Nothing was sent: its address cannot be used, or nobody is there.
    #[error("{0}")]
    NotSent(String),
    /// It may have received the request, and may be doing what it asks for.
    #[error("{0}")]
    NoAnswer(String),
}

/// Reads a page of the member at `api_url`.
pub(crate) async fn get(api_url: &str, page: &str, limit: Duration) -> Result<Answer, CallError> {
    let target = Target::parse(api_url).map_err(CallError::NotSent)?;
    let request = target.request(Method::GET, page).body(Full::default());
    call(&target, request.expect("our headers are valid"), limit).await
}

/// Asks the member at `api_url` for something.
pub(crate) async fn post(
    api_url: &str,
    page: &str,
    body: &Value,
    authentication: Option<&BasicAuth>,
    limit: Duration,
) -> Result<Answer, CallError> {
    send(Method::POST, (api_url, page), body, authentication, limit).await
}

/// Asks the member at `api_url` to change something.
pub(crate) async fn patch(
    api_url: &str,
    page: &str,
    body: &Value,
    authentication: Option<&BasicAuth>,
    limit: Duration,
) -> Result<Answer, CallError> {
    send(Method::PATCH, (api_url, page), body, authentication, limit).await
}

async fn send(
    method: Method,
    (api_url, page): (&str, &str),
    body: &Value,
    authentication: Option<&BasicAuth>,
    limit: Duration,
) -> Result<Answer, CallError> {
    let target = Target::parse(api_url).map_err(CallError::NotSent)?;
    let request = authorized(target.request(method, page), authentication);
    let request = request.header(CONTENT_TYPE, "application/json");
    let body = Full::from(body.to_string());
    let request = request.body(body).expect("our headers are valid");
    call(&target, request, limit).await
}

/// Asks the member at `api_url` to forget something.
pub(crate) async fn delete(
    api_url: &str,
    page: &str,
    authentication: Option<&BasicAuth>,
    limit: Duration,
) -> Result<Answer, CallError> {
    let target = Target::parse(api_url).map_err(CallError::NotSent)?;
    let request = authorized(target.request(Method::DELETE, page), authentication);
    let request = request.body(Full::default());
    call(&target, request.expect("our headers are valid"), limit).await
}

fn authorized(
    request: http::request::Builder,
    authentication: Option<&BasicAuth>,
) -> http::request::Builder {
    match authentication {
        Some(basic) => request.header(AUTHORIZATION, header(basic)),
        None => request,
    }
}

fn header(basic: &BasicAuth) -> HeaderValue {
    let token = STANDARD.encode(format!("{}:{}", basic.username, basic.password.expose()));
    let mut header = HeaderValue::try_from(format!("Basic {token}")).expect("base64 is visible");
    header.set_sensitive(true);
    header
}

struct Target {
    host: String,
    port: u16,
    /// Host and port as the `Host` header wants them.
    authority: String,
}

impl Target {
    fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| format!("{url} is not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(format!("{url}: https is not served yet")),
            _ => return Err(format!("{url} does not begin with http://")),
        }
        let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
            return Err(format!("{url} names no host"));
        };
        let authority = authority.as_str();
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            authority: authority.to_owned(),
        })
    }

    fn request(&self, method: Method, page: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(page)
            .header(HOST, &self.authority)
            .header(CONNECTION, "close")
            .header(
                USER_AGENT,
                concat!("herdsmanctl/", env!("CARGO_PKG_VERSION")),
            )
    }
}

async fn call(
    target: &Target,
    request: Request<Full<Bytes>>,
    limit: Duration,
) -> Result<Answer, CallError> {
    let shown = &target.authority;
    let connected = TcpStream::connect((target.host.as_str(), target.port));
    let stream = match timeout(CONNECT_LIMIT.min(limit), connected).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return Err(CallError::NotSent(format!(
                "no connection to {shown}: {error}"
            )));
        }
        Err(_) => {
            return Err(CallError::NotSent(format!(
                "no connection to {shown} in time"
            )));
        }
    };
    match timeout(limit, exchange(stream, request)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(CallError::NoAnswer(format!(
            "no answer from {shown}: {error}"
        ))),
        Err(_) => {
            let seconds = limit.as_secs();
            let text = format!("no answer from {shown} within {seconds} s");
            Err(CallError::NoAnswer(text))
        }
    }
}

async fn exchange(stream: TcpStream, request: Request<Full<Bytes>>) -> Result<Answer, Source> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends when the sender does, at the latest with the program.
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), BODY_BYTES);
    let body = body.collect().await?.to_bytes();
    Ok(Answer {
        status,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use herdsman_agent::settings::Secret;

    use super::*;

    #[test]
    fn addresses_that_cannot_be_called_are_told_why() {
        for (url, why) in [
            ("https://h:8008/patroni", "https is not served yet"),
            ("h:8008", "does not begin with http://"),
            ("http://h:8008/a b", "is not a URL"),
        ] {
            let told = Target::parse(url).map(|target| target.host).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn hosts_and_ports_are_found() {
        let target = Target::parse("http://[::1]:8009/patroni").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 8009));
        assert_eq!(target.authority, "[::1]:8009");
        let target = Target::parse("http://n1/patroni").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("n1", 80));
    }

    #[test]
    fn the_password_is_not_shown_by_its_header() {
        let basic = BasicAuth {
            username: "admin".to_owned(),
            password: Secret::new("s:cret"),
        };
        let header = header(&basic);
        assert_eq!(header.to_str().unwrap(), "Basic YWRtaW46czpjcmV0");
        assert!(!format!("{header:?}").contains("YWRt"), "{header:?}");
    }
}
