//! Certificates for tests, made by the `openssl` command when they are needed.
//!
//! Invariant: nothing of them outlives its [`Authority`], and none is valid for more than two days.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;

/// Who signs certificates, and the folder that they are in.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    issued: AtomicUsize,
}

/// A certificate and its key, each in a PEM file.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key, which is not encrypted.
    pub key: PathBuf,
}

/// How a key is protected by a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// PKCS #8 with what OpenSSL takes by itself: AES.
    Usual,
    /// PKCS #8 with triple DES, as `openssl req` wrote for long.
    TripleDes,
    /// PKCS #8 with scrypt.
    Scrypt,
    /// PKCS #8 by the rules of PKCS #12.
    Pkcs12,
    /// The form of OpenSSL itself, from before PKCS #8.
    Old,
}

impl KeyForm {
    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Usual => &["pkcs8", "-topk8"],
            Self::TripleDes => &["pkcs8", "-topk8", "-v2", "des3"],
            Self::Scrypt => &["pkcs8", "-topk8", "-scrypt", "-scrypt_N", "256"],
            Self::Pkcs12 => &["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES"],
            Self::Old => &["pkey", "-traditional", "-aes256"],
        }
    }
}

impl Authority {
    /// Makes an authority that nobody trusts yet.
    ///
    /// # Panics
    /// When `openssl` is not there.
    #[must_use]
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a folder for temporary files can be made");
        let authority = Self {
            folder,
            issued: AtomicUsize::new(0),
        };
        // Two of them have different names, as those of different owners do.
        let name = authority.folder.path().file_name().unwrap_or_default();
        let subject = format!("/CN=Authority {}", name.to_string_lossy());
        let made = ["req", "-x509", "-days", "2", "-subj", &subject];
        let (key, certificate) = (authority.path("ca.key"), authority.certificate());
        run(new_key(&made, &key).arg("-out").arg(certificate));
        authority
    }

    /// Its own certificate, for those who trust it.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate for servers and clients on this machine, for a day.
    ///
    /// # Panics
    /// When `openssl` fails.
    #[must_use]
    pub fn issue(&self) -> Certificate {
        self.issue_for("IP:127.0.0.1,DNS:localhost", 1)
    }

    /// One that has expired.
    ///
    /// # Panics
    /// When `openssl` fails.
    #[must_use]
    pub fn issue_expired(&self) -> Certificate {
        let issued = self.issue_for("IP:127.0.0.1", 0);
        // It counts in seconds, and is valid in the one that it was made in.
        std::thread::sleep(Duration::from_millis(1100));
        issued
    }

    /// One for other names, as in `DNS:example.org,IP:10.0.0.1`, and for so many days.
    ///
    /// # Panics
    /// When `openssl` fails.
    #[must_use]
    pub fn issue_for(&self, names: &str, days: u32) -> Certificate {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let path = |kind: &str| self.path(&format!("{number}.{kind}"));
        let issued = Certificate {
            certificate: path("pem"),
            key: path("key"),
        };
        let (request, extensions) = (path("csr"), path("ext"));
        let asked = ["req", "-new", "-subj", "/CN=somebody"];
        run(new_key(&asked, &issued.key).arg("-out").arg(&request));
        let uses = "serverAuth,clientAuth";
        let text = format!("subjectAltName={names}\nextendedKeyUsage={uses}\n");
        std::fs::write(&extensions, text).expect("the folder of temporary files is writable");
        let mut sign = openssl(&["x509", "-req", "-CAcreateserial"]);
        sign.args(["-days", &days.to_string()]);
        sign.arg("-in").arg(request).arg("-extfile").arg(extensions);
        sign.arg("-CA").arg(self.certificate());
        sign.arg("-CAkey").arg(self.path("ca.key"));
        run(sign.arg("-out").arg(&issued.certificate));
        issued
    }

    /// The key of a certificate once more, protected by a password.
    ///
    /// # Panics
    /// When `openssl` fails.
    #[must_use]
    pub fn protected_key(
        &self,
        certificate: &Certificate,
        password: &str,
        form: KeyForm,
    ) -> PathBuf {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let protected = self.path(&format!("{number}.protected"));
        let mut command = openssl(form.arguments());
        command.arg("-in").arg(&certificate.key);
        command
            .args(["-passout", "env:KEY_PASSWORD"])
            .env("KEY_PASSWORD", password);
        run(command.arg("-out").arg(&protected));
        protected
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn openssl(arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments);
    command
}

/// A command that makes a key beside what it makes.
fn new_key(arguments: &[&str], key: &Path) -> Command {
    let mut command = openssl(arguments);
    command.args([
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ]);
    command.arg("-keyout").arg(key);
    command
}

fn run(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("openssl cannot be started: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} has failed:\n{said}");
}
