//! The ZooKeeper backend keeps the contract on a real server, and lives through faults of a real
//! ensemble.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod faults;
mod tls;

use std::sync::Arc;

use herdsman_dcs::contract::Backend;
use herdsman_dcs::test_servers::ZooKeeperServers;
use herdsman_dcs::zookeeper::{ZooKeeperDcs, ZooKeeperOptions};
use herdsman_dcs::{Dcs, async_trait};

struct ZooKeeper(ZooKeeperServers);

#[async_trait]
impl Backend for ZooKeeper {
    async fn handle(&self, _name: &str) -> Arc<dyn Dcs> {
        let options = ZooKeeperOptions::new(self.0.hosts()).expect("the servers have addresses");
        Arc::new(ZooKeeperDcs::new(options))
    }
}

async fn zookeeper() -> ZooKeeper {
    ZooKeeper(ZooKeeperServers::single())
}

mod contract {
    herdsman_dcs::contract_tests!(super::zookeeper);
}
