//! What an etcd server counts, from its metrics page.
//!
//! Invariant: numbers are the server's own; nothing is derived here but sums over labels.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);

/// One reading of the page.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    samples: Vec<Sample>,
}

/// One line of the page.
#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: String,
    value: f64,
}

impl Metrics {
    /// Reads the page of the server at a client URL (`http://host:port`).
    ///
    /// # Errors
    /// When the server does not answer in time.
    pub fn read(endpoint: &str) -> io::Result<Self> {
        let address = endpoint.trim_start_matches("http://");
        let address: SocketAddr = address
            .parse()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        // Version 1.0 of the protocol: the answer ends with the connection, in one piece.
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        Ok(Self::parse(&page))
    }

    fn parse(page: &str) -> Self {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        Self {
            samples: lines.filter_map(sample).collect(),
        }
    }

    /// The sum of a counter over all its labels that `is_meant` accepts.
    #[must_use]
    pub fn sum(&self, name: &str, is_meant: impl Fn(&str) -> bool) -> f64 {
        let samples = self.samples.iter().filter(|sample| sample.name == name);
        let meant = samples.filter(|sample| is_meant(&sample.labels));
        meant.map(|sample| sample.value).sum()
    }

    /// The values of a label of a counter, each once.
    #[must_use]
    pub fn values_of(&self, name: &str, label_name: &str) -> BTreeSet<String> {
        let samples = self.samples.iter().filter(|sample| sample.name == name);
        let values = samples.filter_map(|sample| label(&sample.labels, label_name));
        values.map(str::to_owned).collect()
    }

    /// Whether this server leads its cluster.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.sum("etcd_server_is_leader", |_| true) > 0.5
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (key, value) = line.rsplit_once(' ')?;
    let (name, labels) = key.split_once('{').unwrap_or((key, ""));
    Some(Sample {
        name: name.to_owned(),
        labels: labels.trim_end_matches('}').to_owned(),
        value: value.parse().ok()?,
    })
}

/// The value of a label.
#[must_use]
pub fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    Some(value.trim_matches('"'))
}

/// The number of the server that leads the cluster with these client URLs, if one says so.
#[must_use]
pub fn leading(endpoints: &[String]) -> Option<usize> {
    let leads = |endpoint: &String| Metrics::read(endpoint).is_ok_and(|page| page.is_leader());
    endpoints.iter().position(leads)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "HTTP/1.0 200 OK\r\n\r\n\
        # HELP etcd_server_is_leader Whether or not this member is a leader.\n\
        etcd_server_is_leader 1\n\
        grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Txn\",grpc_type=\"unary\"} 7\n\
        grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Range\",grpc_type=\"unary\"} 2e+00\n";

    #[test]
    fn counters_are_summed_over_the_labels_that_are_meant() {
        let page = Metrics::parse(PAGE);
        assert!(page.is_leader());
        let all = page.sum("grpc_server_handled_total", |_| true);
        assert!((all - 9.0).abs() < 1e-9);
        let txn = page.sum("grpc_server_handled_total", |labels| {
            label(labels, "grpc_method") == Some("Txn")
        });
        assert!((txn - 7.0).abs() < 1e-9);
        let methods = page.values_of("grpc_server_handled_total", "grpc_method");
        assert_eq!(methods.into_iter().collect::<Vec<_>>(), ["Range", "Txn"]);
    }

    #[test]
    fn page_without_the_counter_sums_to_nothing() {
        assert!(!Metrics::parse("").is_leader());
    }
}
