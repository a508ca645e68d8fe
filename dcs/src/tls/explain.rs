//! What went wrong between two that speak TLS, in words that say which of the files to look at.

use std::error::Error as StdError;

use tokio_rustls::rustls::{CertificateError, Error};

/// Finds the failure of TLS in what led to an error, if there is one. The connection did not come
/// about then, so nothing of ours was understood.
pub(crate) fn trouble(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(explain(found));
        }
        // The source of an I/O error is the source of what is in it.
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(is_hung_up) {
            return Some(NO_TLS.to_owned());
        }
        let inner = io.and_then(|io| io.get_ref());
        if let Some(inner) = inner.and_then(|inner| inner.downcast_ref::<Error>()) {
            return Some(explain(inner));
        }
        // HTTP/2 hands on what it was told as a text.
        if let Some((_, alert)) = error.to_string().rsplit_once(ALERT) {
            return Some(refused(alert));
        }
        next = error.source();
    }
    None
}

/// How rustls begins to tell an alert.
const ALERT: &str = "received fatal alert: ";

const NO_TLS: &str = "the server does not speak TLS: is this its port for encrypted connections?";

/// Servers without TLS hang up on a greeting that they do not understand. It is told in these words
/// by tokio-rustls, and while nothing was received.
fn is_hung_up(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::UnexpectedEof && error.to_string() == "tls handshake eof"
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else there is says so itself"
)]
fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(reason) => certificate(reason),
        Error::AlertReceived(alert) => refused(&format!("{alert:?}")),
        Error::InvalidMessage(_) => NO_TLS.to_owned(),
        other => format!("no encrypted connection comes about: {other}"),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else there is says so itself"
)]
fn certificate(reason: &CertificateError) -> String {
    let problem = match reason {
        CertificateError::UnknownIssuer => {
            "is signed by nobody that is trusted: does cacert name its authority?"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for other names than the host that was asked for"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: is the clock right?"
        }
        CertificateError::BadSignature => {
            "is not signed by whom it names: is cacert another authority of the same name?"
        }
        other => return format!("the server's certificate is of no use: {other}"),
    };
    format!("the server's certificate {problem}")
}

/// The server's word on us.
fn refused(alert: &str) -> String {
    let problem = match alert {
        "CertificateRequired" | "NoCertificate" => "demands a certificate: set cert and key",
        "UnknownCA" => "does not trust the authority that signed cert",
        "CertificateExpired" => "says that cert has expired",
        "BadCertificate"
        | "UnsupportedCertificate"
        | "CertificateRevoked"
        | "CertificateUnknown"
        | "AccessDenied" => "demands a certificate, or does not accept cert",
        other => return format!("the server ended the encrypted connection: {other}"),
    };
    format!("the server {problem}")
}
