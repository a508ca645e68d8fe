//! Reads the files that certificates and keys are in.
//!
//! Invariant: what is wrong is told with the key of the configuration and the file; the content of
//! a file is never shown.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::password::{KeyPassword, Protection, convert_old_form};
use super::{IdentityFiles, Material, TlsOptions, Verification};
use crate::Cause;

/// Names the system's authorities when they are not in one of the usual places.
const SYSTEM_VARIABLE: &str = "SSL_CERT_FILE";
/// Where distributions put the system's authorities.
const SYSTEM_FILES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Reads all files.
pub(super) fn read(options: &TlsOptions) -> Result<Material, Cause> {
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Cause::from_error(&error))?;
    let (builder, ca) = match options.verification {
        Verification::Full => {
            let (roots, ca) = authorities(options.ca.as_deref())?;
            (builder.with_root_certificates(roots), ca)
        }
        #[cfg(feature = "zookeeper")]
        Verification::Off => {
            let verifier = Arc::new(super::unverified::Unverified::new());
            let builder = builder.dangerous();
            (
                builder.with_custom_certificate_verifier(verifier),
                Vec::new(),
            )
        }
        #[cfg(not(feature = "zookeeper"))]
        Verification::Off => {
            return Err(Cause::new("certificates are always verified here"));
        }
    };
    let Some(files) = &options.identity else {
        return Ok(Material {
            config: Arc::new(builder.with_no_client_auth()),
            ca,
            identity: None,
        });
    };
    let (chain, certificate) = certificates("cert", &files.certificate)?;
    let (key, key_text) = private_key(files, &certificate, options.password.as_ref())?;
    let config = builder.with_client_auth_cert(chain, key).map_err(|error| {
        let file = files.certificate.display();
        Cause::new(format!("cert: {file} and its key are of no use: {error}"))
    })?;
    Ok(Material {
        config: Arc::new(config),
        ca,
        identity: Some((certificate, key_text)),
    })
}

/// Who may vouch for a server: those of the file, or else those of the system.
fn authorities(file: Option<&Path>) -> Result<(RootCertStore, Vec<u8>), Cause> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = file {
        let (certificates, text) = certificates("cacert", file)?;
        for certificate in certificates {
            roots.add(certificate).map_err(|error| {
                let file = file.display();
                Cause::new(format!(
                    "cacert: {file} holds a certificate that is of no use: {error}"
                ))
            })?;
        }
        return Ok((roots, text));
    }
    let named = std::env::var_os(SYSTEM_VARIABLE).map(std::path::PathBuf::from);
    let usual = SYSTEM_FILES.iter().map(std::path::PathBuf::from);
    let found = named
        .into_iter()
        .chain(usual)
        .find_map(|file| std::fs::read(file).ok());
    let Some(text) = found else {
        return Err(Cause::new(
            "cacert: is missing, and this system has no list of authorities of its own",
        ));
    };
    // Some of the old ones among them may be none that can be understood.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&text).flatten());
    Ok((roots, text))
}

type Certificates = Vec<CertificateDer<'static>>;

/// The certificates of a file, at least one, and its text.
fn certificates(key: &str, file: &Path) -> Result<(Certificates, Vec<u8>), Cause> {
    let text = content(key, file)?;
    let read = CertificateDer::pem_slice_iter(&text).collect::<Result<Certificates, pem::Error>>();
    let problem = match read {
        Ok(certificates) if !certificates.is_empty() => return Ok((certificates, text)),
        Ok(_) => "holds no certificate in PEM",
        // The key may be in the same file, so nothing of it is shown.
        Err(_) => "is no PEM file that can be read",
    };
    Err(Cause::new(format!("{key}: {} {problem}", file.display())))
}

/// The key, and a text that it is in without the protection of a password.
fn private_key(
    files: &IdentityFiles,
    certificate: &[u8],
    password: Option<&KeyPassword>,
) -> Result<(PrivateKeyDer<'static>, Vec<u8>), Cause> {
    let (key, file, text) = match &files.key {
        Some(file) => ("key", file, content("key", file)?),
        None => ("cert", &files.certificate, certificate.to_vec()),
    };
    let wrong = |what: &str| Cause::new(format!("{key}: {} {what}", file.display()));
    let opened = match (Protection::of(&String::from_utf8_lossy(&text)), password) {
        (Protection::None, _) => None,
        (Protection::OldForm, _) => return Err(convert_old_form(key, file)),
        (Protection::Password(_), None) => {
            return Err(wrong("is encrypted: write its password as key_password"));
        }
        (Protection::Password(block), Some(password)) => Some(password.open(block, key, file)?),
    };
    let text = opened.unwrap_or(text);
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(private) => Ok((private, text)),
        Err(pem::Error::NoItemsFound) => Err(wrong("holds no private key in PEM")),
        // What is wrong may be shown with what is there, which is a secret.
        Err(_) => Err(wrong("holds no private key that can be read")),
    }
}

fn content(key: &str, file: &Path) -> Result<Vec<u8>, Cause> {
    std::fs::read(file).map_err(|error| {
        let file = file.display();
        Cause::new(format!("{key}: {file} cannot be read: {error}"))
    })
}
