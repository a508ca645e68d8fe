//! The user name and password that guard calls which change something.
//!
//! The password is never printed; what a client sent is compared in a time that does not depend on
//! where it differs.

use std::fmt;
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A user name with its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    username: String,
    /// The base64 text of `username:password`, as it comes in the header.
    token: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("password", &"***")
            .finish()
    }
}

impl Credentials {
    /// Keeps a user name and its password.
    #[must_use]
    pub fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            token: STANDARD.encode(format!("{username}:{password}")),
        }
    }

    /// What a client sends in the `Authorization` header.
    pub(crate) fn header(&self) -> String {
        format!("Basic {}", self.token)
    }

    /// Whether an `Authorization` header carries these credentials.
    pub(crate) fn are_in(&self, header: &[u8]) -> bool {
        let Some(token) = header.strip_prefix(b"Basic ") else {
            return false;
        };
        is_equal(token, self.token.as_bytes())
    }
}

/// Compares every byte whatever the first ones are; only the length may be learned from the time.
fn is_equal(sent: &[u8], expected: &[u8]) -> bool {
    if sent.len() != expected.len() {
        return false;
    }
    let differences = sent
        .iter()
        .zip(expected)
        .fold(0_u8, |seen, (a, b)| black_box(seen | (a ^ b)));
    differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_credentials_are_accepted() {
        let credentials = Credentials::new("admin", "s:cret");
        assert!(credentials.are_in(b"Basic YWRtaW46czpjcmV0"));
        for wrong in [
            "Basic YWRtaW46czpjcmV1",
            "Basic YWRtaW46czpjcmV0 ",
            "YWRtaW46czpjcmV0",
            "Bearer YWRtaW46czpjcmV0",
            "Basic ",
            "",
        ] {
            assert!(!credentials.are_in(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn the_password_is_not_printed() {
        let text = format!("{:?}", Credentials::new("admin", "s:cret"));
        assert!(text.contains("admin"), "{text}");
        assert!(
            !text.contains("s:cret") && !text.contains("czpjcmV0"),
            "{text}"
        );
    }
}
