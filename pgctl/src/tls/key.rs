//! Private keys, also those that a password protects (PKCS #8, as `openssl pkcs8 -topk8` writes).
//!
//! The crate for the stores opens such keys in the same way, for its own settings; neither crate
//! knows the other.
//!
//! Invariant: neither the password nor anything of the key is in an error or a log.

use std::path::Path;

use pkcs8::der::pem::LineEnding;
use pkcs8::{EncryptedPrivateKeyInfoRef, Error as Pkcs8Error, SecretDocument};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::credentials::Secret;

const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
const OLD_FORM: &str = "Proc-Type: 4,ENCRYPTED";

/// The key in the text of a file.
pub(super) fn private_key(
    file: &Path,
    text: Vec<u8>,
    password: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, String> {
    let shown = file.display();
    let as_text = String::from_utf8_lossy(&text);
    let opened = match (protected(&as_text), password) {
        (Some(block), Some(password)) => Some(open(block, password.expose(), file)?),
        (Some(_), None) => {
            return Err(format!(
                "sslkey: {shown} is encrypted: write its password as sslpassword"
            ));
        }
        (None, _) if as_text.contains(OLD_FORM) => {
            return Err(format!(
                "sslkey: {shown} is encrypted in the older form of OpenSSL, which only PostgreSQL's \
                 own programs read: convert it by `openssl pkcs8 -topk8 -in {shown} -out NEW`"
            ));
        }
        (None, _) => None,
    };
    // What is wrong may be shown with what is there, which is a secret.
    PrivateKeyDer::from_pem_slice(opened.as_ref().unwrap_or(&text))
        .map_err(|_| format!("sslkey: {shown} holds no private key in PEM that can be read"))
}

/// The part of a text that is an encrypted key.
fn protected(text: &str) -> Option<&str> {
    let begin = text.find(BEGIN)?;
    let end = text[begin..].find(END)?;
    Some(&text[begin..begin + end + END.len()])
}

/// The key in PEM without its protection.
fn open(block: &str, password: &str, file: &Path) -> Result<Vec<u8>, String> {
    let shown = file.display();
    let unreadable = |_| format!("sslkey: {shown} holds no private key that can be read");
    let wrong = || format!("sslpassword: does not open the key in {shown}");
    let other_cipher = || {
        format!(
            "sslkey: {shown} is encrypted in a way that is not served: convert it by \
             `openssl pkcs8 -topk8 -v2 aes-256-cbc -in {shown} -out NEW`"
        )
    };
    let (_, document) = SecretDocument::from_pem(block).map_err(|_| unreadable(()))?;
    // Ways to encrypt that it does not know are not even read.
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes());
    let encrypted = encrypted.map_err(|_| other_cipher())?;
    let key = encrypted
        .decrypt(password)
        .map_err(|error| match is_of_cipher(&error) {
            true => other_cipher(),
            false => wrong(),
        })?;
    // Anything may have come of a wrong password, so whether it is a key is looked at.
    pkcs8::PrivateKeyInfoRef::try_from(key.as_bytes()).map_err(|_| wrong())?;
    let text = key.to_pem("PRIVATE KEY", LineEnding::LF);
    Ok(text.map_err(|_| unreadable(()))?.as_bytes().to_vec())
}

const fn is_of_cipher(error: &Pkcs8Error) -> bool {
    use pkcs8::pkcs5::Error as Pkcs5;
    matches!(
        error,
        Pkcs8Error::EncryptedPrivateKey(
            Pkcs5::NoPbes1CryptSupport
                | Pkcs5::UnsupportedAlgorithm { .. }
                | Pkcs5::AlgorithmParametersInvalid { .. }
        )
    )
}
