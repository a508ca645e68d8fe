//! How to reach an etcd cluster.
//!
//! Invariant: an endpoint that got in here is a plain `http://host:port` URL without credentials,
//! so it may be logged.

use std::fmt;
use std::time::Duration;

use crate::{Error, Limits};

/// Where an etcd cluster is and how to talk to it.
#[derive(Clone)]
pub struct EtcdOptions {
    pub(super) endpoints: Vec<String>,
    pub(super) limits: Limits,
    pub(super) credentials: Option<Credentials>,
    pub(super) keepalive: Duration,
    pub(super) learns_endpoints: bool,
}

#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

impl EtcdOptions {
    /// Options for the servers with the given client addresses, each `host:port` or
    /// `http://host:port`. Earlier ones are preferred.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is none or one is no address, [`Error::Unsupported`] when one
    /// demands TLS.
    pub fn new<E: AsRef<str>>(endpoints: impl IntoIterator<Item = E>) -> Result<Self, Error> {
        let mut normal: Vec<String> = Vec::new();
        for endpoint in endpoints {
            let endpoint = normalize(endpoint.as_ref())?;
            if !normal.contains(&endpoint) {
                normal.push(endpoint);
            }
        }
        if normal.is_empty() {
            return Err(Error::invalid("no etcd endpoint is given"));
        }
        Ok(Self {
            endpoints: normal,
            limits: Limits::default(),
            credentials: None,
            keepalive: Duration::from_secs(1),
            learns_endpoints: true,
        })
    }

    /// Time limits to begin with; see [`Dcs::set_limits`](crate::Dcs::set_limits).
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Authenticates as this user. Tokens that expire are renewed without notice.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(Credentials {
            user: name.into(),
            password: password.into(),
        });
        self
    }

    /// How long a connection with a running watch may be silent before the server is asked whether
    /// it is alive; it has as long again to answer. Default 1 s, so a hung server is noticed within
    /// 2 s.
    #[must_use]
    pub const fn keepalive(mut self, interval: Duration) -> Self {
        self.keepalive = interval;
        self
    }

    /// Uses no other addresses than the given ones. By default the cluster is asked for its members
    /// now and then, and those are used when none of the given ones answers.
    #[must_use]
    pub const fn only_given_endpoints(mut self) -> Self {
        self.learns_endpoints = false;
        self
    }
}

/// The password stays out of every log.
impl fmt::Debug for EtcdOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdOptions")
            .field("endpoints", &self.endpoints)
            .field("limits", &self.limits)
            .field("user", &self.credentials.as_ref().map(|c| &c.user))
            .field("keepalive", &self.keepalive)
            .field("learns_endpoints", &self.learns_endpoints)
            .finish_non_exhaustive()
    }
}

/// Brings an address into the one form `http://host:port`.
pub(super) fn normalize(endpoint: &str) -> Result<String, Error> {
    if endpoint.starts_with("https://") {
        return Err(Error::Unsupported {
            what: "TLS connections to etcd",
        });
    }
    let address = endpoint.strip_prefix("http://").unwrap_or(endpoint);
    let address = address.strip_suffix('/').unwrap_or(address);
    // The text is not shown when it has an `@`: what precedes it would be a password.
    if address.contains('@') {
        let reason = "an etcd endpoint must not contain credentials";
        return Err(Error::invalid(reason));
    }
    let port = address
        .rsplit_once(':')
        .map(|(host, port)| (host, port.parse::<u16>()));
    match port {
        Some((host, Ok(_))) if is_host(host) => Ok(format!("http://{address}")),
        Some(_) | None => {
            let reason = format!("the etcd endpoint {endpoint:?} is not host:port");
            Err(Error::invalid(reason))
        }
    }
}

fn is_host(host: &str) -> bool {
    let plain = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match plain {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(is_name),
    }
}

/// Whether an endpoint in its normal form means the machine that asks.
pub(super) fn is_local(endpoint: &str) -> bool {
    let address = endpoint.strip_prefix("http://").unwrap_or(endpoint);
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host == "localhost" || host.starts_with("127.") || ["0.0.0.0", "[::]", "[::1]"].contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_is_brought_into_one_form() {
        for given in ["h:2379", "http://h:2379", "http://h:2379/"] {
            assert_eq!(normalize(given).unwrap(), "http://h:2379");
        }
        assert_eq!(normalize("[::1]:1").unwrap(), "http://[::1]:1");
        for given in [
            "", "h", "http://h", ":1", "h:x", "h:1/a", "a b:1", "::1:1", "h:99999",
        ] {
            assert!(
                matches!(normalize(given), Err(Error::Invalid(_))),
                "{given}"
            );
        }
        let tls = normalize("https://h:1");
        assert!(matches!(tls, Err(Error::Unsupported { .. })));
    }

    #[test]
    fn no_secret_is_shown() {
        let options = EtcdOptions::new(["h:1"]).unwrap().user("u", "secret");
        let shown = format!("{options:?}");
        assert!(
            shown.contains("\"u\"") && !shown.contains("secret"),
            "{shown}"
        );
        let error = normalize("http://u:secret@h:1").unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }

    #[test]
    fn local_addresses_are_known() {
        for local in ["http://localhost:1", "http://127.0.0.2:1", "http://[::1]:1"] {
            assert!(is_local(local), "{local}");
        }
        assert!(!is_local("http://10.0.0.1:1"));
        assert!(!is_local("http://localhost.example:1"));
    }
}
