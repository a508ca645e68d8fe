//! Addresses: where a server listens, and where it is reached.
//!
//! Invariant: the host of an [`Address`] never carries the brackets of an IPv6
//! address; they are added in the one place that prints it.

use std::fmt;
use std::str::FromStr;

use crate::lsn::ParseValueError;

const DEFAULT_PORT: u16 = 5432;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for Address {
    type Err = ParseValueError;

    /// Reads `host`, `host:port` or `[::1]:port`; the port is 5432 if absent.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let listen: Listen = text.parse()?;
        match <[String; 1]>::try_from(listen.hosts) {
            Ok([host]) => Ok(Self {
                host,
                port: listen.port,
            }),
            Err(_) => Err(ParseValueError::new("host and port", text)),
        }
    }
}

/// Where a server listens: some hosts and one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Host names or addresses without brackets, or `*`. At least one.
    hosts: Vec<String>,
    port: u16,
}

impl Listen {
    /// The port of all addresses.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The hosts and addresses, as given.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The value of `listen_addresses`.
    #[must_use]
    pub fn listen_addresses(&self) -> String {
        self.hosts.join(",")
    }

    /// Where a program on the same machine connects.
    #[must_use]
    pub fn local_address(&self) -> Address {
        let is_any = |host: &String| matches!(host.as_str(), "*" | "0.0.0.0" | "::" | "localhost");
        let host = match self.hosts.iter().any(is_any) {
            true => "localhost".to_owned(),
            false => self.hosts[0].clone(),
        };
        Address {
            host,
            port: self.port,
        }
    }
}

impl FromStr for Listen {
    type Err = ParseValueError;

    /// Reads `host[,host...][:port]`. The last colon separates the port; a host
    /// with a colon of its own is an IPv6 address, in brackets or not.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseValueError::new("list of addresses with a port", text);
        let trimmed = text.trim();
        let (hosts, port) = match trimmed.rsplit_once(':') {
            Some((hosts, port)) if !port.contains(']') => {
                (hosts, port.parse().map_err(|_| error())?)
            }
            Some(_) | None => (trimmed, DEFAULT_PORT),
        };
        let hosts: Vec<String> = hosts
            .split(',')
            .map(|host| host.trim().trim_matches(['[', ']']).to_owned())
            .collect();
        if port == 0 || hosts.iter().any(String::is_empty) {
            return Err(error());
        }
        Ok(Self { hosts, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, hosts: &[&str], port: u16) {
        let listen: Listen = text.parse().unwrap();
        assert_eq!(listen.hosts, hosts, "{text}");
        assert_eq!(listen.port, port, "{text}");
    }

    #[test]
    fn hosts_are_split_from_the_port_at_the_last_colon() {
        check("127.0.0.1:5433", &["127.0.0.1"], 5433);
        check("a, b:5433", &["a", "b"], 5433);
        check("*:5432", &["*"], 5432);
        check("localhost", &["localhost"], 5432);
        check("[::1]:5433", &["::1"], 5433);
        check("127.0.0.1,[::1]:5433", &["127.0.0.1", "::1"], 5433);
        check("[::1]", &["::1"], 5432);
    }

    #[test]
    fn unusable_addresses_are_refused() {
        for text in ["", ":5432", "a:0", "a:x", "a,:5432", "a:70000"] {
            assert!(text.parse::<Listen>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_server_on_every_address_is_reached_at_localhost() {
        let local = |text: &str| text.parse::<Listen>().unwrap().local_address().to_string();
        assert_eq!(local("*:5433"), "localhost:5433");
        assert_eq!(local("10.0.0.1,0.0.0.0:5433"), "localhost:5433");
        assert_eq!(local("10.0.0.1,10.0.0.2:5433"), "10.0.0.1:5433");
        assert_eq!(local("::1:5433"), "[::1]:5433");
    }
}
