//! Whether a connection to a server is encrypted, and what the server must prove: `sslmode` as
//! libpq has it.
//!
//! The certificates and keys are read for each connection, so that new ones take effect without a
//! restart. Unix sockets are never encrypted.
//!
//! Invariants: `require` and stronger never speak in plain; ring is handed to rustls explicitly and
//! installed nowhere, because other parts of the process may want another provider.

mod bound;
mod certificate;
mod explain;
mod files;
mod key;
mod verify;

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::{DnsName, ServerName};

use crate::credentials::Credentials;

pub(crate) use bound::Bound;
pub(crate) use certificate::endpoint_hash;
pub(crate) use explain::alert;

/// How much of encryption is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// One way to try a connection over TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Plain,
    /// With TLS, and in plain on the same connection when the server has none.
    IfOffered,
    /// With TLS or not at all.
    Always,
}

/// What became of an attempt, as far as the next one depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// No TLS came about with a server that speaks it.
    Handshake,
    /// The server does not let this role in on a connection of the kind that it was.
    Unwelcome { encrypted: bool },
    /// Anything that encryption has nothing to do with.
    Otherwise,
}

impl SslMode {
    /// The mode that the credentials name; `prefer` without one.
    pub(crate) fn of(role: &Credentials) -> Result<Self, Trouble> {
        // libpq takes no less with it, and verifies where nobody says how much.
        let is_system = role.keywords.get("sslrootcert").map(String::as_str) == Some(files::SYSTEM);
        let Some(text) = role.sslmode.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(match is_system {
                true => Self::VerifyFull,
                false => Self::Prefer,
            });
        };
        let mode = match text {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            other => {
                return Err(Trouble::Settings(format!(
                    "sslmode: {other} is none of disable, allow, prefer, require, verify-ca and \
                     verify-full"
                )));
            }
        };
        if is_system && mode != Self::VerifyFull {
            let sentence = "sslrootcert: system demands sslmode verify-full";
            return Err(Trouble::Settings(sentence.to_owned()));
        }
        Ok(mode)
    }

    /// What is tried first.
    pub(crate) const fn first(self) -> Attempt {
        match self {
            Self::Disable | Self::Allow => Attempt::Plain,
            Self::Prefer => Attempt::IfOffered,
            Self::Require | Self::VerifyCa | Self::VerifyFull => Attempt::Always,
        }
    }

    /// What is tried when the first attempt has failed.
    ///
    /// libpq tries again after every refusal, that of a wrong password too; here only after one by
    /// the lines of `pg_hba.conf`, which are what depends on encryption. A server that is starting
    /// is thus asked once.
    pub(crate) const fn second(self, failed: Failed) -> Option<Attempt> {
        match (self, failed) {
            (Self::Allow, Failed::Unwelcome { encrypted: false }) => Some(Attempt::IfOffered),
            (Self::Prefer, Failed::Handshake | Failed::Unwelcome { encrypted: true }) => {
                Some(Attempt::Plain)
            }
            (Self::Allow | Self::Prefer, _)
            | (Self::Disable | Self::Require | Self::VerifyCa | Self::VerifyFull, _) => None,
        }
    }

    const fn is_name_verified(self) -> bool {
        matches!(self, Self::VerifyFull)
    }
}

/// Why there is no wire to a server.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The network, or the system.
    Io(io::Error),
    /// The server speaks no TLS, and it was demanded.
    NotOffered,
    /// No TLS came about; in words.
    Handshake(String),
    /// The credentials say something that cannot be done; in words.
    Settings(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotOffered => {
                f.write_str("the server does not speak TLS (ssl = off), but sslmode demands it")
            }
            Self::Handshake(why) | Self::Settings(why) => f.write_str(why),
        }
    }
}

/// How connections as one role are encrypted.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    mode: SslMode,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration has the key.
        f.debug_struct("Tls")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files that the credentials name.
    pub(crate) async fn read(role: &Credentials, mode: SslMode) -> Result<Self, Trouble> {
        let role = role.clone();
        // To open an encrypted key takes long on purpose.
        let read = tokio::task::spawn_blocking(move || files::read(&role, mode)).await;
        let config = read
            .expect("reading certificates does not panic")
            .map_err(Trouble::Handshake)?;
        Ok(Self {
            config: Arc::new(config),
            mode,
        })
    }

    /// Begins to speak TLS with the server at the other end.
    pub(crate) async fn encrypt(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<TlsStream<TcpStream>, Trouble> {
        let name = match ServerName::try_from(host.to_owned()) {
            Ok(name) => name,
            Err(_) if self.mode.is_name_verified() => {
                return Err(Trouble::Handshake(format!(
                    "{host} is no name that a certificate can be for"
                )));
            }
            Err(_) => ServerName::from(DnsName::try_from("server").expect("it is a plain name")),
        };
        let connected = TlsConnector::from(self.config.clone()).connect(name, stream);
        connected
            .await
            .map_err(|error| Trouble::Handshake(explain::handshake(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, SslMode); 6] = [
        ("disable", SslMode::Disable),
        ("allow", SslMode::Allow),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::VerifyCa),
        ("verify-full", SslMode::VerifyFull),
    ];

    #[test]
    fn the_mode_is_what_the_credentials_say_and_prefer_by_default() {
        let mut role = Credentials::system_user();
        assert_eq!(SslMode::of(&role).unwrap(), SslMode::Prefer);
        for (text, mode) in ALL {
            role.sslmode = Some(text.to_owned());
            assert_eq!(SslMode::of(&role).unwrap(), mode);
        }
        let system = ("sslrootcert".to_owned(), "system".to_owned());
        role.keywords.extend([system]);
        role.sslmode = Some("require".to_owned());
        let refused = SslMode::of(&role).unwrap_err();
        assert!(matches!(refused, Trouble::Settings(_)), "{refused}");
        role.sslmode = None;
        assert_eq!(SslMode::of(&role).unwrap(), SslMode::VerifyFull);
        role.sslmode = Some("requier".to_owned());
        let refused = SslMode::of(&role).unwrap_err().to_string();
        assert!(
            refused.contains("requier") && refused.contains("verify-full"),
            "{refused}"
        );
    }

    #[test]
    fn every_mode_has_its_attempts() {
        let unwelcome = |encrypted| Failed::Unwelcome { encrypted };
        let seconds = |mode: SslMode| {
            [
                Failed::Handshake,
                unwelcome(true),
                unwelcome(false),
                Failed::Otherwise,
            ]
            .map(|failed| mode.second(failed))
        };
        for (_, mode) in ALL {
            let (first, second) = match mode {
                SslMode::Disable => (Attempt::Plain, [None; 4]),
                SslMode::Allow => (Attempt::Plain, [None, None, Some(Attempt::IfOffered), None]),
                SslMode::Prefer => (
                    Attempt::IfOffered,
                    [Some(Attempt::Plain), Some(Attempt::Plain), None, None],
                ),
                SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                    (Attempt::Always, [None; 4])
                }
            };
            assert_eq!((mode.first(), seconds(mode)), (first, second), "{mode:?}");
        }
    }
}
