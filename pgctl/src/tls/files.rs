//! Reads the files that certificates, keys and lists of revoked ones are in, where libpq looks.
//!
//! Invariant: what is wrong is told with the keyword and the file; the content of a file is never
//! shown.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore, crypto};

use super::SslMode;
use super::certificate::{is_authority, is_understood};
use super::key::private_key;
use super::verify::{Authorities, Demand, Verifier};
use crate::credentials::Credentials;
use crate::text;

/// A list of authorities that stands for the system's.
pub(super) const SYSTEM: &str = "system";
/// Names that list when it is not in one of the usual places.
const SYSTEM_VARIABLE: &str = "SSL_CERT_FILE";
/// Where distributions put it.
const SYSTEM_FILES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Whether a file may be absent: one that nobody has named, or that libpq passes over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absence {
    Allowed,
    Wrong,
}

/// Reads everything that connections as this role need.
pub(super) fn read(role: &Credentials, mode: SslMode) -> Result<ClientConfig, String> {
    let provider = Arc::new(crypto::ring::default_provider());
    let verifier = Verifier {
        demand: demand(role, mode, &provider)?,
        algorithms: provider.signature_verification_algorithms,
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| text::chain(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity(role, &provider)? {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
    };
    // As libpq 17 does, so that no server of another protocol can be meant.
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(config)
}

/// What the server must prove. As in libpq a list of authorities is used whenever there is one,
/// in the weaker modes too.
fn demand(
    role: &Credentials,
    mode: SslMode,
    provider: &Arc<crypto::CryptoProvider>,
) -> Result<Demand, String> {
    let named = keyword(role, "sslrootcert");
    let is_needed = matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull);
    let absence = match is_needed {
        true => Absence::Wrong,
        false => Absence::Allowed,
    };
    let certificates = match named {
        Some(SYSTEM) => Some(system_authorities()?),
        Some(file) => content("sslrootcert", Path::new(file), absence)?
            .map(|text| items::<CertificateDer<'static>>("sslrootcert", Path::new(file), &text))
            .transpose()?,
        None => match in_home("root.crt") {
            Some(file) => content("sslrootcert", &file, absence)?
                .map(|text| items("sslrootcert", &file, &text))
                .transpose()?,
            None if is_needed => {
                return Err("sslrootcert: is missing, and there is no home directory".to_owned());
            }
            None => None,
        },
    };
    let Some(certificates) = certificates else {
        return Ok(Demand::Nothing);
    };
    let authorities = authorities(role, certificates, provider)?;
    Ok(match mode {
        SslMode::VerifyFull => Demand::ChainAndName(authorities),
        SslMode::Disable
        | SslMode::Allow
        | SslMode::Prefer
        | SslMode::Require
        | SslMode::VerifyCa => Demand::Chain(authorities),
    })
}

fn authorities(
    role: &Credentials,
    certificates: Vec<CertificateDer<'static>>,
    provider: &Arc<crypto::CryptoProvider>,
) -> Result<Authorities, String> {
    let mut roots = RootCertStore::empty();
    // webpki takes whatever is put there for an authority. One that is a server's own vouches for
    // nobody else; and old ones may be none that webpki understands.
    let now = UnixTime::now();
    let vouching = certificates.iter().filter(|one| is_authority(one, now));
    roots.add_parsable_certificates(vouching.cloned());
    if !certificates.iter().any(is_understood) {
        return Err("sslrootcert: holds no certificate that can be understood".to_owned());
    }
    if roots.is_empty() {
        let chain = None;
        return Ok(Authorities {
            chain,
            certificates,
        });
    }
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .with_crls(revoked(role)?)
        .enforce_revocation_expiration()
        .build()
        .map_err(|error| {
            format!(
                "sslcrl: is of no use: {}; it must be of version 2 (crl_extensions)",
                text::chain(&error)
            )
        })?;
    Ok(Authorities {
        chain: Some(chain),
        certificates,
    })
}

/// The lists of revoked certificates, of a file and of all files of a folder.
fn revoked(role: &Credentials) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let mut lists = Vec::new();
    let named = keyword(role, "sslcrl").map(PathBuf::from);
    let is_silent = named.is_none() && keyword(role, "sslcrldir").is_none();
    let (file, absence) = match is_silent {
        true => (in_home("root.crl"), Absence::Allowed),
        false => (named, Absence::Wrong),
    };
    if let Some(file) = file
        && let Some(text) = content("sslcrl", &file, absence)?
    {
        lists.extend(items("sslcrl", &file, &text)?);
    }
    if let Some(folder) = keyword(role, "sslcrldir") {
        let unreadable = |error: io::Error| format!("sslcrldir: {folder} cannot be read: {error}");
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if file.is_file() {
                let text = content("sslcrldir", &file, Absence::Wrong)?.unwrap_or_default();
                lists.extend(items("sslcrldir", &file, &text)?);
            }
        }
    }
    Ok(lists)
}

/// Our own certificate with its key. libpq goes without one when its file is not there, even if it
/// is named: the server may do without.
fn identity(
    role: &Credentials,
    provider: &crypto::CryptoProvider,
) -> Result<Option<CertifiedKey>, String> {
    let path = |name, usual| {
        let named = keyword(role, name).map(PathBuf::from);
        named.or_else(|| in_home(usual))
    };
    let Some(file) = path("sslcert", "postgresql.crt") else {
        return Ok(None);
    };
    let Some(text) = content("sslcert", &file, Absence::Allowed)? else {
        return Ok(None);
    };
    let chain = items("sslcert", &file, &text)?;
    let Some(key_file) = path("sslkey", "postgresql.key") else {
        return Err("sslkey: is missing".to_owned());
    };
    let text = content("sslkey", &key_file, Absence::Wrong)?.unwrap_or_default();
    let key = private_key(&key_file, text, role.sslpassword.as_ref())?;
    let unfit = |error: Error| format!("sslkey: {} is of no use: {error}", key_file.display());
    let key = provider.key_provider.load_private_key(key).map_err(unfit)?;
    let identity = CertifiedKey::new(chain, key);
    // webpki cannot look into certificates of version 1; a server sees whether the key is theirs.
    match identity.keys_match() {
        Err(error @ Error::InconsistentKeys(_)) => Err(unfit(error)),
        Ok(()) | Err(_) => Ok(Some(identity)),
    }
}

fn keyword<'a>(role: &'a Credentials, name: &str) -> Option<&'a str> {
    let value = role.keywords.get(name).map(String::as_str);
    value.filter(|value| !value.is_empty())
}

/// Where libpq looks for what nobody names.
fn in_home(name: &str) -> Option<PathBuf> {
    Some(env::home_dir()?.join(".postgresql").join(name))
}

fn system_authorities() -> Result<Vec<CertificateDer<'static>>, String> {
    let named = env::var_os(SYSTEM_VARIABLE).map(PathBuf::from);
    let usual = SYSTEM_FILES.iter().map(PathBuf::from);
    let found = named.into_iter().chain(usual).find_map(|file| {
        let text = std::fs::read(file).ok()?;
        Some(CertificateDer::pem_slice_iter(&text).flatten().collect())
    });
    found.ok_or_else(|| "sslrootcert: this system has no list of authorities".to_owned())
}

/// What is in a file; none when it is not there and need not be.
fn content(keyword: &str, file: &Path, absence: Absence) -> Result<Option<Vec<u8>>, String> {
    match std::fs::read(file) {
        Ok(text) => Ok(Some(text)),
        Err(error)
            if absence == Absence::Allowed
                && matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
        {
            Ok(None)
        }
        Err(error) => Err(format!(
            "{keyword}: {} cannot be read: {error}",
            file.display()
        )),
    }
}

/// The things of one kind in a file, at least one.
fn items<T: PemObject>(keyword: &str, file: &Path, text: &[u8]) -> Result<Vec<T>, String> {
    let read = T::pem_slice_iter(text).collect::<Result<Vec<T>, pem::Error>>();
    match read {
        Ok(items) if !items.is_empty() => Ok(items),
        // A key may be in the same file, so nothing of it is shown.
        Ok(_) | Err(_) => Err(format!(
            "{keyword}: {} holds nothing in PEM that is of use there",
            file.display()
        )),
    }
}
