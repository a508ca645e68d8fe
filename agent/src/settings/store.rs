//! Where the store is. etcd and ZooKeeper are served; a configuration that
//! names only another store is refused, because running without the cluster's
//! store is no choice.

mod etcd;
mod list;
mod tls;
mod zookeeper;

use super::reader::{Findings, Section};
use super::{ProblemKind, WarningKind};

pub use etcd::{Etcd, EtcdDiscovery, EtcdProtocol, EtcdSection, EtcdSrv};
pub use tls::TlsFiles;
pub use zookeeper::{AccessEntry, ZooKeeper, ZooKeeperTls};

/// The store of a cluster, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// etcd, over version 3 of its interface.
    Etcd(Etcd),
    /// ZooKeeper.
    ZooKeeper(ZooKeeper),
}

/// The sections that name a store, in the order in which Patroni takes the
/// first that is present.
const STORES: [&str; 7] = [
    "consul",
    "etcd",
    "etcd3",
    "exhibitor",
    "kubernetes",
    "raft",
    "zookeeper",
];

impl Store {
    /// etcd, if that is the store.
    #[must_use]
    pub const fn etcd(&self) -> Option<&Etcd> {
        match self {
            Self::Etcd(etcd) => Some(etcd),
            Self::ZooKeeper(_) => None,
        }
    }

    /// ZooKeeper, if that is the store.
    #[must_use]
    pub const fn zookeeper(&self) -> Option<&ZooKeeper> {
        match self {
            Self::ZooKeeper(zookeeper) => Some(zookeeper),
            Self::Etcd(_) => None,
        }
    }

    pub(super) fn read(findings: &mut Findings, root: &Section<'_>) -> Option<Self> {
        let mut present = STORES
            .iter()
            .filter_map(|name| Some((*name, root.field(name)?)));
        let Some((name, field)) = present.next() else {
            let advice = "there is no section for a store; write the servers of etcd or ZooKeeper, \
                          for example etcd3: {hosts: \"10.0.0.1:2379,10.0.0.2:2379\"}";
            findings.missing(root, "etcd3", advice);
            return None;
        };
        for (_, other) in present {
            let sentence = format!("has no effect beside {name}");
            findings.warn(&other, WarningKind::Note(sentence));
        }
        match name {
            "etcd" => Etcd::read(findings, root, &field, EtcdSection::Etcd).map(Self::Etcd),
            "etcd3" => Etcd::read(findings, root, &field, EtcdSection::Etcd3).map(Self::Etcd),
            "zookeeper" => ZooKeeper::read(findings, root).map(Self::ZooKeeper),
            _ => {
                findings.problem(&field, ProblemKind::NotServed(not_served(name)));
                None
            }
        }
    }
}

pub(super) fn not_served(store: &str) -> String {
    let shown = match store {
        "consul" => "Consul",
        "kubernetes" => "Kubernetes",
        "exhibitor" => "Exhibitor",
        _ => "Raft",
    };
    format!(
        "{shown} is not served; the store must be etcd (section etcd3) or ZooKeeper (section \
         zookeeper)"
    )
}
