//! What went wrong between two that speak TLS, in words that say which keyword to look at.
//!
//! The crate for the stores has one of the same purpose with other keywords; neither crate knows
//! the other.

use std::error::Error as StdError;
use std::io;

use tokio_rustls::rustls::{CertificateError, Error};

use crate::text;

/// Why no TLS came about, in one sentence.
pub(super) fn handshake(error: &io::Error) -> String {
    match of_tls(error) {
        Some(Error::InvalidCertificate(reason)) => certificate(reason),
        Some(Error::AlertReceived(alert)) => refused(&format!("{alert:?}")),
        _ => format!("no TLS comes about: {}", text::chain(error)),
    }
}

/// The server's word on our certificate, when that is what a connection has ended with.
pub(crate) fn alert(error: &tokio_postgres::Error) -> Option<String> {
    let source = StdError::source(error)?;
    let found = of_tls(source.downcast_ref::<io::Error>()?)?;
    if let Error::AlertReceived(alert) = found {
        return Some(refused(&format!("{alert:?}")));
    }
    None
}

fn of_tls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref::<Error>()
}

fn refused(alert: &str) -> String {
    format!("the server ended the handshake of TLS: {alert} (does it accept sslcert?)")
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else there is says so itself"
)]
fn certificate(reason: &CertificateError) -> String {
    let problem = match reason {
        CertificateError::UnknownIssuer => {
            "is signed by nobody that is trusted: does sslrootcert name its authority?"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for other names than the host that was asked for, which verify-full demands"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired, or is not valid yet"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: is the clock right?"
        }
        CertificateError::Revoked => "is revoked by sslcrl",
        CertificateError::UnknownRevocationStatus => {
            "is signed by somebody of whom sslcrl has no list"
        }
        CertificateError::BadSignature => {
            "is not signed by whom it names: is sslrootcert another authority of the same name?"
        }
        other => {
            let other = other.to_string();
            // As `openssl x509 -req` makes them without extensions.
            let advice = match other.contains("UnsupportedCertVersion") {
                true => {
                    ": it is of version 1, which can be verified only when sslrootcert holds \
                     the certificate itself; issue one with a subjectAltName"
                }
                false => "",
            };
            return format!("the server's certificate is of no use: {other}{advice}");
        }
    };
    format!("the server's certificate {problem}")
}
