//! How to reach an etcd cluster.
//!
//! Invariant: an endpoint that got in here is a plain `http://host:port` or `https://host:port` URL
//! without credentials, so it may be logged.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::srv::Discovery;
use crate::{Error, Limits, TlsOptions};

/// Where an etcd cluster is and how to talk to it.
#[derive(Clone)]
pub struct EtcdOptions {
    pub(super) endpoints: Vec<String>,
    pub(super) limits: Limits,
    pub(super) credentials: Option<Credentials>,
    pub(super) keepalive: Duration,
    pub(super) learns_endpoints: bool,
    pub(super) tls: TlsOptions,
    pub(super) discovery: Option<Discovery>,
}

#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

impl EtcdOptions {
    /// Options for the servers with the given client addresses, each `host:port`,
    /// `http://host:port` or, for TLS, `https://host:port`. Earlier ones are preferred.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is none or one is no address.
    pub fn new<E: AsRef<str>>(endpoints: impl IntoIterator<Item = E>) -> Result<Self, Error> {
        let endpoints = all_normal(endpoints)?;
        if endpoints.is_empty() {
            return Err(Error::invalid("no etcd endpoint is given"));
        }
        Ok(Self::with(endpoints, None))
    }

    /// Options for the servers that DNS tells in the records SRV of a domain: the services
    /// `_etcd-client-ssl`, `_etcd-client`, `_etcd-ssl`, `_etcd`, `_etcd-server-ssl` and
    /// `_etcd-server`, each with `-suffix` at its end if there is one. The first that has records
    /// counts; those with `-ssl` are spoken to in TLS, and those with `-server` are peers, which are
    /// asked for the addresses of their members. While DNS tells none, the given endpoints are used,
    /// if there are any.
    ///
    /// DNS is asked by the first call, and again when no server answers any more.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the domain is none, or an endpoint is no address.
    pub fn discovered<E: AsRef<str>>(
        domain: &str,
        suffix: Option<&str>,
        endpoints: impl IntoIterator<Item = E>,
    ) -> Result<Self, Error> {
        let discovery = Discovery::new(domain, suffix, Vec::new())?;
        Ok(Self::with(all_normal(endpoints)?, Some(discovery)))
    }

    fn with(endpoints: Vec<String>, discovery: Option<Discovery>) -> Self {
        Self {
            endpoints,
            limits: Limits::default(),
            credentials: None,
            keepalive: Duration::from_secs(1),
            learns_endpoints: true,
            tls: TlsOptions::new(),
            discovery,
        }
    }

    /// Asks these name servers, and not those of the system (`/etc/resolv.conf`).
    #[must_use]
    pub fn name_servers(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        if let Some(discovery) = &mut self.discovery {
            discovery.name_servers = servers.into_iter().collect();
        }
        self
    }

    /// What connections to the endpoints that begin with `https` are encrypted with.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when certificates shall not be verified.
    pub fn tls(mut self, tls: TlsOptions) -> Result<Self, Error> {
        if !tls.verifies() {
            return Err(Error::Unsupported {
                what: "connections to an etcd whose certificate is not verified",
            });
        }
        self.tls = tls;
        Ok(self)
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
            .field("tls", &self.tls)
            .field("discovery", &self.discovery)
            .finish_non_exhaustive()
    }
}

/// Endpoints in their normal form, each once.
fn all_normal<E: AsRef<str>>(endpoints: impl IntoIterator<Item = E>) -> Result<Vec<String>, Error> {
    let mut normal: Vec<String> = Vec::new();
    for endpoint in endpoints {
        let endpoint = normalize(endpoint.as_ref())?;
        if !normal.contains(&endpoint) {
            normal.push(endpoint);
        }
    }
    Ok(normal)
}

/// Brings an address into the one form `http://host:port` or `https://host:port`.
pub(super) fn normalize(endpoint: &str) -> Result<String, Error> {
    let (scheme, address) = parts(endpoint);
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
        Some((host, Ok(_))) if is_host(host) => Ok(format!("{scheme}{address}")),
        Some(_) | None => {
            let reason = format!("the etcd endpoint {endpoint:?} is not host:port");
            Err(Error::invalid(reason))
        }
    }
}

const PLAIN: &str = "http://";
const ENCRYPTED: &str = "https://";

/// How an endpoint is spoken to, and where it is.
fn parts(endpoint: &str) -> (&'static str, &str) {
    match endpoint.strip_prefix(ENCRYPTED) {
        Some(address) => (ENCRYPTED, address),
        None => (PLAIN, endpoint.strip_prefix(PLAIN).unwrap_or(endpoint)),
    }
}

/// Whether an endpoint in its normal form is spoken to in TLS.
pub(super) fn is_encrypted(endpoint: &str) -> bool {
    endpoint.starts_with(ENCRYPTED)
}

/// The `host:port` of an endpoint.
pub(super) fn address(endpoint: &str) -> &str {
    parts(endpoint).1
}

/// The host of an endpoint in its normal form, without the brackets of an IPv6 address.
pub(super) fn host(endpoint: &str) -> &str {
    let address = address(endpoint);
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let plain = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    plain.unwrap_or(host)
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
    let host = host(endpoint);
    host == "localhost" || host.starts_with("127.") || ["0.0.0.0", "::", "::1"].contains(&host)
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
        assert_eq!(normalize("https://h:1/").unwrap(), "https://h:1");
        assert_eq!(host("https://[::1]:1"), "::1");
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
        for local in [
            "http://localhost:1",
            "https://127.0.0.2:1",
            "http://[::1]:1",
        ] {
            assert!(is_local(local), "{local}");
        }
        assert!(!is_local("http://10.0.0.1:1"));
        assert!(!is_local("http://localhost.example:1"));
    }
}
