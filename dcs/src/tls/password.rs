//! Private keys that a password protects.
//!
//! What OpenSSL writes for `pkcs8 -topk8`, `genpkey` and `req` is understood: PKCS #8 with PBES2.
//! Its older form, which only OpenSSL itself has, is not.
//!
//! Invariant: neither the password nor anything of the key is in an error or a log.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use pkcs8::der::pem::LineEnding;
use pkcs8::{EncryptedPrivateKeyInfoRef, Error as Pkcs8Error, SecretDocument};

use crate::Cause;

const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
const OLD_FORM: &str = "Proc-Type: 4,ENCRYPTED";

/// A password, and the key that it opened last.
///
/// To derive a key from a password takes long on purpose, up to a second, so a file that has not
/// changed is opened once and not for each connection.
#[derive(Clone, Default)]
pub(super) struct KeyPassword {
    text: String,
    opened: Arc<Mutex<Option<Opened>>>,
}

/// The text of a file, and the key that is in it, in PEM.
struct Opened {
    protected: Vec<u8>,
    key: Vec<u8>,
}

/// How the private key in a file is protected.
pub(super) enum Protection<'a> {
    None,
    /// The part of the text that is the key.
    Password(&'a str),
    OldForm,
}

impl<'a> Protection<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let begin = text.find(BEGIN);
        let block = begin.and_then(|begin| {
            let end = text[begin..].find(END)?;
            Some(&text[begin..begin + end + END.len()])
        });
        match block {
            Some(block) => Self::Password(block),
            None if text.contains(OLD_FORM) => Self::OldForm,
            None => Self::None,
        }
    }
}

impl KeyPassword {
    pub(super) fn new(text: String) -> Self {
        Self {
            text,
            opened: Arc::default(),
        }
    }

    /// The key in PEM, without its protection. `block` is the part of the file that it is in, and
    /// `key` names that file in the configuration.
    pub(super) fn open(&self, block: &str, key: &str, file: &Path) -> Result<Vec<u8>, Cause> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*opened
            && opened.protected == block.as_bytes()
        {
            return Ok(opened.key.clone());
        }
        let found = decrypt(block, &self.text).map_err(|trouble| trouble.about(key, file))?;
        *opened = Some(Opened {
            protected: block.as_bytes().to_vec(),
            key: found.clone(),
        });
        Ok(found)
    }
}

/// Two with the same text are the same, whatever they have opened.
impl PartialEq for KeyPassword {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for KeyPassword {}

impl fmt::Debug for KeyPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPassword(***)")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Unreadable,
    OtherCipher,
    WrongPassword,
}

impl Trouble {
    fn about(self, key: &str, file: &Path) -> Cause {
        let file = file.display();
        Cause::new(match self {
            Self::Unreadable => format!("{key}: {file} holds no private key that can be read"),
            Self::OtherCipher => format!(
                "{key}: {file} is encrypted in a way that is not served: convert it by \
                 `openssl pkcs8 -topk8 -v2 aes-256-cbc -in {file} -out NEW`"
            ),
            Self::WrongPassword => format!("key_password: does not open the key in {file}"),
        })
    }
}

/// What to do about a key in OpenSSL's older form.
pub(super) fn convert_old_form(key: &str, file: &Path) -> Cause {
    let file = file.display();
    Cause::new(format!(
        "{key}: {file} is encrypted in the older form of OpenSSL, which is not served: convert it \
         by `openssl pkcs8 -topk8 -in {file} -out NEW`"
    ))
}

fn decrypt(block: &str, password: &str) -> Result<Vec<u8>, Trouble> {
    let (_, document) = SecretDocument::from_pem(block).map_err(|_| Trouble::Unreadable)?;
    // Ways to encrypt that it does not know are not even read.
    let protected = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes());
    let protected = protected.map_err(|_| Trouble::OtherCipher)?;
    let key = protected.decrypt(password).map_err(trouble)?;
    // Anything may have come of a wrong password, so whether it is a key is looked at.
    pkcs8::PrivateKeyInfoRef::try_from(key.as_bytes()).map_err(|_| Trouble::WrongPassword)?;
    let text = key.to_pem("PRIVATE KEY", LineEnding::LF);
    Ok(text.map_err(|_| Trouble::Unreadable)?.as_bytes().to_vec())
}

fn trouble(error: Pkcs8Error) -> Trouble {
    use pkcs8::pkcs5::Error as Pkcs5;
    if let Pkcs8Error::EncryptedPrivateKey(
        Pkcs5::NoPbes1CryptSupport
        | Pkcs5::UnsupportedAlgorithm { .. }
        | Pkcs5::AlgorithmParametersInvalid { .. },
    ) = error
    {
        Trouble::OtherCipher
    } else {
        // A wrong password shows in its padding, or in what comes of it.
        Trouble::WrongPassword
    }
}
