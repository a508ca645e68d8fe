//! Who connects, and with which connection keywords.
//!
//! Invariant: a password never appears in `Debug`, in an error, in a process
//! argument or in a connection string; it travels in the startup exchange, in
//! a password file of mode 0600, or through a pipe.

use std::collections::BTreeMap;
use std::fmt;

/// A text that must not be shown. `Debug` hides it and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that must hand it to PostgreSQL.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A role to connect as.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The role's name. Without one PostgreSQL takes the system user's.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// Whether connections over TCP are encrypted, and what the server must prove, as in libpq:
    /// `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`. Without one it is
    /// `prefer`, for our own connections to the local server as well.
    pub sslmode: Option<String>,
    /// What opens the key in `sslkey`, when that is encrypted.
    pub sslpassword: Option<Secret>,
    /// Other connection keywords by name, for example `sslcert`, `sslrootcert`,
    /// `gssencmode`, `channel_binding`; never secrets. Names that libpq does not know, or that
    /// its version is too old for, are left out of connection strings.
    pub keywords: BTreeMap<String, String>,
}

impl Credentials {
    /// A role with a password and nothing else.
    #[must_use]
    pub fn new(username: impl Into<String>, password: Option<Secret>) -> Self {
        Self {
            username: Some(username.into()),
            password,
            sslmode: None,
            sslpassword: None,
            keywords: BTreeMap::new(),
        }
    }

    /// A role without anything: the system user's name, no password.
    #[must_use]
    pub const fn system_user() -> Self {
        Self {
            username: None,
            password: None,
            sslmode: None,
            sslpassword: None,
            keywords: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Somebody may take `sslpassword` for one of the keywords: only the names are shown.
        let keywords: Vec<&String> = self.keywords.keys().collect();
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("password", &self.password)
            .field("sslmode", &self.sslmode)
            .field("sslpassword", &self.sslpassword)
            .field("keywords", &keywords)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_password_nor_keyword_values() {
        let mut credentials = Credentials::new("rep", Some(Secret::new("hunter2")));
        credentials.sslpassword = Some(Secret::new("hunter3"));
        credentials
            .keywords
            .insert("sslpassword".to_owned(), "hunter4".to_owned());
        let shown = format!("{credentials:?}");
        assert!(shown.contains("rep") && shown.contains("sslpassword"));
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
