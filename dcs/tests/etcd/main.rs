//! The etcd backend keeps the contract on a real server, and lives through faults of a real
//! cluster.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod credentials;
mod discovery;
mod faults;
mod lost_replies;
mod relay;
mod server;
mod tls;

use std::sync::Arc;

use herdsman_dcs::contract::Backend;
use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions};
use herdsman_dcs::test_servers::EtcdServers;
use herdsman_dcs::{Dcs, async_trait};

struct Etcd(EtcdServers);

#[async_trait]
impl Backend for Etcd {
    async fn handle(&self, _name: &str) -> Arc<dyn Dcs> {
        let options = EtcdOptions::new(self.0.endpoints()).expect("the servers have addresses");
        Arc::new(EtcdDcs::new(options))
    }
}

async fn etcd() -> Etcd {
    Etcd(EtcdServers::single())
}

mod contract {
    herdsman_dcs::contract_tests!(super::etcd);
}
