//! What an idle cluster costs: memory of the daemons, and requests to the store.
//!
//! A request is a message that a server of the store received from a client: one for each call,
//! and one for each message of a stream, such as a renewal or a question after the progress of a
//! watch. It is the store's own count, of all members together: `grpc_server_msg_received_total`,
//! over all methods. Which methods they were is told beside it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::statistics::Series;
use crate::cluster::{Cluster, wait_for};
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

/// Watches a cluster that nobody uses for so many minutes, after one to calm down.
pub(super) fn measure(cluster: &Cluster, windows: usize) -> Idle {
    cluster.wait_until_settled();
    let endpoints = cluster.store().endpoints();
    let read = || wait_for("etcd's counters", || Metrics::read(&endpoints[0]).ok());
    // The time itself is what is measured over: nothing is waited for.
    std::thread::sleep(WINDOW);
    let mut idle = Idle {
        memory: Series::default(),
        requests: Series::default(),
        by_method: BTreeMap::new(),
    };
    let mut before = read();
    for _ in 0..windows {
        std::thread::sleep(WINDOW);
        let after = read();
        let requests = after.sum(RECEIVED, |_| true) - before.sum(RECEIVED, |_| true);
        idle.requests.push(requests);
        for method in after.values_of(RECEIVED, "grpc_method") {
            let count = |page: &Metrics| {
                page.sum(RECEIVED, |labels| {
                    label(labels, "grpc_method") == Some(method.as_str())
                })
            };
            let count = count(&after) - count(&before);
            *idle.by_method.entry(method).or_default() += count;
        }
        before = after;
        for member in cluster.members() {
            let resident = member.daemon_pid().and_then(resident_kibibytes);
            let resident = resident.expect("the daemon of an idle cluster runs");
            idle.memory.push(resident / 1024.0);
        }
    }
    idle
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
