//! The servers of an etcd cluster as DNS tells them: records of the type SRV (RFC 2782).
//!
//! The names are those that etcd's own tools and Patroni ask for, in their order; the first that
//! has records counts. A record for clients is an endpoint; one for peers is a server that is asked
//! for the clients' addresses of its members.
//!
//! Invariant: a domain that got in here is a name that can be asked for.

mod dns;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use super::http;
use super::options::normalize;
use crate::{Cause, Error, TlsOptions};

/// The services, from the one that says most to the one that says least.
const SERVICES: [&str; 6] = [
    "_etcd-client-ssl",
    "_etcd-client",
    "_etcd-ssl",
    "_etcd",
    "_etcd-server-ssl",
    "_etcd-server",
];
/// How long one peer may take to tell its members.
const PEER_LIMIT: Duration = Duration::from_secs(1);

/// Where to ask for the servers, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Discovery {
    domain: String,
    suffix: Option<String>,
    /// Whom to ask; those of the system when there is nobody.
    pub(super) name_servers: Vec<SocketAddr>,
}

impl Discovery {
    /// # Errors
    /// [`Error::Invalid`] when the domain or the suffix can be no part of a name.
    pub(super) fn new(
        domain: &str,
        suffix: Option<&str>,
        name_servers: Vec<SocketAddr>,
    ) -> Result<Self, Error> {
        let domain = domain.trim_end_matches('.');
        let discovery = Self {
            domain: domain.to_owned(),
            suffix: suffix
                .filter(|suffix| !suffix.is_empty())
                .map(str::to_owned),
            name_servers,
        };
        for name in discovery.names() {
            if !dns::is_name(&name) {
                let reason =
                    format!("{domain:?} is no domain that can be asked for servers of etcd");
                return Err(Error::invalid(reason));
            }
        }
        Ok(discovery)
    }

    fn names(&self) -> impl Iterator<Item = String> {
        SERVICES.iter().map(|service| match &self.suffix {
            Some(suffix) => format!("{service}-{suffix}._tcp.{}", self.domain),
            None => format!("{service}._tcp.{}", self.domain),
        })
    }

    /// Asks DNS for the servers. There is at least one in the answer.
    pub(super) async fn ask(&self, tls: &TlsOptions) -> Result<Vec<String>, Cause> {
        let name_servers = match self.name_servers.as_slice() {
            [] => dns::system_servers(),
            given => given.to_vec(),
        };
        let mut problem = None;
        for (service, name) in SERVICES.iter().zip(self.names()) {
            let records = match dns::srv(&name_servers, &name).await {
                Ok(records) => records,
                Err(cause) => {
                    problem = Some(cause);
                    continue;
                }
            };
            let scheme = if service.ends_with("-ssl") {
                "https"
            } else {
                "http"
            };
            let urls = records.iter().map(|record| format!("{scheme}://{record}"));
            let urls: Vec<String> = urls.filter_map(|url| normalize(&url).ok()).collect();
            let found = if service.contains("-server") {
                members(&urls, tls).await
            } else {
                urls
            };
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let domain = &self.domain;
        Err(match problem {
            Some(cause) => Cause::with_source(
                format!("srv: DNS does not tell the etcd servers of {domain}"),
                Some(&cause),
            ),
            None => Cause::new(format!("srv: DNS has no etcd servers for {domain}")),
        })
    }
}

/// The addresses for clients that the first of these peers tells.
async fn members(peers: &[String], tls: &TlsOptions) -> Vec<String> {
    for peer in peers {
        match timeout(PEER_LIMIT, http::get(peer, tls, "/members")).await {
            Ok(Ok(answer)) => {
                let urls = client_urls(&answer);
                if !urls.is_empty() {
                    return urls;
                }
            }
            Ok(Err(error)) => {
                let cause = Cause::from_error(&error);
                tracing::warn!(%peer, %cause, "a peer of etcd does not tell its members");
            }
            Err(_) => tracing::warn!(%peer, "a peer of etcd does not tell its members in time"),
        }
    }
    Vec::new()
}

/// The texts in the lists `clientURLs` of an answer, as far as they are endpoints. URLs need no
/// escapes in JSON, so this is all of JSON that is needed.
fn client_urls(answer: &str) -> Vec<String> {
    let lists = answer.split("\"clientURLs\":").skip(1);
    let texts = lists.flat_map(|list| {
        let list = list.split(']').next().unwrap_or_default();
        list.split('"').skip(1).step_by(2)
    });
    texts.filter_map(|url| normalize(url).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_reference() {
        let names = |suffix| {
            let discovery = Discovery::new("example.org.", suffix, Vec::new());
            discovery.unwrap().names().collect::<Vec<_>>()
        };
        assert_eq!(names(None)[0], "_etcd-client-ssl._tcp.example.org");
        assert_eq!(names(Some("two"))[5], "_etcd-server-two._tcp.example.org");
        for wrong in ["", "a b", "x..y", &"a.".repeat(200)] {
            let refused = Discovery::new(wrong, None, Vec::new());
            assert!(matches!(refused, Err(Error::Invalid(_))), "{wrong}");
        }
    }

    #[test]
    fn peers_tell_the_addresses_for_clients() {
        let answer = "HTTP/1.0 200 OK\r\n\r\n[{\"id\":1,\"peerURLs\":[\"http://a:2380\"],\
            \"name\":\"a\",\"clientURLs\":[\"http://a:2379\",\"https://a:4001\"]},\
            {\"peerURLs\":[\"http://b:2380\"],\"clientURLs\":[]}]";
        assert_eq!(client_urls(answer), ["http://a:2379", "https://a:4001"]);
        assert!(client_urls("HTTP/1.0 404 Not Found\r\n\r\n").is_empty());
    }
}
