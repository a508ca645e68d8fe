//! What an idle cluster costs: memory of the daemons, and requests to the store.
//!
//! A request is a message that the one server of the store received from a client: one for each
//! call, and one for each message of a stream, such as a renewal or a question after the progress of
//! a watch. It is the store's own count, of all members together: of etcd
//! `grpc_server_msg_received_total`, over all methods, with the methods told beside it; of ZooKeeper
//! what `srvr` counts, pings among them.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::statistics::Series;
use crate::cluster::{Cluster, StoreServers, wait_for};
use crate::etcd_metrics::{Metrics, label};

const RECEIVED: &str = "grpc_server_msg_received_total";
/// One window of counting.
const WINDOW: Duration = Duration::from_secs(60);

/// What was measured of an idle cluster.
pub(super) struct Idle {
    /// The resident memory of each daemon after each window, in MiB.
    pub(super) memory: Series,
    /// Requests in each window.
    pub(super) requests: Series,
    /// Requests of all windows by method.
    pub(super) by_method: BTreeMap<String, f64>,
}

impl Idle {
    /// What the requests were.
    pub(super) fn methods(&self) -> String {
        let methods = self.by_method.iter().filter(|(_, count)| **count > 0.0);
        let methods = methods.map(|(method, count)| format!("{method} {count:.0}"));
        methods.collect::<Vec<_>>().join(", ")
    }
}

/// Watches a cluster that nobody uses for so many minutes, after one to calm down.
pub(super) fn measure(cluster: &Cluster, windows: usize) -> Idle {
    cluster.wait_until_settled();
    let read = || wait_for("the store's counters", || received(&cluster.store()));
    // The time itself is what is measured over: nothing is waited for.
    std::thread::sleep(WINDOW);
    let mut idle = Idle {
        memory: Series::default(),
        requests: Series::default(),
        by_method: BTreeMap::new(),
    };
    let own = own_questions(&cluster.store());
    let mut before = read();
    for _ in 0..windows {
        std::thread::sleep(WINDOW);
        let after = read();
        let mut requests = 0.0;
        for (method, count) in &after {
            let count = count - before.get(method).copied().unwrap_or_default() - own;
            requests += count;
            *idle.by_method.entry(method.clone()).or_default() += count;
        }
        idle.requests.push(requests);
        before = after;
        for member in cluster.members() {
            let resident = member.daemon_pid().and_then(resident_kibibytes);
            let resident = resident.expect("the daemon of an idle cluster runs");
            idle.memory.push(resident / 1024.0);
        }
    }
    idle
}

/// How many messages of each kind the store has received so far.
fn received(servers: &StoreServers) -> Option<BTreeMap<String, f64>> {
    match servers {
        StoreServers::Etcd(_) => {
            let page = Metrics::read(servers.endpoints().first()?).ok()?;
            let methods = page.values_of(RECEIVED, "grpc_method").into_iter();
            let count = |method: String| {
                let is_meant = |labels: &str| label(labels, "grpc_method") == Some(&method);
                let count = page.sum(RECEIVED, is_meant);
                (method, count)
            };
            Some(methods.map(count).collect())
        }
        StoreServers::ZooKeeper(servers) => {
            let all = u32::try_from(servers.received(0)?).ok()?;
            Some(BTreeMap::from([("messages".to_owned(), f64::from(all))]))
        }
    }
}

/// How many of the messages of a window are our own question at its end.
const fn own_questions(servers: &StoreServers) -> f64 {
    match servers {
        StoreServers::Etcd(_) => 0.0,
        StoreServers::ZooKeeper(_) => 1.0,
    }
}

fn resident_kibibytes(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory_is_read() {
        let resident = resident_kibibytes(std::process::id());
        assert!(resident.is_some_and(|kib| kib > 100.0), "{resident:?}");
    }
}
