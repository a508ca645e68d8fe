//! How connections to a store are encrypted, and who proves what to whom.
//!
//! The files are read whenever a connection is made, so that new certificates take effect without
//! a restart and without the loss of a session.
//!
//! Invariants: a server's certificate is verified, with the name of its host, unless somebody
//! turned that off in so many words; the provider of cryptography is ring, handed over explicitly
//! and installed nowhere, because other parts of the process may want another one.

mod explain;
mod files;
mod password;
#[cfg(feature = "zookeeper")]
mod unverified;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

pub(crate) use explain::trouble;
use password::KeyPassword;

use crate::{Cause, Error};

/// What connections to a store are encrypted with: files, which are read again for each connection.
///
/// Without anything else the server must have a certificate that the system's authorities vouch
/// for, and no certificate of ours is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    ca: Option<PathBuf>,
    identity: Option<IdentityFiles>,
    password: Option<KeyPassword>,
    verification: Verification,
}

/// Who we are for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct IdentityFiles {
    certificate: PathBuf,
    /// The file of the certificate may hold the key as well.
    key: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verification {
    #[default]
    Full,
    Off,
}

impl TlsOptions {
    /// Verification by the system's authorities, and no certificate of ours.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities in this PEM file, and no others.
    #[must_use]
    pub fn ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca = Some(file.into());
        self
    }

    /// Shows the server the certificate in this PEM file, with those that lead to its authority.
    /// The key is in the file `key`, or in that of the certificate.
    #[must_use]
    pub fn identity(mut self, certificate: impl Into<PathBuf>, key: Option<PathBuf>) -> Self {
        self.identity = Some(IdentityFiles {
            certificate: certificate.into(),
            key,
        });
        self
    }

    /// Opens the key of our certificate, when it is encrypted, with this password. The key must be
    /// in PKCS #8 (`BEGIN ENCRYPTED PRIVATE KEY`), with AES or triple DES.
    #[must_use]
    pub fn key_password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(KeyPassword::new(password.into()));
        self
    }

    /// Takes any server for the right one, whatever certificate it has: only for networks that
    /// nobody else is in.
    #[must_use]
    pub const fn without_verification(mut self) -> Self {
        self.verification = Verification::Off;
        self
    }

    /// Reads the files, to see whether they are of use.
    ///
    /// # Errors
    /// [`Error::Invalid`], which names the file, when one cannot be read or does not hold what it
    /// should.
    pub fn check(&self) -> Result<(), Error> {
        self.read().map(drop).map_err(Error::Invalid)
    }

    /// What is in the files at this moment.
    pub(crate) fn read(&self) -> Result<Material, Cause> {
        files::read(self)
    }

    #[cfg(feature = "etcd")]
    pub(crate) fn verifies(&self) -> bool {
        self.verification == Verification::Full
    }
}

/// What the files hold.
#[derive(Clone)]
pub(crate) struct Material {
    pub(crate) config: Arc<ClientConfig>,
    /// The authorities, in PEM.
    #[cfg_attr(
        not(feature = "etcd"),
        expect(dead_code, reason = "etcd's client wants it")
    )]
    pub(crate) ca: Vec<u8>,
    /// Our certificates and our key, in PEM.
    #[cfg_attr(
        not(feature = "etcd"),
        expect(dead_code, reason = "etcd's client wants it")
    )]
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// The files of one handle, with what was good in them last.
pub(crate) struct TlsSource {
    options: TlsOptions,
    last: Mutex<Option<Material>>,
}

impl TlsSource {
    pub(crate) fn new(options: TlsOptions) -> Self {
        Self {
            options,
            last: Mutex::default(),
        }
    }

    /// Reads the files for a new connection. While one of them is of no use, as in the middle of a
    /// change, what was read before goes on to be used.
    pub(crate) fn read(&self) -> Result<Material, Cause> {
        let read = self.options.read();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match (read, &*last) {
            (Ok(material), _) => {
                *last = Some(material.clone());
                Ok(material)
            }
            (Err(cause), Some(material)) => {
                tracing::warn!(%cause, "the certificates that were read before stay in use");
                Ok(material.clone())
            }
            (Err(cause), None) => Err(cause),
        }
    }
}

/// Begins to speak TLS with the server at the other end, which must be `host`.
pub(crate) async fn encrypt(
    stream: TcpStream,
    config: Arc<ClientConfig>,
    host: &str,
) -> Result<TlsStream<TcpStream>, Cause> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Cause::new(format!("{host} is no name that a certificate can be for")))?;
    let connected = TlsConnector::from(config).connect(name, stream).await;
    connected.map_err(|error| match trouble(&error) {
        Some(trouble) => Cause::new(trouble),
        None => Cause::from_error(&error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_is_of_no_use_is_named_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let read = || format!("{:?}", TlsOptions::new().ca(&path).check().unwrap_err());
        let shown = path.display().to_string();
        let missing = read();
        assert!(
            missing.contains("cacert") && missing.contains(&shown),
            "{missing}"
        );
        std::fs::write(&path, "hello").unwrap();
        let wrong = read();
        assert!(
            wrong.contains("no certificate") && wrong.contains(&shown),
            "{wrong}"
        );
    }
}
