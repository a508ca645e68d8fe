//! The servers of a cluster's store, of either kind, and what can be done to them.
//!
//! Invariant: they end with the value, as those of `herdsman_dcs::test_servers` do.

use std::net::SocketAddr;
use std::time::Duration;

use herdsman_dcs::test_servers::{EtcdServers, ZooKeeperServers};
use serde_json::{Value, json};

use crate::etcd_metrics;

/// Which store a cluster has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// etcd with its version 3 protocol.
    Etcd,
    /// ZooKeeper.
    ZooKeeper,
}

/// One server or three, numbered from zero.
#[derive(Debug)]
pub enum StoreServers {
    /// etcd.
    Etcd(EtcdServers),
    /// ZooKeeper.
    ZooKeeper(ZooKeeperServers),
}

impl StoreServers {
    /// Starts one server or three; `tick` is ZooKeeper's unit of time.
    pub(crate) fn start(kind: StoreKind, count: usize, tick: Duration) -> Self {
        match (kind, count) {
            (StoreKind::Etcd, 1) => Self::Etcd(EtcdServers::single()),
            (StoreKind::Etcd, 3) => Self::Etcd(EtcdServers::cluster_of_three()),
            (StoreKind::ZooKeeper, 1 | 3) => Self::ZooKeeper(ZooKeeperServers::start(count, tick)),
            (_, count) => panic!("a store of {count} servers is not served"),
        }
    }

    /// Where clients reach each server: URLs of etcd, `host:port` of ZooKeeper.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        match self {
            Self::Etcd(servers) => servers.endpoints(),
            Self::ZooKeeper(servers) => servers.hosts(),
        }
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let address = |endpoint: &String| {
            let (_, address) = endpoint.rsplit_once('/').unwrap_or(("", endpoint));
            let address = address.parse();
            address.unwrap_or_else(|_| panic!("{endpoint} is no address of a server"))
        };
        self.endpoints().iter().map(address).collect()
    }

    /// The section of a member's configuration that leads to these addresses.
    pub(crate) fn section(&self, hosts: &[SocketAddr]) -> (&'static str, Value) {
        let hosts: Vec<String> = hosts.iter().map(SocketAddr::to_string).collect();
        match self {
            Self::Etcd(_) => ("etcd3", json!({"hosts": hosts})),
            Self::ZooKeeper(_) => ("zookeeper", json!({"hosts": hosts})),
        }
    }

    /// The server that leads the others, if one does.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        match self {
            Self::Etcd(servers) => etcd_metrics::leading(&servers.endpoints()),
            Self::ZooKeeper(servers) => servers.leader(),
        }
    }

    /// Kills a server; its data stays.
    pub fn kill(&mut self, number: usize) {
        match self {
            Self::Etcd(servers) => servers.kill(number),
            Self::ZooKeeper(servers) => servers.kill(number),
        }
    }

    /// Starts a killed server again on its data, and does not wait for it.
    pub fn restart(&mut self, number: usize) {
        match self {
            Self::Etcd(servers) => servers.restart(number),
            Self::ZooKeeper(servers) => servers.restart(number),
        }
    }

    /// Stops a server by `SIGSTOP`: it keeps its connections and answers nothing.
    pub fn stop(&self, number: usize) {
        match self {
            Self::Etcd(servers) => servers.stop(number),
            Self::ZooKeeper(servers) => servers.stop(number),
        }
    }

    /// Lets a stopped server go on.
    pub fn cont(&self, number: usize) {
        match self {
            Self::Etcd(servers) => servers.cont(number),
            Self::ZooKeeper(servers) => servers.cont(number),
        }
    }

    /// Waits until every server answers and the store has a leader.
    pub fn wait_until_all_answer(&mut self) {
        match self {
            Self::Etcd(servers) => servers.wait_until_all_answer(),
            Self::ZooKeeper(servers) => servers.wait_until_all_serve(),
        }
    }
}
