//! The kinds of answers: JSON, plain text, a status without a body, an error page.
//!
//! Their content types are part of the interface.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, SERVER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

/// An answer, complete in memory.
pub(crate) type Answered = Response<Full<Bytes>>;

const OURSELVES: &str = concat!("herdsman/", env!("CARGO_PKG_VERSION"));

/// A status and nothing else.
pub(crate) fn status_only(status: StatusCode) -> Answered {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// A JSON body.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Answered {
    let body = serde_json::to_vec(body).expect("our shapes have text keys and finite numbers");
    with_body(status, "application/json", body)
}

/// A JSON body that is text already.
pub(crate) fn ready_json(body: String) -> Answered {
    with_body(StatusCode::OK, "application/json", body)
}

/// A line for people.
pub(crate) fn text(status: StatusCode, body: &str) -> Answered {
    with_body(status, "text/html", body.to_owned())
}

/// Metrics in the text format.
pub(crate) fn metrics(body: String) -> Answered {
    with_body(StatusCode::OK, "text/plain", body)
}

/// An error page that names the code, the message and what the code means.
pub(crate) fn error_page(status: StatusCode, message: &str) -> Answered {
    let code = status.as_u16();
    let message = escape(message);
    let meaning = meaning(status);
    let body = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Error {code}</title></head>\n\
         <body>\n<h1>Error {code}</h1>\n<p>Message: {message}</p>\n<p>{code}: {meaning}</p>\n</body>\n</html>\n"
    );
    with_body(status, "text/html;charset=utf-8", body)
}

/// `patronictl` looks for the words of 501.
fn meaning(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The request could not be understood",
        StatusCode::LENGTH_REQUIRED => "The request must carry a Content-Length",
        StatusCode::PAYLOAD_TOO_LARGE => "The body of the request is too large",
        StatusCode::REQUEST_TIMEOUT => "The request did not arrive in time",
        StatusCode::NOT_IMPLEMENTED => "Server does not support this operation",
        StatusCode::CONFLICT => "Somebody else has changed it meanwhile",
        StatusCode::BAD_GATEWAY => "What is asked for is not in the store",
        StatusCode::SERVICE_UNAVAILABLE => "The request cannot be served at the moment",
        other => other.canonical_reason().unwrap_or("Unknown"),
    }
}

fn with_body(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answered {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static(OURSELVES));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Text inside HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_in_a_message_is_escaped() {
        assert_eq!(
            escape("<script>'a' & b</script>"),
            "&lt;script&gt;'a' &amp; b&lt;/script&gt;"
        );
    }
}
