//! The files that certificates are in: the keys `cacert`, `cert`, `key` and `key_password` of both
//! stores. Patroni has the last one for ZooKeeper alone.
//!
//! Nothing is read from them here: they may change while a member runs, and are read for each
//! connection.

use std::path::PathBuf;

use super::super::reader::{Findings, Section};
use super::super::{Secret, WarningKind};

/// Files in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Who may vouch for a server; those of the system when there is none.
    pub cacert: Option<PathBuf>,
    /// Our certificate, when the store asks for one.
    pub cert: Option<PathBuf>,
    /// The key of our certificate, unless it is in the same file.
    pub key: Option<PathBuf>,
    /// What opens the key, when it is encrypted.
    pub key_password: Option<Secret>,
}

impl TlsFiles {
    pub(super) fn read(findings: &mut Findings, section: &Section<'_>) -> Self {
        let mut path = |key: &str| findings.optional_path(section, key);
        let (cacert, cert, key) = (path("cacert"), path("cert"), path("key"));
        if let (None, Some(_), Some(field)) = (&cert, &key, section.field("key")) {
            let sentence = "has no effect without cert, the certificate that it belongs to";
            findings.warn(&field, WarningKind::Note(sentence.to_owned()));
        }
        let key_password = findings.optional_secret(section, "key_password");
        let key_password = key_password.filter(|password| !password.expose().is_empty());
        Self {
            cacert,
            cert,
            key,
            key_password,
        }
    }

    /// Says that the files are not used, when there are any.
    pub(super) fn warn_of_no_effect(
        &self,
        findings: &mut Findings,
        section: &Section<'_>,
        why: &str,
    ) {
        let is_given = [("cacert", &self.cacert), ("cert", &self.cert)];
        for (key, _) in is_given.into_iter().filter(|(_, file)| file.is_some()) {
            if let Some(field) = section.field(key) {
                findings.warn(
                    &field,
                    WarningKind::Note(format!("has no effect, as {why}")),
                );
            }
        }
    }
}
