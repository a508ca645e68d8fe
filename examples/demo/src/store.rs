//! The store of the cluster: in this process, or servers that are started for this run.
//!
//! The servers are those of the tests. A daemon would be told of them by the same section of its
//! file.

use std::str::FromStr;
use std::sync::Arc;

use herdsman_agent::settings::Settings;
use herdsman_dcs::Dcs;
use herdsman_dcs::memory::MemoryStore;
#[cfg(feature = "stores")]
use herdsman_dcs::test_servers::{EtcdServers, ZooKeeperServers};

use crate::AnyError;

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A table in this process.
    Memory,
    /// Three servers of etcd.
    Etcd,
    /// Three servers of ZooKeeper.
    ZooKeeper,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "memory" => Ok(Self::Memory),
            "etcd" => Ok(Self::Etcd),
            "zookeeper" => Ok(Self::ZooKeeper),
            other => Err(format!(
                "`{other}` is no store; there are: memory etcd zookeeper"
            )),
        }
    }
}

/// The store, as long as this lives.
#[derive(Debug)]
pub(crate) enum Store {
    Memory(MemoryStore),
    #[cfg(feature = "stores")]
    Etcd(EtcdServers),
    #[cfg(feature = "stores")]
    ZooKeeper(ZooKeeperServers),
}

impl Store {
    /// Starts it, and waits until it serves.
    ///
    /// # Panics
    /// When servers do not come up, also when they are not installed; their log is in the message.
    pub(crate) fn start(kind: Kind) -> Result<Self, AnyError> {
        match kind {
            Kind::Memory => Ok(Self::Memory(MemoryStore::new())),
            #[cfg(feature = "stores")]
            Kind::Etcd => Ok(Self::Etcd(EtcdServers::cluster_of_three())),
            #[cfg(feature = "stores")]
            Kind::ZooKeeper => Ok(Self::ZooKeeper(ZooKeeperServers::ensemble_of_three())),
            #[cfg(not(feature = "stores"))]
            Kind::Etcd | Kind::ZooKeeper => {
                Err("this program was built without the feature `stores`".into())
            }
        }
    }

    /// The section of a member's file that names it.
    pub(crate) fn section(&self) -> String {
        match self {
            // A section is demanded and stays unused: the store is handed to the agent.
            Self::Memory(_) => "etcd3:\n  hosts: 127.0.0.1:1".to_owned(),
            #[cfg(feature = "stores")]
            Self::Etcd(servers) => {
                let hosts = servers.endpoints();
                let hosts = hosts.iter().map(|url| url.trim_start_matches("http://"));
                let hosts: Vec<&str> = hosts.collect();
                format!("etcd3:\n  hosts: '{}'", hosts.join(","))
            }
            #[cfg(feature = "stores")]
            Self::ZooKeeper(servers) => {
                format!("zookeeper:\n  hosts: '{}'", servers.hosts().join(","))
            }
        }
    }

    /// What is handed to the agent of a member, which would find the servers itself.
    #[cfg_attr(
        not(feature = "stores"),
        expect(
            unused_variables,
            clippy::unnecessary_wraps,
            reason = "only servers are connected to"
        )
    )]
    pub(crate) fn handle(&self, name: &str, settings: &Settings) -> Result<Arc<dyn Dcs>, AnyError> {
        match self {
            Self::Memory(store) => Ok(Arc::new(store.handle(name))),
            #[cfg(feature = "stores")]
            Self::Etcd(_) | Self::ZooKeeper(_) => Ok(herdsman_agent::connect(&settings.store)?),
        }
    }
}
