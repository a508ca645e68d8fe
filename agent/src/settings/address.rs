//! Addresses as a configuration writes them: `host:port`, and `a,b:port` for
//! a server that listens in several places. Nothing is resolved here.

use std::fmt;

use super::reader::{Field, Findings};

/// One host and its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// A name or an IP address; IPv6 without brackets.
    pub host: String,
    /// The TCP port, never 0.
    pub port: u16,
}

/// Where a server listens: some hosts, one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Names or addresses as written, IPv6 without brackets. `*` means all.
    pub hosts: Vec<String>,
    /// The TCP port, never 0.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", bracketed(&self.host), self.port)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(|host| bracketed(host)).collect();
        write!(f, "{}:{}", hosts.join(","), self.port)
    }
}

impl HostPort {
    /// Whether others can use this as a destination.
    pub(super) fn is_wildcard(&self) -> bool {
        is_wildcard(&self.host)
    }

    /// Reads `host:port`; the port may be left out where there is a default.
    pub(super) fn read(
        findings: &mut Findings,
        field: &Field<'_>,
        default_port: Option<u16>,
        hosts: Hosts,
    ) -> Option<Self> {
        let text = findings.text(field)?;
        match split(&text, default_port) {
            Ok((list, port)) if !list.contains(',') => {
                let host = strip_brackets(&list);
                match check_host(&host, hosts) {
                    Ok(()) => return Some(Self { host, port }),
                    Err(sentence) => findings.invalid(field, sentence),
                }
            }
            Ok(_) => findings.invalid(field, format!("`{text}` names several hosts, write one")),
            Err(sentence) => findings.invalid(field, sentence),
        }
        None
    }
}

impl Listen {
    /// Reads `a,b:port`.
    pub(super) fn read(
        findings: &mut Findings,
        field: &Field<'_>,
        default_port: u16,
    ) -> Option<Self> {
        let text = findings.text(field)?;
        let (list, port) = match split(&text, Some(default_port)) {
            Ok(parts) => parts,
            Err(sentence) => {
                findings.invalid(field, sentence);
                return None;
            }
        };
        let hosts: Vec<String> = list.split(',').map(strip_brackets).collect();
        for host in &hosts {
            if let Err(sentence) = check_host(host, Hosts::AnyButEmpty) {
                findings.invalid(field, sentence);
                return None;
            }
        }
        Some(Self { hosts, port })
    }

    /// The only host, when it is one that others can connect to.
    pub(super) fn as_destination(&self) -> Option<HostPort> {
        match self.hosts.as_slice() {
            [host] if !is_wildcard(host) => Some(HostPort {
                host: host.clone(),
                port: self.port,
            }),
            _ => None,
        }
    }
}

/// Which hosts make sense for a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hosts {
    /// To listen: an empty host means every address.
    Any,
    /// To listen where an empty host has no meaning.
    AnyButEmpty,
    /// To connect to.
    Destination,
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

fn is_wildcard(host: &str) -> bool {
    matches!(host, "" | "*" | "0.0.0.0" | "::")
}

fn strip_brackets(host: &str) -> String {
    host.trim().trim_matches(['[', ']']).to_owned()
}

/// Splits at the last colon, as `host:port` and `::1:port` are meant.
fn split(text: &str, default_port: Option<u16>) -> Result<(String, u16), String> {
    let text = text.trim();
    if text.contains("://") || text.contains('@') {
        // The text may hold a password, so it is not shown.
        return Err("this is a URL or has a user in it, write host:port".to_owned());
    }
    let is_bare_ipv6 = text.starts_with('[') && text.ends_with(']');
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !is_bare_ipv6 => (host, Some(port)),
        Some(_) | None => (text, None),
    };
    let port = match port {
        None => default_port.ok_or_else(|| format!("`{text}` has no port, write host:port"))?,
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| format!("`{text}` has no port from 1 to 65535, write host:port"))?,
    };
    Ok((host.to_owned(), port))
}

fn check_host(host: &str, hosts: Hosts) -> Result<(), String> {
    if host.contains(['<', '>']) {
        return Err(format!("`{host}` is a placeholder, write the address"));
    }
    if host.contains(|c: char| c.is_whitespace() || c == '/') {
        return Err(format!("`{host}` is not a host name, write host:port"));
    }
    match hosts {
        Hosts::Any => Ok(()),
        Hosts::AnyButEmpty if host.is_empty() => {
            Err("there is no host before the port, write `*` for all addresses".to_owned())
        }
        Hosts::AnyButEmpty => Ok(()),
        Hosts::Destination if is_wildcard(host) => Err(format!(
            "`{host}` is not an address that other members can connect to, write this member's"
        )),
        Hosts::Destination => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_at_the_last_colon() {
        let table = [
            ("10.0.0.1:5432", Ok(("10.0.0.1", 5432))),
            ("db", Ok(("db", 1))),
            ("a,b:5", Ok(("a,b", 5))),
            ("[::1]:5", Ok(("[::1]", 5))),
            ("::1:5", Ok(("::1", 5))),
            ("[::1]", Ok(("[::1]", 1))),
            (":8008", Ok(("", 8008))),
        ];
        for (text, expected) in table {
            let expected = expected.map(|(host, port): (&str, u16)| (host.to_owned(), port));
            assert_eq!(split(text, Some(1)), expected, "{text}");
        }
    }

    #[test]
    fn ports_are_from_1_to_65535() {
        for text in ["a:0", "a:65536", "a:", "a:x", "a:-1"] {
            assert!(split(text, Some(1)).is_err(), "{text}");
        }
    }

    #[test]
    fn ipv6_is_shown_in_brackets() {
        let address = HostPort {
            host: "::1".to_owned(),
            port: 5432,
        };
        assert_eq!(address.to_string(), "[::1]:5432");
    }
}
